package timeline

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

const (
	folder      = "timeline" // timeline/SERVICE, hashed: names may be long
	damaged     = "timeline-damaged"
	format      = 1
	maxSize     = 64 << 20 // of what is read, uncompressed
	storageTime = 30 * time.Second
)

// stored is a service as it is stored, compressed.
type stored struct {
	Format   int       `json:"format"`
	Service  string    `json:"service"`
	Versions []*series `json:"versions"`
}

// key returns where a service is stored.
func key(service string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(service))
	return path.Join(folder, fmt.Sprintf("%016x", h.Sum64()))
}

// Open reads what was noted before. What cannot be used is left as it is under
// another name, and told of: divvy starts without it.
func (r *Recorder) Open(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	keys, err := r.Storage.List(ctx, folder, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.Log.Warn("what services did before cannot be read", "where", r.Where, "err", err)
	}
	for _, key := range keys {
		if err := r.load(ctx, key); err != nil {
			r.setAside(ctx, key, err)
		}
	}
}

// load takes over a value.
func (r *Recorder) load(ctx context.Context, key string) error {
	data, err := r.Storage.Load(ctx, key)
	if err != nil {
		return err
	}
	s, err := decode(data)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.services == nil {
		r.services, r.known = map[string][]*series{}, map[string]bool{}
	}
	r.services[s.Service] = s.Versions
	r.known[key] = true
	return nil
}

func decode(data []byte) (*stored, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(z, maxSize))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	s := &stored{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("it is damaged: %w", err)
	}
	if s.Format != format {
		return nil, fmt.Errorf("its format is %d, and this divvy knows %d", s.Format, format)
	}
	for _, v := range s.Versions {
		if v == nil {
			return nil, errors.New("it is damaged: a version is missing")
		}
		for _, list := range v.Levels {
			if slices.Contains(list, nil) {
				return nil, errors.New("it is damaged: a point is missing")
			}
		}
	}
	return s, nil
}

// setAside moves a value that cannot be used out of the way.
func (r *Recorder) setAside(ctx context.Context, key string, why error) {
	aside := path.Join(damaged, path.Base(key))
	data, err := r.Storage.Load(ctx, key)
	if err == nil {
		err = r.Storage.Store(ctx, aside, data)
	}
	if err == nil {
		err = r.Storage.Delete(ctx, key)
	}
	r.Log.Warn("what a service did before cannot be used, and is set aside", "where", r.Where, "value", key, "aside", aside, "err", errors.Join(why, err))
}

// store writes what was noted, and removes what is noted no more.
func (r *Recorder) store(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	r.mu.Lock()
	values := map[string][]byte{}
	var problems []error
	for _, service := range slices.Sorted(maps.Keys(r.services)) {
		data, err := encode(&stored{format, service, r.services[service]})
		if err != nil {
			problems = append(problems, err)
			continue
		}
		values[key(service)] = data
	}
	gone := r.known
	r.known = map[string]bool{}
	for key := range values {
		r.known[key] = true
		delete(gone, key)
	}
	r.mu.Unlock()
	for key, data := range values {
		problems = append(problems, r.Storage.Store(ctx, key, data))
	}
	for key := range gone {
		problems = append(problems, r.Storage.Delete(ctx, key))
	}
	if err := errors.Join(problems...); err != nil {
		r.Log.Warn("what services did cannot be stored", "where", r.Where, "err", err)
	}
}

func encode(s *stored) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	err := errors.Join(json.NewEncoder(z).Encode(s), z.Close())
	return out.Bytes(), err
}

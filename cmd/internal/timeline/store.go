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
	folder      = "timeline" // timeline/PROXY-SERVICE, both hashed
	format      = 1
	maxSize     = 64 << 20 // of what is read, uncompressed
	storageTime = 30 * time.Second
)

// stored is a service as it is stored, compressed.
type stored struct {
	Format   int       `json:"format"`
	Proxy    string    `json:"proxy"`
	Service  string    `json:"service"`
	Versions []*series `json:"versions"`
}

// key returns where a service is stored.
func (r *Recorder) key(service string) string {
	hash := func(s string) uint64 {
		h := fnv.New64a()
		_, _ = h.Write([]byte(s))
		return h.Sum64()
	}
	return path.Join(folder, fmt.Sprintf("%016x-%016x", hash(r.Proxy), hash(service)))
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
	own, _, _ := bytes.Cut([]byte(path.Base(r.key(""))), []byte("-"))
	for _, key := range keys {
		if !bytes.HasPrefix([]byte(path.Base(key)), append(own, '-')) {
			continue // another proxy's
		}
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
		r.services = map[string][]*series{}
	}
	r.services[s.Service] = s.Versions
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
		for _, list := range append([][]*point{}, v.Levels[:]...) {
			if slices.Contains(list, nil) {
				return nil, errors.New("it is damaged: a point is missing")
			}
		}
	}
	return s, nil
}

// setAside moves a value that cannot be used out of the way.
func (r *Recorder) setAside(ctx context.Context, key string, why error) {
	aside := path.Join(folder+"-damaged", path.Base(key))
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
		data, err := encode(&stored{format, r.Proxy, service, r.services[service]})
		if err != nil {
			problems = append(problems, err)
			continue
		}
		values[r.key(service)] = data
	}
	r.mu.Unlock()
	for key, data := range values {
		problems = append(problems, r.Storage.Store(ctx, key, data))
	}
	if err := errors.Join(problems...); err != nil {
		r.Log.Warn("what services did cannot be stored", "where", r.Where, "err", err)
	}
}

func encode(s *stored) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	err := json.NewEncoder(z).Encode(s)
	return out.Bytes(), errors.Join(err, z.Close())
}

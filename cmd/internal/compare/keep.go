package compare

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	"divvy/router/state"
)

// folder is where comparisons lie in the storage: comparisons/ID/RECORDER.
const folder = "comparisons"

// How long, and how much.
const (
	storageTime = 30 * time.Second // bounds what is asked of the storage at once
	restTime    = 10 * time.Minute // a comparison that rests keeps its recorder
	maxResting  = 16
	keepTime    = 30 * 24 * time.Hour // a comparison is remembered after it was counted last
	maxRecords  = 256
	deadTime    = time.Hour // a recorder that stored nothing for so long is gone
)

// Open reads what was counted before. What cannot be used is left as it is, and told
// of: divvy starts without it.
func (m *Manager) Open(ctx context.Context) {
	m.services, m.pairs, m.shelf = map[string]*service{}, map[id]*pair{}, map[id]*record{}
	m.files, m.told = map[string]seen{}, map[string]string{}
	m.share(ctx)
	m.prune(ctx)
}

// share reads what others have counted since, and prunes what has been forgotten.
func (m *Manager) share(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	keys, err := m.Storage.List(ctx, folder, true)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if m.trouble("listing what was counted of comparisons", folder, err) {
		return
	}
	own := m.own()
	m.drop(keys)
	for _, key := range keys {
		info, err := m.Storage.Stat(ctx, key)
		if err == nil && info.IsTerminal && !own[key] && !m.knows(key, info) {
			m.read(ctx, key, info)
		}
	}
}

// drop forgets values that are not there any more.
func (m *Manager) drop(keys []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	gone := func(key string) bool { return !slices.Contains(keys, key) }
	maps.DeleteFunc(m.files, func(key string, _ seen) bool { return gone(key) })
}

// own returns the values that this manager writes.
func (m *Manager) own() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]bool{}
	for _, p := range m.pairs {
		all[p.file()] = true
	}
	return all
}

// file names what the pair's recorder stores.
func (p *pair) file() string { return path.Join(folder, p.id.text(), p.count.origin.Boot) }

// seen is a value as it was when it was read.
type seen struct {
	stored time.Time
	size   int64
	fresh  bool // it had been stored so shortly before that the next may have the same time
}

// freshTime is more than storages round times to.
const freshTime = 2 * time.Second

func (m *Manager) knows(key string, info state.KeyInfo) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[key] == seen{info.Modified.Round(0).UTC(), info.Size, false}
}

// read takes over what a value says.
func (m *Manager) read(ctx context.Context, key string, info state.KeyInfo) {
	data, err := m.Storage.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) || err != nil && m.trouble("reading what was counted of a comparison", key, err) {
		return // it is asked for again
	}
	r, err := decodeRecord(data)
	unusable := m.trouble("what was counted of a comparison cannot be used, and is left as it is: restore it from a copy, or remove it", key, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[key] = seen{info.Modified.Round(0).UTC(), info.Size, time.Since(info.Modified) < freshTime}
	if unusable {
		return
	}
	if p := m.pairs[r.id()]; p != nil {
		p.merge(r)
		return
	}
	if known := m.shelf[r.id()]; known != nil {
		known.merge(r)
	} else {
		m.shelf[r.id()] = r
	}
}

// merge takes over what others have counted of a comparison that is under way.
func (p *pair) merge(r *record) {
	if r.Since.Before(p.since) {
		p.since = r.Since
	}
	for origin, s := range r.ledger.Entries {
		known := p.others.Entries[origin]
		if origin == p.count.origin || origin == p.retired.origin || known != nil && (known.Revision >= s.Revision || counted(known) == counted(s)) {
			continue
		}
		p.others.Put(origin, s)
		p.merged = time.Now()
	}
	trim(p.others)
}

// trouble reports whether there is an error with a value, and tells of it once.
func (m *Manager) trouble(what, key string, err error) bool {
	if errors.Is(err, context.Canceled) {
		return true
	}
	m.mu.Lock()
	told := m.told[key]
	if delete(m.told, key); err != nil {
		m.told[key] = what
	}
	m.mu.Unlock()
	if err != nil && told != what {
		m.Log.Warn(what, "where", m.Where, "value", key, "err", err)
	}
	return err != nil
}

// due is a comparison that is to be stored.
type due struct {
	file   string
	record *record
	saved  saved
}

// due returns what there is to store of a comparison, if there is anything new.
func (m *Manager) due(p *pair, now time.Time) (due, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := due{file: p.file(), record: p.record(now)}
	d.saved = saved{counted(d.record.ledger.Entries[p.count.origin]), p.over, p.verdict}
	return d, d.saved != p.saved && d.saved.counted > 0
}

// store writes what was counted since it was stored last.
func (m *Manager) store(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.pairs))
	m.mu.Unlock()
	for _, p := range all {
		d, ok := m.due(p, time.Now())
		if !ok {
			continue
		}
		data, err := d.record.encode()
		if err == nil {
			err = m.Storage.Store(ctx, d.file, data)
		}
		if m.trouble("storing what was counted of a comparison, trying again", d.file, err) {
			continue
		}
		m.mu.Lock()
		p.saved, p.stored = d.saved, d.record.Saved
		m.mu.Unlock()
	}
	m.expire(time.Now())
}

// expire takes the recorders of comparisons that have rested for long.
func (m *Manager) expire(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var resting []*pair
	for _, p := range m.pairs {
		if !p.rests.IsZero() {
			resting = append(resting, p)
		}
	}
	slices.SortFunc(resting, func(a, b *pair) int { return b.rests.Compare(a.rests) })
	for i, p := range resting {
		if i >= maxResting || now.Sub(p.rests) > restTime {
			delete(m.pairs, p.id)
			m.shelf[p.id] = p.record(p.rests)
		}
	}
}

// prune removes what was not counted for long, and what is in other values, too.
func (m *Manager) prune(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	m.forget(time.Now())
	keys, err := m.Storage.List(ctx, folder, true)
	if err != nil {
		return // there is none, or share says what is wrong
	}
	for _, key := range keys {
		info, err := m.Storage.Stat(ctx, key)
		if err != nil || !info.IsTerminal || !m.useless(key, info.Modified) {
			continue
		}
		m.trouble("removing what was counted of a comparison", key, m.Storage.Delete(ctx, key))
	}
}

// forget forgets comparisons that were not counted for long, and the oldest of too
// many.
func (m *Manager) forget(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []id
	for id := range m.shelf {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b id) int { return m.shelf[b].Saved.Compare(m.shelf[a].Saved) })
	for i, id := range ids {
		if i >= maxRecords || now.Sub(m.shelf[id].Saved) > keepTime {
			delete(m.shelf, id)
		}
	}
}

// useless reports whether a value is of a comparison that is forgotten, or of a
// recorder that is gone and whose counts are in a value of ours.
func (m *Manager) useless(key string, stored time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told[key] != "" {
		return false // who knows what it is
	}
	age := time.Since(stored)
	comparison := path.Base(path.Dir(key))
	for _, p := range m.pairs {
		if p.id.text() == comparison {
			return key != p.file() && age > deadTime && m.files[key].stored.Equal(stored) && p.stored.After(p.merged)
		}
	}
	for id := range m.shelf {
		if id.text() == comparison {
			return age > keepTime
		}
	}
	if m.files[key].stored.Equal(stored) {
		return age > deadTime // it was read, and forgotten
	}
	return age > keepTime
}

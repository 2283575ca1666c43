package compare

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	maxResting  = 64
	keepTime    = 30 * 24 * time.Hour // a comparison is remembered after it was counted last
	maxRecords  = 256
	deadTime    = time.Hour // a recorder that stored nothing for so long is gone
)

// Open reads what was counted before. What cannot be used is left as it is, and told
// of: divvy starts without it.
func (m *Manager) Open(ctx context.Context) {
	m.services, m.pairs, m.shelf = map[string]*service{}, map[id]*pair{}, map[id]*record{}
	m.files, m.told = map[string]time.Time{}, map[string]bool{}
	m.share(ctx)
}

// share reads what others have counted since, and prunes what has been forgotten.
func (m *Manager) share(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	keys, err := m.Storage.List(ctx, folder, true)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		m.complain(folder, err)
		return
	}
	own := m.own()
	for _, key := range keys {
		info, err := m.Storage.Stat(ctx, key)
		if err == nil && info.IsTerminal && !own[key] && !m.knows(key, info.Modified) {
			m.read(ctx, key, info)
		}
	}
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

func (m *Manager) knows(key string, stored time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files[key].Equal(stored) && !stored.IsZero()
}

// read takes over what a value says.
func (m *Manager) read(ctx context.Context, key string, info state.KeyInfo) {
	data, err := m.Storage.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var r *record
	if err == nil {
		r, err = decodeRecord(data)
	}
	if err != nil {
		m.complain(key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[key] = info.Modified
	if err != nil {
		return
	}
	delete(m.told, key)
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
		if origin == p.count.origin || origin == p.retired.origin || known != nil && known.Revision >= s.Revision {
			continue
		}
		p.others.Put(origin, s)
		p.merged = time.Now()
	}
	trim(p.others)
}

// complain tells once of a value that cannot be used.
func (m *Manager) complain(key string, err error) {
	m.mu.Lock()
	known := m.told[key]
	m.told[key] = true
	m.mu.Unlock()
	if !known {
		m.Log.Warn("what was counted of a comparison cannot be used, and is left as it is: restore it from a copy, or move it away",
			"where", m.Where, "value", key, "err", err)
	}
}

// store writes what was counted since it was stored last.
func (m *Manager) store(ctx context.Context) {
	type due struct {
		p       *pair
		r       *record
		counted uint64
	}
	var all []due
	m.mu.Lock()
	for _, p := range m.pairs {
		r := p.record(time.Now())
		if n := counted(r.ledger.Entries[p.count.origin]); n != p.saved || n > 0 && p.stored.Before(p.merged) {
			all = append(all, due{p, r, n})
		}
	}
	m.mu.Unlock()
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	for _, d := range all {
		data, err := d.r.encode()
		if err == nil {
			err = m.Storage.Store(ctx, d.p.file(), data)
		}
		if err != nil {
			m.complain(d.p.file(), fmt.Errorf("writing it: %w", err))
			continue
		}
		m.mu.Lock()
		d.p.saved, d.p.stored = d.counted, d.r.Saved
		delete(m.told, d.p.file())
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
		if err := m.Storage.Delete(ctx, key); err != nil {
			m.complain(key, fmt.Errorf("removing it: %w", err))
		}
		m.mu.Lock()
		delete(m.files, key)
		delete(m.told, key)
		m.mu.Unlock()
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
	if m.told[key] {
		return false // who knows what it is
	}
	age := time.Since(stored)
	comparison := path.Base(path.Dir(key))
	for _, p := range m.pairs {
		if p.id.text() == comparison {
			return key != p.file() && age > deadTime && m.files[key].Equal(stored) && p.stored.After(p.merged)
		}
	}
	for id := range m.shelf {
		if id.text() == comparison {
			return age > keepTime
		}
	}
	return age > deadTime
}

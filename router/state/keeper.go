package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Where the document lies in its storage, and what is locked to change it.
const (
	documentKey  = "state.json"
	documentLock = "state"
)

// lookEvery is how often the storage is looked at for edits of other proxies.
const lookEvery = 2 * time.Second

// storageTime bounds what is asked of a storage at once.
const storageTime = 30 * time.Second

// Keeper keeps the document in a storage. It is not to be used before Open has
// returned nil.
type Keeper struct {
	Storage Storage

	// Where names the storage for people.
	Where string

	// Changed is called after the document has become another, before whoever
	// edited it is told. It is called from one goroutine at a time, and must not
	// call Update.
	Changed func(Document)

	Log *slog.Logger

	current atomic.Pointer[reading]

	mu      sync.Mutex // guards what is below
	waiting []*update

	turn    sync.Mutex // held while the storage is asked; guards what is below, and current against being set
	trouble trouble
}

// reading is a document, and what it was read from or written as. The two never
// part: a document that is older than the bytes it is thought to be would be
// written over them.
type reading struct {
	data     []byte
	document Document
}

// update is a change that waits to be made. What is below change is guarded by
// Keeper.turn.
type update struct {
	change func(Document) (Document, error)
	made   bool
	result Document
	err    error
}

// Open reads the document. It returns an error if there is one that cannot be
// used; it is left as it is.
func (k *Keeper) Open(ctx context.Context) error {
	k.turn.Lock()
	defer k.turn.Unlock()
	r, err := k.load(ctx)
	if err != nil {
		return err
	}
	k.current.Store(r)
	return nil
}

// Document returns the document as it is now. Nobody may change what is in it.
func (k *Keeper) Document() Document { return k.current.Load().document }

// load reads the document: what is known already if it has not changed. k.turn
// is held.
func (k *Keeper) load(ctx context.Context) (*reading, error) {
	known := k.current.Load()
	data, err := k.Storage.Load(ctx, documentKey)
	switch {
	case errors.Is(err, fs.ErrNotExist) && known == nil:
		return &reading{document: Document{Format: Format, Services: map[string]Service{}}}, nil
	case errors.Is(err, fs.ErrNotExist):
		return known, nil // it was taken away: the next edit writes it anew
	case err != nil:
		return nil, fmt.Errorf("state in %s: %w", k.Where, err)
	case known != nil && bytes.Equal(data, known.data):
		return known, nil
	}
	d, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("state in %s: %s: %w; it is left as it is: restore it from a copy, or move it away to begin with what file and labels say", k.Where, documentKey, err)
	}
	return &reading{data, d}, nil
}

// Update makes a change: it is called with the document as it is, under the
// storage's lock, and returns what it is to become, or an error. Once Update has
// returned nil the document is stored and in force. Changes that come at the
// same time are stored together. It blocks for as long as the storage takes.
func (k *Keeper) Update(change func(Document) (Document, error)) (Document, error) {
	u := &update{change: change}
	k.mu.Lock()
	k.waiting = append(k.waiting, u)
	k.mu.Unlock()

	k.turn.Lock()
	defer k.turn.Unlock()
	if !u.made { // by another who had the turn
		k.mu.Lock()
		batch := k.waiting
		k.waiting = nil
		k.mu.Unlock()
		k.make(batch)
	}
	if u.err != nil {
		return Document{}, u.err
	}
	return u.result, nil
}

// make makes the changes of a batch, all that were asked for. k.turn is held.
func (k *Keeper) make(batch []*update) {
	ctx, stop := context.WithTimeout(context.Background(), storageTime)
	defer stop()
	r, err := (*reading)(nil), errors.New("a bug: the edit was not made")
	defer func() {
		for _, u := range batch {
			u.made = true
			if u.err == nil {
				u.err = err
			}
		}
	}()
	if r, err = k.makeLocked(ctx, batch); err == nil {
		k.publish(r)
	}
}

// makeLocked makes them under the storage's lock, and returns what is stored
// then.
func (k *Keeper) makeLocked(ctx context.Context, batch []*update) (*reading, error) {
	if err := k.Storage.Lock(ctx, documentLock); err != nil {
		return nil, fmt.Errorf("state in %s: %w", k.Where, err)
	}
	defer func() {
		if err := k.Storage.Unlock(context.WithoutCancel(ctx), documentLock); err != nil {
			k.Log.Error("unlocking the state", "where", k.Where, "err", err)
		}
	}()
	r, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	d := r.document
	for _, u := range batch {
		u.result, u.err = k.try(u.change, d)
		if u.err == nil {
			d = u.result
		}
	}
	if d.Revision != r.document.Revision {
		data, err := d.encode()
		if err == nil {
			err = k.Storage.Store(ctx, documentKey, data)
		}
		if err != nil {
			return nil, fmt.Errorf("state in %s: %w", k.Where, err)
		}
		r = &reading{data, d}
	}
	return r, nil
}

// try keeps a bug in one change from harming the others.
func (k *Keeper) try(change func(Document) (Document, error), d Document) (next Document, err error) {
	defer func() {
		if bug := recover(); bug != nil {
			k.Log.Error("a bug in an edit of the state", "bug", bug, "stack", string(debug.Stack()))
			err = fmt.Errorf("a bug: %v", bug)
		}
	}()
	return change(d)
}

// publish makes a document the one in force. k.turn is held.
func (k *Keeper) publish(r *reading) {
	if was := k.current.Swap(r); was != r && k.Changed != nil {
		k.Changed(r.document)
	}
}

// Problem says why the storage cannot be used at present, "" if it can.
func (k *Keeper) Problem() string { return k.trouble.String() }

// trouble is what is wrong with a storage, "" if nothing is.
type trouble struct{ text atomic.Pointer[string] }

// String returns it. It does not block, whatever the storage does.
func (t *trouble) String() string {
	if s := t.text.Load(); s != nil {
		return *s
	}
	return ""
}

// looked notes how a look at what lies there went, and logs what is new.
func (t *trouble) looked(err error, log *slog.Logger, what, where string) {
	if errors.Is(err, context.Canceled) {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == t.String() {
		return
	}
	t.text.Store(&text)
	if err == nil {
		log.Info(what+" can be read again", "where", where)
		return
	}
	log.Error("looking at "+what+", keeping what is known", "err", err)
}

// Run takes over what other proxies have edited, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	return every(ctx, lookEvery, k.look)
}

// every calls look again and again until ctx ends.
func every(ctx context.Context, d time.Duration, look func(context.Context)) error {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			look(ctx)
		}
	}
}

func (k *Keeper) look(ctx context.Context) {
	k.turn.Lock()
	defer k.turn.Unlock()
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	r, err := k.load(ctx)
	k.trouble.looked(err, k.Log, "the state", k.Where)
	if err == nil {
		k.publish(r)
	}
}

package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnEditIsStoredAndInForceBeforeItsEditorIsTold(t *testing.T) {
	t.Parallel()
	storage := &memory{}
	told := uint64(0)
	k := open(t, storage)
	k.Changed = func(d Document) { told = d.Revision }
	d, err := k.Update(set("v1", 1))
	if err != nil || d.Revision != 1 || k.Document().Revision != 1 || told != 1 {
		t.Errorf("got revision %d and %v, revision %d in force, %d told", d.Revision, err, k.Document().Revision, told)
	}
	// A restart goes on where it was.
	if got, want := text(open(t, storage).Document()), text(k.Document()); got != want {
		t.Errorf("stored %s\nwant %s", got, want)
	}
	// What changes nothing is not stored, and makes no revision.
	stores := storage.stores
	told = 0
	if d, err := k.Update(set("v1", 1)); err != nil || d.Revision != 1 || storage.stores != stores || told != 0 {
		t.Errorf("got revision %d and %v, %d stores, told %d", d.Revision, err, storage.stores-stores, told)
	}
}

func TestNothingIsStoredBeforeTheFirstEdit(t *testing.T) {
	t.Parallel()
	storage := &memory{}
	k := open(t, storage)
	if d := k.Document(); d.Revision != 0 || storage.stores != 0 {
		t.Errorf("revision %d, %d stores", d.Revision, storage.stores)
	}
}

func TestAnEditThatTheStorageFailsAtIsNotInForce(t *testing.T) {
	t.Parallel()
	f := func(operation, want string) {
		t.Helper()
		storage := &memory{}
		k := open(t, storage)
		if _, err := k.Update(set("v1", 1)); err != nil {
			t.Fatal(err)
		}
		before, changes := text(k.Document()), 0
		k.Changed = func(Document) { changes++ }
		storage.fail(operation, errors.New("the disk is full"))
		d, err := k.Update(set("v1", 2))
		if fmt.Sprint(err) != want || text(d) != text(Document{}) || text(k.Document()) != before || changes > 0 {
			t.Errorf("%s: got %v, %s, %d changes\nwant %s", operation, err, text(d), changes, want)
		}
		storage.fail(operation, nil)
		if d, err := k.Update(set("v1", 3)); err != nil || d.Revision != 2 || changes != 1 {
			t.Errorf("%s: then got revision %d, %v and %d changes", operation, d.Revision, err, changes)
		}
		if got := history(k.Document()); got != "v1=1 v1=3" {
			t.Errorf("%s: the history is %s", operation, got)
		}
	}
	f("lock", "state in memory: the disk is full")
	f("load", "state in memory: the disk is full")
	f("store", "state in memory: the disk is full")
}

func TestAnEditIsInForceThoughItsLockCouldNotBeGivenBack(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	storage := &memory{}
	k := open(t, storage)
	k.Log = slog.New(slog.NewTextHandler(&log, nil))
	storage.fail("unlock", errors.New("the network is down"))
	if d, err := k.Update(set("v1", 1)); err != nil || d.Revision != 1 || k.Document().Revision != 1 {
		t.Errorf("got revision %d and %v", d.Revision, err)
	}
	if !strings.Contains(log.String(), "the network is down") {
		t.Errorf("the log is %s", log.String())
	}
}

func TestAnEditOfAnotherProxyIsNotLostWhenAStoreFailsInBetween(t *testing.T) {
	t.Parallel()
	storage := &memory{}
	k, other := open(t, storage), open(t, storage)
	if _, err := other.Update(set("v1", 1)); err != nil {
		t.Fatal(err)
	}
	storage.fail("store", errors.New("the disk is full"))
	if _, err := k.Update(set("v2", 2)); err == nil {
		t.Fatal("there was no error")
	}
	storage.fail("store", nil)
	if _, err := k.Update(set("v2", 3)); err != nil {
		t.Fatal(err)
	}
	if got := history(k.Document()); got != "v1=1 v1=1,v2=3" {
		t.Errorf("the history is %s", got)
	}
}

func TestEditsThatWaitAreStoredTogetherAndABugInOneHarmsNoOther(t *testing.T) {
	t.Parallel()
	storage := &memory{}
	k := open(t, storage)
	k.turn.Lock() // as if the storage took its time
	results := make([]Document, 50)
	errs := make([]error, len(results))
	var all sync.WaitGroup
	for i := range results {
		change := set(fmt.Sprint("v", i), i+1)
		switch i % 10 {
		case 3:
			change = func(Document) (Document, error) { panic("no such luck") }
		case 7:
			change = func(d Document) (Document, error) { return d, &StaleError{1, 2} }
		}
		all.Go(func() { results[i], errs[i] = k.Update(change) })
	}
	waiting := func() int {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.waiting)
	}
	for waiting() < len(results) {
		runtime.Gosched()
	}
	k.turn.Unlock()
	all.Wait()
	seen := map[uint64]bool{}
	for i, err := range errs {
		stale := new(StaleError)
		switch i % 10 {
		case 3:
			if fmt.Sprint(err) != "a bug: no such luck" {
				t.Errorf("%d: got %v", i, err)
			}
		case 7:
			if !errors.As(err, &stale) {
				t.Errorf("%d: got %v", i, err)
			}
		default:
			d := results[i]
			if err != nil || seen[d.Revision] || !strings.HasSuffix(history(d), fmt.Sprintf("v%d=%d", i, i+1)) && d.Services["shop"].Split.Weights[fmt.Sprint("v", i)] != i+1 {
				t.Errorf("%d: got revision %d, %v, %s", i, d.Revision, err, history(d))
			}
			seen[d.Revision] = true
		}
	}
	if d := k.Document(); len(seen) != 40 || d.Revision != 40 || len(d.Services["shop"].History) != 40 || storage.stores != 1 {
		t.Errorf("%d edits, revision %d, %d stores", len(seen), d.Revision, storage.stores)
	}
}

func TestABugOutsideOfAnEditBlocksNobody(t *testing.T) {
	t.Parallel()
	k := open(t, &memory{})
	k.Changed = func(Document) { panic("no such luck") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a bug of the program was swallowed")
			}
		}()
		_, _ = k.Update(set("v1", 1))
	}()
	k.Changed = nil
	if d, err := k.Update(set("v1", 2)); err != nil || d.Revision != 2 {
		t.Errorf("got revision %d and %v", d.Revision, err)
	}
}

func TestAStateThatCannotBeUsedIsRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	const left = "; it is left as it is: restore it from a copy, or move it away to begin with what file and labels say"
	f := func(data, want string) {
		t.Helper()
		want = "state in memory: state.json: " + want + left
		storage := &memory{values: map[string][]byte{documentKey: []byte(data)}}
		k := &Keeper{Storage: storage, Where: "memory", Log: slog.New(slog.DiscardHandler)}
		if err := k.Open(t.Context()); fmt.Sprint(err) != want {
			t.Errorf("at the start:\ngot  %v\nwant %s", err, want)
		}

		// Nor is it written over by an edit, if it became so while divvy ran.
		running := &memory{}
		k = open(t, running)
		if _, err := k.Update(set("v1", 1)); err != nil {
			t.Fatal(err)
		}
		sound, changes := running.put(documentKey, []byte(data)), 0
		k.Changed = func(Document) { changes++ }
		if _, err := k.Update(set("v1", 2)); fmt.Sprint(err) != want {
			t.Errorf("while running:\ngot  %v\nwant %s", err, want)
		}
		if got := history(k.Document()); got != "v1=1" || changes > 0 {
			t.Errorf("in force is %s after %d changes", got, changes)
		}
		for _, s := range []*memory{storage, running} {
			if got := string(s.values[documentKey]); got != data {
				t.Errorf("it was written over: %s", got)
			}
		}
		// A copy that is put back does it.
		running.put(documentKey, sound)
		if d, err := k.Update(set("v1", 3)); err != nil || d.Revision != 2 {
			t.Errorf("then got revision %d and %v", d.Revision, err)
		}
	}
	f(`{"format":1,"revision":`, "it is damaged: unexpected end of JSON input")
	f(``, "it is damaged: unexpected end of JSON input")
	f(`{"format":2,"revision":8,"splits":[]}`, "it was written by a later divvy, which is the one to run: its format is 2, and this one reads up to 1")
}

func TestAStateThatWasTakenAwayIsWrittenAnewByTheNextEdit(t *testing.T) {
	t.Parallel()
	storage := &memory{}
	k := open(t, storage)
	if _, err := k.Update(set("v1", 1)); err != nil {
		t.Fatal(err)
	}
	delete(storage.values, documentKey)
	k.look(t.Context())
	if got := history(k.Document()); got != "v1=1" {
		t.Errorf("in force is %s", got)
	}
	if d, err := k.Update(set("v1", 2)); err != nil || d.Revision != 2 {
		t.Errorf("got revision %d and %v", d.Revision, err)
	}
	if got := history(open(t, storage).Document()); got != "v1=1 v1=2" {
		t.Errorf("stored is %s", got)
	}
}

func TestWhatAnotherProxyEditsIsTakenOverWithinSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		storage := &memory{}
		k, other := open(t, storage), open(t, storage)
		var told []string
		k.Changed = func(d Document) { told = append(told, history(d)) }
		k.Log = slog.New(slog.NewTextHandler(&log, nil))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- k.Run(ctx) }()
		f := func(want string, wantLog int) {
			t.Helper()
			time.Sleep(3 * lookEvery)
			synctest.Wait()
			if got := strings.Join(told, "; "); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
			if got := strings.Count(log.String(), "\n"); got != wantLog {
				t.Errorf("%d lines in the log, want %d:\n%s", got, wantLog, log.String())
			}
			told = nil
			log.Reset()
		}
		f("", 0)
		_, _ = other.Update(set("v1", 1))
		f("v1=1", 0)
		first := storage.put(documentKey, nil)
		storage.put(documentKey, first)
		_, _ = other.Update(set("v1", 2))
		f("v1=1 v1=2", 0)
		// A copy that is put back is taken over, too, and one that was edited by
		// hand under the same revision.
		storage.put(documentKey, first)
		f("v1=1", 0)
		storage.put(documentKey, bytes.ReplaceAll(first, []byte(`"v1": 1`), []byte(`"v1": 9`)))
		f("v1=9", 0)
		// What cannot be read is said once, and again when it can be.
		storage.put(documentKey, []byte("{"))
		f("", 1)
		f("", 0)
		storage.put(documentKey, first)
		f("v1=1", 1)
		storage.fail("load", errors.New("the network is down"))
		f("", 1)
		storage.fail("load", nil)
		f("", 1)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Two proxies share a folder, and 25 people at each edit without end.
func TestOfEditsThatComeAtTheSameTimeNoneIsLostAndNoneIsHalfApplied(t *testing.T) {
	t.Parallel()
	const people, edits = 25, 40
	path := t.TempDir()
	keepers := []*Keeper{open(t, &Directory{Path: path}), open(t, &Directory{Path: path})}
	var all sync.WaitGroup
	var mu sync.Mutex // guards made
	made := map[uint64]Entry{}
	for p := range people * len(keepers) {
		k, version := keepers[p%len(keepers)], fmt.Sprintf("p%02d", p)
		all.Go(func() {
			for n := range edits {
				d, err := k.Update(set(version, n+1))
				if err != nil {
					t.Error(err)
					return
				}
				entries := d.Services["shop"].History
				e := entries[len(entries)-1]
				mu.Lock()
				if _, twice := made[d.Revision]; twice || e.Revision != d.Revision || e.Who != version || e.To.Weights[version] != n+1 {
					t.Errorf("%s edited to %d: got revision %d with %+v", version, n+1, d.Revision, e)
				}
				made[d.Revision] = e
				mu.Unlock()
			}
		})
	}
	all.Wait()
	before := Split{}
	for revision := range uint64(people * len(keepers) * edits) {
		e, ok := made[revision+1]
		if !ok || !e.From.equal(before) {
			t.Fatalf("revision %d: it was made of %v, not %v", revision+1, e.From, before)
		}
		want := before.clone()
		if want.Weights == nil {
			want.Weights = map[string]int{}
		}
		want.Weights[e.Who]++ // from n to n + 1: none was lost
		if !e.To.equal(want) {
			t.Fatalf("revision %d: %s made %v of %v", revision+1, e.Who, e.To, before)
		}
		before = e.To
	}
	for i, k := range append(keepers, open(t, &Directory{Path: path})) {
		k.look(t.Context())
		if d := k.Document(); d.Revision != people*2*edits || !maps.Equal(d.Services["shop"].Split.Weights, before.Weights) {
			t.Errorf("keeper %d has revision %d and %v", i, d.Revision, d.Services["shop"].Split.Weights)
		}
	}
}

// A process that edits, and says each revision that was accepted before it makes
// the next edit, is killed over and over, at random moments.
func TestAProcessThatIsKilledLosesNoEditThatItHasReported(t *testing.T) {
	const edits, kills = 1000, 30
	if path, ok := child(); ok {
		k := open(t, &Directory{Path: path})
		for k.Document().Revision < edits {
			d, err := k.Update(nth)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Println(d.Revision)
		}
		return
	}
	t.Parallel()
	// What each revision should be, in full: edits are functions.
	want := []Document{{Format: Format, Services: map[string]Service{}}}
	for range edits {
		next, err := nth(want[len(want)-1])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, next)
	}
	path := t.TempDir()
	known, died, ahead := uint64(0), 0, 0
	for known < edits {
		// Each gets as far as it may for enough of them to be killed.
		last, killed := killedAfter(t, path, rand.N(2*edits/kills-20))
		reported := max(known, last)
		d := open(t, &Directory{Path: path}).Document()
		if d.Revision != reported && d.Revision != reported+1 || d.Revision > edits {
			t.Fatalf("kill %d: the state has revision %d, and %d was reported", died, d.Revision, reported)
		}
		if got, want := text(d), text(want[d.Revision]); got != want {
			t.Fatalf("kill %d: revision %d is\n%s\nwant\n%s", died, d.Revision, got, want)
		}
		if killed {
			died++
			ahead += int(d.Revision - reported)
		}
		known = d.Revision
	}
	t.Logf("%d kills, %d of them after an edit was stored and before it was reported", died, ahead)
	if died < kills {
		t.Errorf("%d kills are too few, want %d", died, kills)
	}
}

// nth makes the next of the edits of a child, by the revision alone.
func nth(d Document) (Document, error) {
	e := Edit{Kind: Weights, Weights: map[string]int{fmt.Sprint("v", d.Revision%7): int(d.Revision) + 1}, Absent: true, Who: fmt.Sprint("child ", d.Revision)}
	if d.Revision%10 == 9 {
		e = Edit{Kind: Rollback, Absent: true}
	}
	return d.Edit("shop", e, World{}, time.Unix(int64(d.Revision), 0))
}

// killedAfter starts a child and kills it a moment after it has reported so many
// edits. It returns the last that was, and whether the child was killed.
func killedAfter(t *testing.T, path string, reports int) (last uint64, killed bool) {
	t.Helper()
	cmd := again(t, path)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if revision, err := strconv.ParseUint(lines.Text(), 10, 64); err == nil {
			last = revision
		} else {
			said = append(said, lines.Text())
		}
		if n == reports {
			time.Sleep(rand.N(8 * time.Millisecond)) // nothing waits for this; it is the moment
			_ = cmd.Process.Kill()
			killed = true
		}
	}
	err = cmd.Wait()
	if err != nil && !killed {
		t.Fatalf("the child: %v\n%s", err, strings.Join(said, "\n"))
	}
	return last, err != nil // or it was faster
}

func TestTwoProxiesThatBeginAtTheSameTimeShareOneState(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "not", "yet")
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			k := &Keeper{Storage: &Directory{Path: path}, Where: path, Log: slog.New(slog.DiscardHandler)}
			if err := k.Open(t.Context()); err != nil {
				t.Error(err)
				return
			}
			if _, err := k.Update(set(fmt.Sprint("v", i), 1)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if d := open(t, &Directory{Path: path}).Document(); d.Revision != 4 || len(d.Services["shop"].Split.Weights) != 4 {
		t.Errorf("got %s", text(d))
	}
	if info, err := os.Stat(filepath.Join(path, documentKey)); err != nil || info.Size() == 0 {
		t.Errorf("the state is not where it should be: %v", err)
	}
}

// set returns a change of one version's weight.
func set(version string, weight int) func(Document) (Document, error) {
	return func(d Document) (Document, error) {
		e := Edit{Kind: Weights, Weights: map[string]int{version: weight}, Absent: true, Who: version}
		return d.Edit("shop", e, World{}, time.Unix(0, 0))
	}
}

// history is what the edits of a document came to, one after the other.
func history(d Document) string {
	var all []string
	for _, e := range d.Services["shop"].History {
		all = append(all, strings.ReplaceAll(splitText(e.To), " ", ","))
	}
	return strings.Join(all, " ")
}

func open(t *testing.T, s Storage) *Keeper {
	t.Helper()
	k := &Keeper{Storage: s, Where: "memory", Log: slog.New(slog.DiscardHandler)}
	if err := k.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return k
}

// memory is a Storage that fails when it is told to.
type memory struct {
	Storage // for what the state does not use

	mu      sync.Mutex // guards what is below
	values  map[string][]byte
	locks   map[string]chan struct{}
	failing map[string]error // by operation
	stores  int
}

func (m *memory) fail(operation string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing == nil {
		m.failing = map[string]error{}
	}
	m.failing[operation] = err
}

// put stores a value as somebody else would, and returns the one before.
func (m *memory) put(key string, value []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	before := m.values[key]
	m.values[key] = bytes.Clone(value)
	return before
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	err := m.failing["store"]
	m.stores++
	m.mu.Unlock()
	if err == nil {
		m.put(key, value)
	}
	return err
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing["load"]; err != nil {
		return nil, err
	}
	value, ok := m.values[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(value), nil
}

func (m *memory) lock(name string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locks == nil {
		m.locks = map[string]chan struct{}{}
	}
	if m.locks[name] == nil {
		m.locks[name] = make(chan struct{}, 1)
	}
	return m.locks[name]
}

func (m *memory) Lock(ctx context.Context, name string) error {
	m.mu.Lock()
	err := m.failing["lock"]
	m.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m.lock(name) <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(_ context.Context, name string) error {
	<-m.lock(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failing["unlock"]
}

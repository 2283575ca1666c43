package docker

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
)

// fleet is an engine with as many containers as one likes, each the copy of one
// that a real engine has described.
type fleet struct {
	*fakeEngine
	line       string // of the list
	inspection string

	mu    sync.Mutex
	order []string // IDs of those that run, in the order of their start
	lines map[string]string
	began time.Time // of the events
	sent  int
}

const copied = "shop-new"

func newFleet(t testing.TB) *fleet {
	t.Helper()
	f := &fleet{fakeEngine: newFakeEngine(t), lines: map[string]string{}, began: time.Now()}
	var list []object
	f.decode(t, "/containers/json", &list)
	for _, line := range list {
		if line["Names"].([]any)[0] != "/"+copied {
			continue
		}
		id := line["Id"].(string)
		f.encode(t, "/line", line)
		f.line = strings.ReplaceAll(string(f.answers["/line"]), id, "ID")
		f.inspection = strings.ReplaceAll(string(f.answers["/containers/"+id+"/json"]), id, "ID")
	}
	f.breaks("/containers/json", f.list)
	return f
}

// list answers for the list of containers.
func (f *fleet) list(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var answer bytes.Buffer
	for i, id := range f.order {
		answer.WriteString(map[bool]string{true: "[", false: ","}[i == 0])
		answer.WriteString(f.lines[id])
	}
	if answer.Len() == 0 {
		answer.WriteByte('[')
	}
	answer.WriteByte(']')
	_, _ = w.Write(answer.Bytes())
}

func fleetID(n int) string { return fmt.Sprintf("%064x", n) }

// run starts the n-th container without an event.
func (f *fleet) run(n int) {
	id, name, address := fleetID(n), fmt.Sprintf("%s-%d", copied, n), fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)
	fill := strings.NewReplacer("ID", id, copied, name, `"IPAddress": "172.17.0.`, `"IPAddress": "`+address+`", "Was": "`, `"IPAddress":"172.17.0.`, `"IPAddress":"`+address+`", "Was": "`)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.order = append(f.order, id)
	f.lines[id] = fill.Replace(f.line)
	f.fakeEngine.mu.Lock()
	defer f.fakeEngine.mu.Unlock()
	f.answers["/containers/"+id+"/json"] = []byte(fill.Replace(f.inspection))
}

// tell sends an event of the n-th container.
func (f *fleet) tell(n int, action string) {
	f.mu.Lock()
	f.sent++
	m := events.Message{Type: "container", Action: events.Action(action), TimeNano: f.began.Add(time.Duration(f.sent)).UnixNano()}
	f.mu.Unlock()
	m.Actor.ID = fleetID(n)
	f.events <- m
}

// calls returns how many lists and inspections were asked for.
func (f *fleet) calls() (lists, inspections int) {
	f.fakeEngine.mu.Lock()
	defer f.fakeEngine.mu.Unlock()
	for _, r := range f.requests {
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			lists++
		case strings.Contains(r.URL.Path, "/containers/"):
			inspections++
		}
	}
	return lists, inspections
}

// A deployment must not become an attack on the engine.
func TestABurstOfAThousandStartsIsNoStorm(t *testing.T) {
	t.Parallel()
	const n = 1000
	f, book := newFleet(t), newLedger()
	watch(t, &Watcher{Daemon: f.client(t), Inventory: book})
	book.await(t, "the first list", func() bool { return book.replacements() == 1 })
	began := time.Now()
	for i := range n {
		f.run(i)
		f.tell(i, "start")
		f.tell(i, "health_status: healthy")
	}
	book.await(t, "all of them", func() bool { return book.size() == n })
	took := time.Since(began)
	lists, inspections := f.calls()
	t.Logf("known after %v, %d lists, %d inspections", took.Round(time.Millisecond), lists, inspections)
	if most := int(took/spacing) + 2; lists > most {
		t.Errorf("%d lists, want at most %d", lists, most)
	}
	if inspections > 2*n {
		t.Errorf("%d inspections, want at most two for each", inspections)
	}
	if c, ok := book.container(copied + "-999"); !ok || c.Networks[0].IP.String() != "10.0.3.231" {
		t.Errorf("the last one is %+v", c)
	}
}

// Engines fail, hang and lie under load. In the end all is known.
func TestAThousandContainersSurviveWhatEnginesDo(t *testing.T) {
	t.Parallel()
	const n = 1000
	f, book := newFleet(t), newLedger()
	w := &Watcher{Daemon: f.client(t), Inventory: book, Resync: 2 * time.Second}
	watch(t, w)
	book.await(t, "the first list", func() bool { return book.replacements() == 1 })
	var lists atomic.Int32
	f.breaks("/containers/json", func(rw http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Millisecond)
		switch lists.Add(1) % 4 {
		case 1:
			_, _ = rw.Write([]byte(`[{"Id":"`)) // it fails midway
			panic(http.ErrAbortHandler)
		case 2:
			refuse(rw, http.StatusInternalServerError, "database is locked")
		default:
			f.list(rw, r)
		}
	})
	for i := range n {
		f.run(i)
		path := "/containers/" + fleetID(i) + "/json"
		var asked atomic.Int32
		first := func(fault http.HandlerFunc) http.HandlerFunc {
			return func(rw http.ResponseWriter, r *http.Request) {
				if asked.Add(1) == 1 {
					fault(rw, r)
					return
				}
				f.fakeEngine.mu.Lock()
				answer := f.answers[path]
				f.fakeEngine.mu.Unlock()
				_, _ = rw.Write(answer)
			}
		}
		switch i % 50 {
		case 1:
			f.breaks(path, first(func(rw http.ResponseWriter, r *http.Request) { refuse(rw, http.StatusInternalServerError, "no") }))
		case 2: // it has gone between the list and the inspection
			f.breaks(path, func(rw http.ResponseWriter, r *http.Request) { refuse(rw, http.StatusNotFound, "No such container") })
		case 3:
			f.breaks(path, first(func(rw http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }))
		case 4:
			f.breaks(path, first(func(rw http.ResponseWriter, r *http.Request) {
				time.Sleep(100 * time.Millisecond)
				refuse(rw, http.StatusServiceUnavailable, "busy")
			}))
		}
		if i%100 == 50 { // the events of the others are lost
			f.tell(i, "start")
		}
		if i == n/2 {
			f.cut <- struct{}{}
		}
	}
	f.tell(n-1, "start")
	book.await(t, "all but those that have gone", func() bool { return book.size() == n-n/50 })
	f.stop()
	f.start(t)
	f.breaks("/containers/json", f.list)
	before := book.replacements()
	book.await(t, "a list of the engine that came back", func() bool { return book.replacements() > before })
	if got := book.size(); got != n-n/50 {
		t.Errorf("%d containers, want %d", got, n-n/50)
	}
}

// BenchmarkTenThousand measures how long one event among 10,000 containers takes
// until the Inventory is told, and how much memory each container needs. The
// engine is in the same process, so its time is in the result.
func BenchmarkTenThousand(b *testing.B) {
	const n = 10_000
	f, book := newFleet(b), newLedger()
	for i := range n {
		f.run(i)
	}
	before := heap()
	began := time.Now()
	watch(b, &Watcher{Daemon: f.client(b), Inventory: book})
	book.await(b, "all of them", func() bool { return book.size() == n })
	took, grown := time.Since(began), heap()-before
	next := n
	for b.Loop() {
		b.StopTimer()
		book.take()
		f.run(next)
		next++
		time.Sleep(maxSpacing) // the rest after the last list
		b.StartTimer()
		f.tell(next-1, "start")
		book.await(b, "the new one", func() bool { return book.size() == next })
	}
	b.ReportMetric(took.Seconds(), "s/first")
	b.ReportMetric(float64(grown)/n, "B/container")
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

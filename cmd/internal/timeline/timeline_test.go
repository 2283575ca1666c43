package timeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/metrics"
	"divvy/router/state"
)

// world is a program whose versions a test has do things.
type world struct {
	t       *testing.T
	storage state.Storage
	log     bytes.Buffer

	mu     sync.Mutex
	counts map[metrics.Key]metrics.Counts
	shares map[metrics.Key]Share
}

func newWorld(t *testing.T) *world {
	return &world{t: t, storage: &state.Directory{Path: t.TempDir()}, counts: map[metrics.Key]metrics.Counts{}, shares: map[metrics.Key]Share{}}
}

// run runs a recorder while f does what it does.
func (w *world) run(f func(r *Recorder)) {
	w.t.Helper()
	r := &Recorder{
		Storage: w.storage, Where: "here", Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Counts: func() map[metrics.Key]metrics.Counts {
			w.mu.Lock()
			defer w.mu.Unlock()
			return maps.Clone(w.counts)
		},
		Shares: func() map[metrics.Key]Share { return w.shares },
	}
	r.Open(context.Background()) // that of w.t is from outside of the bubble
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := r.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	f(r)
	stop()
	running.Wait()
}

// pass lets time pass, and what is due by then happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// does has a version of the shop answer n requests, of which every tenth fails, each
// after so long.
func (w *world) does(version string, n uint64, latency time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := metrics.Key{Service: "shop", Version: version}
	c := w.counts[k]
	c.Requests += n
	c.Failures += n / 10
	c.FirstByte[bucketOf(latency)] += n
	w.counts[k] = c
}

// bucketOf finds the bucket of a latency by what a quantile says of it.
func bucketOf(d time.Duration) int {
	for i := range (metrics.Latencies{}) {
		l := metrics.Latencies{}
		l[i] = 1
		if l.Quantile(1) > d {
			return i
		}
	}
	return 0
}

func TestWhatVersionsDoIsNotedEveryMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.shares[metrics.Key{Service: "shop", Version: "v1"}] = Share{90, 0.9}
		w.run(func(r *Recorder) {
			start := time.Now()
			w.does("v1", 100, 10*time.Millisecond)
			pass(time.Minute)
			w.does("v1", 50, 40*time.Millisecond)
			w.does("v2", 20, time.Second)
			pass(time.Minute)
			pass(time.Minute)
			got := r.Timeline("shop", time.Time{})
			if len(got.Versions) != 2 || got.Versions[0].Version != "v1" || len(got.Versions[0].Points) != 3 || len(got.Versions[1].Points) != 1 {
				t.Fatalf("got %+v", got)
			}
			for i, want := range []admin.Point{{Requests: 100, Failures: 10, P50: 0.01}, {Requests: 50, Failures: 5, P50: 0.04}, {}} {
				p := got.Versions[0].Points[i]
				want.Start, want.Seconds, want.Weight, want.Share = start.Add(time.Duration(i)*time.Minute).UTC(), 60, 90, 0.9
				if p.P50 < want.P50*0.88 || p.P50 > want.P50*1.13 {
					t.Errorf("point %d: p50 is %v, want %v", i, p.P50, want.P50)
				}
				p.P50, p.P95, p.P99, want.P50 = 0, 0, 0, 0
				if !reflect.DeepEqual(p, want) {
					t.Errorf("point %d: got %+v, want %+v", i, p, want)
				}
			}
			if other := r.Timeline("cart", time.Time{}); len(other.Versions) != 0 || other.Versions == nil {
				t.Errorf("another service has %+v", other)
			}
		})
	})
}

// recorder returns one whose clock is the test's.
func (w *world) recorder() *Recorder {
	return &Recorder{Storage: w.storage, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Counts: func() map[metrics.Key]metrics.Counts { return maps.Clone(w.counts) },
		Shares: func() map[metrics.Key]Share { return w.shares },
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestFurtherBackPointsSpanMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.recorder()
	now := noon
	for range 16 * 24 * 60 {
		w.does("v1", 10, time.Millisecond)
		now = now.Add(time.Minute)
		r.note(now)
	}
	points := r.Timeline("shop", time.Time{}).Versions[0].Points
	for i, p := range points {
		if want := uint64(p.Seconds) / 6; p.Requests != want && i > 0 && i < len(points)-1 {
			t.Errorf("in %v seconds from %v there were %d requests, want %d", p.Seconds, p.Start, p.Requests, want)
		}
		if i > 0 && !p.Start.Equal(points[i-1].Start.Add(time.Duration(points[i-1].Seconds)*time.Second)) {
			t.Errorf("%v follows on %v", p, points[i-1])
		}
	}
	if age := now.Sub(points[0].Start); age < 13*24*time.Hour || age > 15*24*time.Hour {
		t.Errorf("it goes back %v", age)
	}
	whole := r.Timeline("shop", now.Add(-time.Hour)).Versions[0]
	if n := len(whole.Points); n != 62 || whole.Whole.Requests != 620 || whole.Whole.Seconds != 62*60 || whole.Whole.P99 == 0 {
		t.Errorf("in the last hour there are %d points, %+v as a whole", n, whole.Whole)
	}
	if len(points) < 400 || len(points) > 700 {
		t.Errorf("there are %d points", len(points))
	}
}

func TestWhatWasNotedSurvivesARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.run(func(*Recorder) {
			w.does("v1", 100, time.Millisecond)
			pass(90 * time.Second)
		})
		w.counts = map[metrics.Key]metrics.Counts{} // they begin anew
		pass(time.Minute)
		w.run(func(r *Recorder) {
			w.does("v1", 30, time.Millisecond)
			pass(2 * time.Minute)
			var got []uint64
			for _, p := range r.Timeline("shop", time.Time{}).Versions[0].Points {
				got = append(got, p.Requests)
			}
			if want := []uint64{100, 30}; !reflect.DeepEqual(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	})
}

func TestCountersThatBeginAnewTakeNothingAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.run(func(r *Recorder) {
			w.does("v1", 100, time.Millisecond)
			pass(time.Minute)
			w.mu.Lock()
			w.counts = map[metrics.Key]metrics.Counts{}
			w.mu.Unlock()
			w.does("v1", 7, time.Millisecond)
			pass(time.Minute)
			if points := r.Timeline("shop", time.Time{}).Versions[0].Points; points[len(points)-1].Requests != 7 {
				t.Errorf("got %+v", points)
			}
		})
	})
}

func TestAValueThatCannotBeUsedIsSetAside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	newer, err := encode(&stored{Format: 2, Service: "cart"})
	if err != nil {
		t.Fatal(err)
	}
	missing, err := encode(&stored{Format: 1, Service: "cart", Versions: []*series{{Version: "v1", Levels: [3][]*point{{nil}}}}})
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := encode(&stored{Format: 1, Service: "cart", Versions: []*series{nil}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"damaged": []byte("x"), "newer": newer, "missing": missing, "nobody": nobody} {
		if err := w.storage.Store(t.Context(), folder+"/"+name, data); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) { w.run(func(*Recorder) {}) })
	for name, why := range map[string]string{"damaged": "it is damaged", "newer": "its format is 2, and this divvy knows 1", "missing": "a point is missing", "nobody": "a version is missing"} {
		if w.storage.Exists(t.Context(), folder+"/"+name) || !w.storage.Exists(t.Context(), damaged+"/"+name) || !strings.Contains(w.log.String(), why) {
			t.Errorf("%s is not set aside: %s", name, w.log.String())
		}
	}
}

func TestNoMoreIsRememberedThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.recorder()
	now := noon
	for i := range 40 {
		w.does(fmt.Sprintf("v%d", i), 1, time.Millisecond)
		now = now.Add(time.Minute)
		r.note(now)
	}
	versions := r.Timeline("shop", time.Time{}).Versions
	if len(versions) != maxVersions || versions[len(versions)-1].Version != "v39" {
		t.Errorf("there are %d versions", len(versions))
	}
	r.note(now.Add(keepTime + 2*time.Minute))
	if versions := r.Timeline("shop", time.Time{}).Versions; len(versions) != 0 {
		t.Errorf("%d versions are remembered for ever", len(versions))
	}
}

func TestWhatIsForgottenIsNotStoredAnyLonger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		w.run(func(*Recorder) {
			w.does("v1", 1, time.Millisecond)
			pass(time.Minute)
		})
	})
	if !w.storage.Exists(t.Context(), key("shop")) {
		t.Error("it was not stored")
	}
	w.counts = map[metrics.Key]metrics.Counts{}
	r := w.recorder()
	r.Open(t.Context())
	r.note(time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)) // bubbles begin a month before
	r.store(t.Context())
	if w.storage.Exists(t.Context(), key("shop")) {
		t.Error("it is still there", w.log.String())
	}
}

func TestWhereThereIsNoRoomTheTimeIsShorter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.recorder()
	r.room = 60_000
	now, versions := noon, []string{"v1", "v2", "v3", "v4"}
	for i := range 3 * 24 * 60 {
		for _, v := range versions {
			w.does(v, uint64(10+i%7), time.Duration(1+i%50)*time.Millisecond)
		}
		now = now.Add(time.Minute)
		r.note(now)
		if n := r.bytes(); n > r.room {
			t.Fatalf("%d bytes are held after %v", n, now.Sub(noon))
		}
	}
	got := r.Timeline("shop", time.Time{})
	if len(got.Versions) != len(versions) {
		t.Fatalf("%d versions are left", len(got.Versions))
	}
	for _, v := range got.Versions {
		if back := now.Sub(v.Points[0].Start); back < 2*time.Hour || back > 2*24*time.Hour {
			t.Errorf("%s is told of for %v", v.Version, back)
		}
	}
	if n := strings.Count(w.log.String(), "there is no room"); n != 1 {
		t.Errorf("it is said %d times: %s", n, w.log.String())
	}
}

func TestAClockThatWasWrongIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.recorder()
	f := func(at time.Time, want ...uint64) {
		t.Helper()
		w.does("v1", 10, time.Millisecond)
		r.note(at)
		var got []uint64
		for _, p := range r.Timeline("shop", time.Time{}).Versions[0].Points {
			got = append(got, p.Requests)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f(noon, 10)
	f(noon.Add(time.Minute), 10, 10)
	f(noon.Add(30*time.Second), 10, 20) // a little back
	f(noon.Add(2*time.Minute), 10, 20, 10)
	f(noon.AddDate(1, 0, 0), 40, 10)
	f(noon.Add(3*time.Minute), 10, 20, 10, 10) // a year back
}

package router

import (
	"maps"
	"testing"
)

// moved returns a world in which the tag v1 has moved twice: from sha256:aaaa to
// sha256:bbbb to sha256:cccc, all of which run.
func moved(t *testing.T) *world {
	w := &world{t: t}
	w.start("a", "sha256:aaaa", "v1")
	w.start("b", "sha256:bbbb", "v1")
	w.start("c", "sha256:cccc", "v1")
	return w
}

// weighing returns the image that has the weight, "" for none. Where more than
// one has some it fails.
func weighing(t *testing.T, s *Service) string {
	t.Helper()
	image := ""
	for i, share := range s.Shares() {
		if share.Weight > 0 {
			if image != "" {
				t.Errorf("%s has weight, and %s", image, s.Versions[i].Key())
			}
			image = s.Versions[i].Key()
		}
	}
	return image
}

func TestTheWeightOfAMovedTagIsTheRecordedImages(t *testing.T) {
	t.Parallel()
	w := moved(t)
	f := func(c Config, holders map[string]string, want string) *Service {
		t.Helper()
		in := w.input(c)
		in.Holders = holders
		s := NewService(in)
		if got := weighing(t, s); got != want {
			t.Errorf("%v, holders %v: got %s, want %s", c.Weights, holders, got, want)
		}
		return s
	}
	v1 := weights(map[string]int{"v1": 1})
	f(v1, nil, "sha256:aaaa")
	f(v1, map[string]string{"v1": "sha256:bbbb"}, "sha256:bbbb")
	f(v1, map[string]string{"v1": "sha256:dddd"}, "sha256:aaaa") // it is gone
	f(v1, map[string]string{"v2": "sha256:bbbb"}, "sha256:aaaa")
	f(Config{}, map[string]string{First: "sha256:cccc"}, "sha256:cccc")
	f(Config{}, map[string]string{"v1": "sha256:cccc"}, "sha256:aaaa")
	// A name with a digest means what it says.
	f(weights(map[string]int{"v1@bbbb": 1}), map[string]string{"v1@bbbb": "sha256:cccc", "v1": "sha256:cccc"}, "sha256:bbbb")
	f(weights(map[string]int{"v1": 1, "v1@bbbb": 0}), map[string]string{"v1": "sha256:bbbb"}, "sha256:aaaa")

	// It has the weight as long as it runs, healthy or not. Then it is the oldest's.
	s := f(v1, map[string]string{"v1": "sha256:bbbb"}, "sha256:bbbb")
	if got := s.Holders(); !maps.Equal(got, map[string]Holder{"v1": {"sha256:bbbb", true}}) {
		t.Errorf("the holders are %v", got)
	}
	w.sicken("b")
	if got := weighing(t, s); got != "sha256:bbbb" {
		t.Errorf("%s took the weight of an image that still runs", got)
	}
	w.registry.Stopping("b", "stop signal 15 was sent")
	if got := weighing(t, s); got != "sha256:aaaa" {
		t.Errorf("%s has the weight of an image that is gone", got)
	}
}

func TestTheWeightOfAMovedTagFollowsIt(t *testing.T) {
	t.Parallel()
	w := moved(t)
	s := w.service(Config{Weights: map[string]int{"v1": 1}, OnTagMove: Follow})
	f := func(why, want string) {
		t.Helper()
		if got := weighing(t, s); got != want {
			t.Errorf("%s: %s has the weight, want %s", why, got, want)
		}
		d := s.Decide(Query{Request: request{}})
		if d.Version == nil || d.Version.Key() != want || d.Reason != ByRequest {
			t.Errorf("%s: got %+v", why, d)
		}
	}
	f("at first", "sha256:cccc")
	w.sicken("c")
	f("the newest cannot answer", "sha256:bbbb")
	w.sicken("b")
	f("nor can the next", "sha256:aaaa")
	w.heal("c")
	f("the newest can again", "sha256:cccc")
	w.registry.Stopping("c", "stop signal 15 was sent")
	f("it is gone", "sha256:aaaa")
	if got := s.Holders(); len(got) > 0 {
		t.Errorf("what follows by itself is held: %v", got)
	}
	// With nobody to answer the newest has it, as a newcomer may hope.
	w.sicken("a")
	if got := weighing(t, s); got != "sha256:bbbb" {
		t.Errorf("%s has the weight of nobody who can answer", got)
	}
}

func TestANewImageThatIsNotReadyTakesNothingByFollowing(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("a", "sha256:aaaa", "v1")
	w.start("b", "sha256:bbbb", "v1")
	w.sicken("b")
	in := w.input(Config{Weights: map[string]int{"v1": 1}, OnTagMove: Follow})
	in.Holders = map[string]string{"v1": "sha256:bbbb"} // left from when it was held
	if got := weighing(t, NewService(in)); got != "sha256:aaaa" {
		t.Errorf("%s has the weight", got)
	}
}

func TestWhatWasRolledBackHasNoWeight(t *testing.T) {
	t.Parallel()
	w := moved(t)
	w.start("d", "sha256:dddd", "v2")
	f := func(c Config, holders map[string]string, want string, images ...string) *Service {
		t.Helper()
		in := w.input(c)
		in.Holders, in.RolledBack = holders, images
		s := NewService(in)
		if got := weighing(t, s); got != want {
			t.Errorf("%v without %v: got %q, want %q", c.Weights, images, got, want)
		}
		return s
	}
	v1, follow := weights(map[string]int{"v1": 1}), Config{Weights: map[string]int{"v1": 1}, OnTagMove: Follow}
	f(v1, nil, "sha256:bbbb", "sha256:aaaa")
	f(v1, map[string]string{"v1": "sha256:aaaa"}, "sha256:bbbb", "sha256:aaaa") // though it is recorded
	f(v1, map[string]string{"v1": "sha256:cccc"}, "sha256:cccc", "sha256:aaaa")
	f(v1, nil, "", "sha256:aaaa", "sha256:bbbb", "sha256:cccc")
	f(v1, nil, "sha256:aaaa", "sha256:unknown")
	f(follow, nil, "sha256:bbbb", "sha256:cccc")
	f(weights(map[string]int{"v1@aaaa": 1}), nil, "", "sha256:aaaa") // nor by its digest
	f(Config{}, nil, "sha256:bbbb", "sha256:aaaa")
	f(Config{}, map[string]string{First: "sha256:aaaa"}, "sha256:bbbb", "sha256:aaaa")

	// Under another tag it is the same image.
	w.start("e", "sha256:dddd", "v3")
	f(weights(map[string]int{"v3": 1}), nil, "", "sha256:dddd")

	// Who names it gets it all the same.
	s := f(overridable(unchanged), nil, "", "sha256:dddd")
	d := s.Decide(Query{Request: request{header: map[string]string{OverrideHeader: "v2"}, client: inside}})
	if d.Version == nil || !d.Version.RolledBack || d.Reason != ByOverride {
		t.Errorf("got %+v", d)
	}
}

// A tag that moves is an edit that nobody made: who is kept stays with the image
// for as long as it has the weight.
func TestAMovedTagMovesUnitsAsItsWeightGoes(t *testing.T) {
	t.Parallel()
	f := func(onTagMove string, holders map[string]string, want string) {
		t.Helper()
		w := &world{t: t}
		w.start("a", "sha256:aaaa", "v1")
		c := kept(map[string]int{"v1": 1}, keep("always"))
		c.OnTagMove = onTagMove
		b := newVisitor(t, 1)
		b.gets(w.service(c), "/", "v1", ByUnit, true)
		w.start("b", "sha256:bbbb", "v1")
		in := w.input(c)
		in.Holders = holders
		s := NewService(in)
		first, reason := b.get(s, "/"), ByPin
		if want != "sha256:aaaa" {
			reason = ByUnit
		}
		if first.Version.Key() != want || first.Reason != reason || (b.got != "") != (reason == ByUnit) {
			t.Errorf("%s, holders %v: got %s by %s, setting %q", onTagMove, holders, first.Version.Name, first.Reason, b.got)
		}
		if again := b.get(s, "/"); again.Version.Key() != want || again.Reason != ByPin || b.got != "" {
			t.Errorf("%s, holders %v: then %s by %s, setting %q", onTagMove, holders, again.Version.Name, again.Reason, b.got)
		}
	}
	f(Hold, nil, "sha256:aaaa")
	f(Hold, map[string]string{"v1": "sha256:aaaa"}, "sha256:aaaa")
	f(Hold, map[string]string{"v1": "sha256:bbbb"}, "sha256:bbbb") // an operator said so
	f(Follow, nil, "sha256:bbbb")
}

func TestTwoNamesOfOneImageAddUpWhereverTheirTagsWent(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("a", "sha256:aaaa", "v1")
	w.start("a2", "sha256:aaaa", "latest")
	w.start("b", "sha256:bbbb", "latest") // latest has moved, and its weight has not
	w.start("c", "sha256:cccc", "v2")
	c := weights(map[string]int{"v1": 50, "latest": 50, "v2": 100})
	c.Sticky = byUser
	s := w.service(c)
	counts := make([]int, 3)
	for i := range 10_000 {
		counts[s.Decide(user(i)).Version.Index]++
	}
	if p, ok := fits(counts, []int{100, 0, 100}); !ok {
		t.Errorf("units are divided %v, p = %v; Shares says %v", counts, p, s.Shares())
	}
}

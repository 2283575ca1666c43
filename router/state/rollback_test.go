package state

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/router"
)

func TestRollbackGoesBackThroughTheHistoryEditByEdit(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b", "v3 c")
	f := s.f
	f("file v1=100", "v1=100", "a=100")                // where it begins
	f("set v2=5", "v1=100 v2=5", "a=100 b=5")          // a
	f("set v2=50", "v1=100 v2=50", "a=100 b=50")       // b
	f("set v2=60", "v1=100 v2=60", "a=100 b=60")       // c
	f("rollback", "v1=100 v2=50", "a=100 b=50")        // of c: nobody lost all
	f("rollback", "v1=100 v2=5", "a=100 b=5")          // of b
	f("set v3=5", "v1=100 v2=5 v3=5", "a=100 b=5 c=5") // d
	f("rollback", "v1=100 v2=5", "a=100 b=5 bad:c")    // of d
	f("based:8 rollback", "v1=100", "a=100 bad:b,c")   // of a
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")
	f("promote v3", "v1=0 v3=100", "c=100 bad:b")
	f("rollback", "v1=100", "a=100 bad:b,c")
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")
	var kinds []string
	for _, e := range s.service().History {
		kinds = append(kinds, fmt.Sprint(e.Kind, e.Undone))
	}
	want := "[weights0 weights0 weights0 rollback4 rollback3 weights0 rollback7 rollback2 promote0 rollback10]"
	if got := fmt.Sprint(kinds); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatWasRolledBackGetsNoWeightByItselfUnderAnyTag(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a")
	f := s.f
	f("label v1=90", "v1=90", "a=90")
	f("start v2 b", "v1=90", "a=90")
	f("promote v2", "v1=0 v2=100", "b=100")
	f("rollback", "v1=90", "a=90 bad:b")
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")
	// Neither by a label, nor by a tag that has weight, nor by being the last.
	f("start v3 b", "v1=90", "a=90 bad:b")
	f("label v1=90 v3=10", "v1=90 v3=10", "a=90 bad:b")
	f("start v1 b", "v1=90 v3=10", "a=90 bad:b")
	f("takeover", "unchanged", "a=90 bad:b")
	f("stop v1a", "v1=90 v3=10", "bad:b")
	f("takeover", "unchanged", "bad:b")
	f("start v1 a", "v1=90 v3=10", "a=90 bad:b")
	// Nor by an edit of somebody else's weight.
	f("set v1=80", "v1=80 v3=10", "a=80 bad:b")
	f("promote v1", "v1=100 v3=0", "a=100 bad:b")
	f("replace v1=80", "v1=80", "a=80 bad:b")
	// But by one of its own, which leaves that of v1 where it is.
	f("set v3=10", "v1=80 v3=10 holding v1:a", "a=80 b=10")
}

func TestATagGivesWeightToABadImageOnlyIfItMeansNoBetterOne(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("set v2=5", "v1=100 v2=5 holding v1:a", "a=100 b=5")
	f("rollback", "none", "a=1 bad:b")
	f("start v2 c", "none", "a=1 bad:b") // the fix, under the same tag
	f("set v2=5", "v1=100 v2=5 holding v1:a", "a=100 c=5 bad:b")
	f("promote v2", "v1=0 v2=100 holding v1:a", "c=100 bad:b")
	f("rollback", "v1=100 v2=5 holding v1:a", "a=100 c=5 bad:b")
	f("rollback", "none", "a=1 bad:b,c")
	// Of several bad ones it is the newest, unless a digest says which.
	f("set v2=5", "v1=100 v2=5 holding v1:a", "a=100 c=5 bad:b")
	f("set v2@bbbb=1", "v1=100 v2=5 v2@bbbb=1 holding v1:a v2:c", "a=100 b=1 c=5")
	f("rollback", "v1=100 v2=5 holding v1:a v2:c", "a=100 c=5 bad:b")
	f("rollback", "none", "a=1 bad:b,c")
	f("set v2@bbbb=1", "v1=100 v2@bbbb=1 holding v1:a", "a=100 b=1 bad:c")
	f("set v2=1", "v1=100 v2=1 v2@bbbb=1 holding v1:a", "a=100 b=1 c=1")
}

func TestAdoptGivesABadImageWeightWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v1 b")
	f := s.f
	f("file v1=1", "v1=1", "a=1")
	f("adopt v1", "v1=1 holding v1:b", "b=1")
	f("rollback", "v1=1 holding v1:a", "a=1 bad:b")
	f("set v1=2", "v1=2 holding v1:a", "a=2 bad:b") // does not mean the newer, bad one
	f("rollback", "v1=1 holding v1:a", "a=1 bad:b")
	f("adopt v1", "v1=1 holding v1:b", "b=1")
	f("rollback", "v1=1 holding v1:a", "a=1 bad:b")
	f("stop v1a", "v1=1 holding v1:a", "bad:b")
	f("adopt v1", "v1=1 holding v1:b", "b=1") // though nothing else runs under the tag
}

func TestAnEditThatOnlyLiftsIsRecordedAndPassedOverByRollback(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v1 b", "v2 c")
	f := s.f
	f("file v1=1", "v1=1", "a=1")
	f("set v2=1", "v1=1 v2=1", "a=1 c=1")
	f("adopt v1", "v1=1 v2=1 holding v1:b", "b=1 c=1")
	f("rollback", "v1=1 v2=1 holding v1:a", "a=1 c=1 bad:b")
	f("stop v1a", "v1=1 v2=1 holding v1:a", "c=1 bad:b")
	f("set v1=1", "v1=1 v2=1 holding v1:a", "b=1 c=1") // the same weights, and b has one
	if h := s.service().History; h[len(h)-1].Kind != Weights || h[len(h)-1].Revision != s.doc.Revision {
		t.Errorf("it is not recorded: %+v", h[len(h)-1])
	}
	f("rollback", "v1=1 holding v1:a", "b=1 bad:c")
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")
}

func TestRollbackBringsBackWhatWasRolledBackOnlySince(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file v1=100", "v1=100", "a=100")
	f("promote v2", "v1=0 v2=100", "b=100")
	f("set v1=5", "v1=5 v2=100", "a=5 b=100")
	f("rollback", "v1=0 v2=100", "b=100 bad:a") // the stable one was bad as a candidate
	f("rollback", "v1=100", "a=100 bad:b")      // and is what there is to go back to

	// Who was bad before the edit that is gone back on stays so, though the tag
	// that had weight then is nobody else's by now.
	s = newStory(t, "v1 a", "v1 b", "v2 c")
	f = s.f
	f("file v1=100", "v1=100", "a=100")
	f("adopt v1", "v1=100 holding v1:b", "b=100")
	f("rollback", "v1=100 holding v1:a", "a=100 bad:b")
	f("set v2=5", "v1=100 v2=5 holding v1:a", "a=100 c=5 bad:b")
	f("set v2=6", "v1=100 v2=6 holding v1:a", "a=100 c=6 bad:b")
	f("stop v1a", "v1=100 v2=6 holding v1:a", "c=6 bad:b")
	f("rollback", "v1=100 v2=5 holding v1:a", "c=5 bad:b")
	f("rollback", "error: nobody would be answered: the weight would be with v1, and there are v1@bbbbbbbb, v2@cccccccc", "")
}

func TestRollbackDoesNotGoBackToWhoRunsNoMore(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file v1=100", "v1=100", "a=100")
	f("promote v2", "v1=0 v2=100", "b=100")
	f("stop v1a", "v1=0 v2=100", "b=100")
	f("rollback", "error: nobody would be answered: the weight would be with v1, and there are v2@bbbbbbbb", "")
	f("absent rollback", "v1=100", "bad:b")
	f("start v1 a", "v1=100", "a=100 bad:b")
}

func TestRollbackPassesOverWhatHasNoEffectAnyMore(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b", "v3 c")
	f := s.f
	f("label v1=90", "v1=90", "a=90")
	f("set v2=5", "v1=90 v2=5", "a=90 b=5")
	f("label v1=80", "v1=80 v2=5", "a=80 b=5")
	f("set v1=90", "v1=90 v2=5", "a=90 b=5")
	f("label v1=80", "v1=90 v2=5", "a=90 b=5")
	f("label v1=70", "v1=70 v2=5", "a=70 b=5")
	f("label v1=80 v2=5", "v1=90 v2=5", "a=90 b=5")
	f("label v1=75", "v1=75 v2=5", "a=75 b=5")
	f("set v1=80", "v1=80 v2=5", "a=80 b=5") // as it was before the edit before
	f("rollback", "v1=75 v2=5", "a=75 b=5")
	f("rollback", "v1=80 v2=5", "a=80 b=5")
	f("rollback", "v1=90", "a=90 bad:b")
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")

	s = newStory(t, "v1 a", "v2 b", "v3 c")
	f = s.f
	f("label v1=90", "v1=90", "a=90")
	f("set v3=1", "v1=90 v3=1", "a=90 c=1")
	f("set v2=5", "v1=90 v2=5 v3=1", "a=90 b=5 c=1")
	f("replace v1=90 v3=1", "v1=90 v3=1", "a=90 c=1")
	f("replace v1=90 v2=5 v3=1", "v1=90 v2=5 v3=1", "a=90 b=5 c=1")
	s.doc.Services["shop"].Split.Weights["v2"] = 0 // by hand, as a label could
	delete(s.doc.Services["shop"].Split.Weights, "v2")
	f("rollback", "v1=90 v2=5 v3=1", "a=90 b=5 c=1") // not what is so already
	f("rollback", "v1=90 v3=1", "a=90 c=1 bad:b")
	f("rollback", "v1=90", "a=90 bad:b,c")
}

// Whatever is edited, what an edit says holds, nothing but a document changes,
// and going back on all of it arrives where it began.
func TestRollbackUntilTheHistoryIsExhaustedArrivesAtTheFirstSplit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		s := newStory(t, containers...)
		rng := rand.New(rand.NewPCG(seed, 0))
		if seed%2 == 0 {
			s.labels = map[string]int{"v1": 90, "v2": 10}
		}
		first := s.split()
		for range 90 { // less than is remembered
			happens(s, rng)
			if len(s.service().History) == 0 {
				first = s.split() // what the file says at first is where it begins
			}
		}
		n := 0
		for ; n <= maxHistory; n++ {
			before := s.split()
			after, err := s.apply(Edit{Kind: Rollback, Absent: true})
			if err != nil {
				if !strings.HasPrefix(err.Error(), "there is nothing to go back to") {
					t.Errorf("seed %d, after %d: %v", seed, n, err)
				}
				break
			}
			s.doc = after
			if s.split().equal(before) {
				t.Errorf("seed %d: going back changed nothing of %s", seed, splitText(before))
			}
			sound(t, s)
		}
		if last := s.split(); !maps.Equal(last.Weights, first.Weights) || n > maxHistory {
			t.Errorf("seed %d: arrived at %s after %d, want %s", seed, splitText(last), n, splitText(first))
		}
	}
}

// containers are those of lives at random: of five tags and six images.
var containers = []string{"v1 a", "v2 b", "v3 c", "v4 d", "v1 e", "v2 f", "v5 b"}

// happens lets something happen at random.
func happens(s *story, rng *rand.Rand) {
	if i := rng.IntN(10 * len(s.found)); i < len(s.found) {
		s.stop(s.found[i].ID)
		return
	}
	for _, c := range containers {
		if tag, id, _ := strings.Cut(c, " "); rng.IntN(30) == 0 && !slices.ContainsFunc(s.found, func(e backends.Endpoint) bool { return e.ID == tag+id }) {
			s.start(c)
		}
	}
	names := []string{"v1", "v2", "v3", "v4", "v5", "v1@aaaa", "v1@eeee", "v2@ffff", "v6", "v1@cccc", "V!"}
	e := Edit{
		Kind:    []Kind{Weights, Weights, Replace, Promote, Drain, Adopt, Rollback, File, Takeover}[rng.IntN(9)],
		Version: names[rng.IntN(len(names))], Holders: s.takeover(true),
	}
	if e.Kind == Weights || e.Kind == Replace || e.Kind == File {
		e.Weights = map[string]int{}
		for range rng.IntN(3) {
			e.Weights[names[rng.IntN(len(names))]] = []int{0, 1, 5, 50, 100, -1}[rng.IntN(6)]
		}
	}
	if rng.IntN(2) == 0 {
		based := s.service().Revision - uint64(rng.IntN(2))
		e.Revision = &based
	}
	if e.Kind == File && len(s.labels) > 0 && len(e.Weights) == 0 {
		return // what labels said is not to come back, for what is compared
	}
	before, wasBad, somebody := s.doc, s.service().Images(), len(weighing(s.applied())) > 0
	full := text(before)
	after, err := s.apply(e)
	if got := text(before); got != full {
		s.t.Fatalf("%+v changed the document that it was applied to:\n%s\ninto\n%s", e, full, got)
	}
	switch {
	case err != nil && text(after) != full:
		s.t.Errorf("%+v was refused, and returned another document", e)
	case err == nil && after.Revision != before.Revision && after.Revision != before.Revision+1:
		s.t.Errorf("%+v made revision %d of %d", e, after.Revision, before.Revision)
	case err == nil && after.Revision == before.Revision && text(after) != full:
		s.t.Errorf("%+v changed the document and not its revision", e)
	case err == nil && e.Revision != nil && *e.Revision != s.service().Revision:
		s.t.Errorf("%+v was not stale", e)
	}
	s.doc = after
	if err != nil {
		return
	}
	sound(s.t, s)
	if somebody && len(weighing(s.applied())) == 0 && e.Kind != File && e.Kind != Takeover {
		s.t.Errorf("%+v leaves nobody of %s", e, splitText(s.split()))
	}
	for _, image := range wasBad {
		if !slices.Contains(s.service().Images(), image) && !lifts(s, e, image) {
			s.t.Errorf("%+v gave %s weight", e, image)
		}
	}
}

// lifts reports whether an edit says that an image is to have weight again.
func lifts(s *story, e Edit, image string) bool {
	if e.Kind == Rollback {
		return true
	}
	names := weighted(e.Weights)
	if e.Kind == Promote || e.Kind == Adopt {
		names = []string{e.Version}
	}
	for _, v := range s.applied().Versions {
		if v.Key() == image {
			return slices.ContainsFunc(names, v.Is)
		}
	}
	return false
}

// sound sees that a document can be stored and read, and is within its bounds.
func sound(t *testing.T, s *story) {
	t.Helper()
	data, err := s.doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := decode(data)
	if err != nil {
		t.Fatalf("what was encoded is refused: %v\n%s", err, data)
	}
	if got, want := text(again), text(s.doc); got != want {
		t.Fatalf("decoded %s\nwant %s", got, want)
	}
	service := s.service()
	if len(service.History) > maxHistory || len(service.RolledBack) > maxRolledBack || len(service.Labels) > maxLabels {
		t.Errorf("%d entries, %d images, %d labels", len(service.History), len(service.RolledBack), len(service.Labels))
	}
	for _, v := range weighing(s.applied()) {
		if slices.Contains(service.Images(), v.Key()) {
			t.Errorf("%s was rolled back, and has weight", v.Name)
		}
	}
}

func TestHistoryRolledBackImagesAndLabelsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v0 ff")
	s.f("file v0=1", "v0=1", "f=1")
	const n = maxLabels + 50
	for i := range n {
		tag := fmt.Sprintf("r%d", i)
		s.labels = map[string]int{tag: 1}
		s.found = s.found[:1]
		s.start(fmt.Sprintf("%s %04x", tag, i))
		for _, e := range []Edit{{Kind: Promote, Version: tag}, {Kind: Rollback}} {
			after, err := s.apply(e)
			if err != nil {
				t.Fatal(err)
			}
			s.doc = after
		}
	}
	sound(t, s)
	service := s.service()
	if len(service.History) != maxHistory || service.History[maxHistory-1].Revision != s.doc.Revision {
		t.Errorf("%d entries, the last of revision %d", len(service.History), service.History[len(service.History)-1].Revision)
	}
	if bad := service.Images(); len(bad) != maxRolledBack || bad[maxRolledBack-1] != image(fmt.Sprintf("%04x", n-1)) {
		t.Errorf("%d images, the last %s", len(bad), bad[len(bad)-1])
	}
}

func TestWhatLosesItsWeightByRollbackIsRecordedWithItsNameAndTheTime(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	s.f("set v2=5", "v1=100 v2=5 holding v1:a", "a=100 b=5")
	s.f("rollback", "none", "a=1 bad:b")
	want := RolledBack{Image: image("b"), Name: "v2@bbbbbbbb", Time: s.now.Truncate(time.Millisecond)}
	if got := s.service().RolledBack; len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if notes := strings.Join(Apply(s.world().Input, s.split(), s.service().Images()).Notes(), "; "); !strings.Contains(notes, "v2@bbbbbbbb was rolled back") {
		t.Errorf("the notes are %s", notes)
	}
	if s.split().Holders[router.First] != "" {
		t.Errorf("got %v", s.split())
	}
}

func TestWhatHasCrashedIsRolledBackToo(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file v1=100", "v1=100", "a=100")
	f("set v2=50", "v1=100 v2=50", "a=100 b=50")
	f("record", "v1=100 v2=50 holding v1:a v2:b", "a=100 b=50")
	revision := s.service().Revision
	f("based:2 set v2=60", "v1=100 v2=60 holding v1:a v2:b", "a=100 b=60") // what is found out makes no edit stale
	if s.service().Revision != revision+2 || len(s.service().History) != 2 {
		t.Errorf("revision %d with %d edits", s.service().Revision, len(s.service().History))
	}
	f("rollback", "v1=100 v2=50 holding v1:a v2:b", "a=100 b=50")
	f("stop v2b", "v1=100 v2=50 holding v1:a v2:b", "a=100")
	f("rollback", "v1=100 holding v1:a", "a=100 bad:b")
	// What is bad gets nothing when nothing else runs under the tag either.
	f("stop v1a", "v1=100 holding v1:a", "bad:b")
	f("start v1 b", "v1=100 holding v1:a", "bad:b")
}

func TestRollbackGoesBackOnWhatGaveSomebodySomething(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file v1=100", "v1=100", "a=100")
	f("promote v2", "v1=0 v2=100", "b=100")
	f("drain v1", "v2=100", "b=100") // it had nothing any more
	f("rollback", "v1=100", "a=100 bad:b")
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")
}

package state

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"divvy/backends"
	"divvy/router"
)

func TestNamingOneVersionLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b", "v3 c")
	f := s.f
	f("file v1=95 v2=5", "v1=95 v2=5", "a=95 b=5")
	f("set v2=10", "v1=95 v2=10", "a=95 b=10")
	f("set v3=1 v1=90", "v1=90 v2=10 v3=1", "a=90 b=10 c=1")
	f("set v2=0", "v1=90 v2=0 v3=1", "a=90 c=1")
	f("set v2=0", "unchanged", "a=90 c=1")
	f("set v3@cccc=2", "v1=90 v2=0 v3@cccc=2", "a=90 c=2") // another name of the same
	f("set v3=3", "v1=90 v2=0 v3=3", "a=90 c=3")
	f("replace v1=1 v2=1", "v1=1 v2=1", "a=1 b=1")
}

func TestWithoutWeightsTheFirstHasThemAllUntilAnEditSaysOtherwise(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("drain v2", "unchanged", "a=1") // it is dark
	f("set v2=5", "v1=100 v2=5 holding v1:a", "a=100 b=5")
	f("rollback", "none", "a=1 bad:b")
	f("rollback", "error: there is nothing to go back to: the history has no earlier split", "")
	f("replace v2=5", "v2=5", "b=5")
	f("rollback", "none", "a=1 bad:b")
	f("set v1@aaaaaaaa=90 v2=10", "v1@aaaaaaaa=90 v2=10", "a=90 b=10")
}

func TestPromoteGivesAllToOneAndKeepsTheNamesOfTheOthers(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b", "v3 c")
	f := s.f
	f("file v0=5 v1=90 v2=5", "v0=5 v1=90 v2=5", "a=90 b=5")
	f("promote v2", "v1=0 v2=100", "b=100") // nothing runs under v0
	f("promote v2", "unchanged", "b=100")
	f("promote v3@cccc", "v1=0 v2=0 v3@cccc=100", "c=100")
	f("promote v3", "v1=0 v2=0 v3=100", "c=100")
	f("promote v9", "error: v9 names no version that runs: there are v1@aaaaaaaa, v2@bbbbbbbb, v3@cccccccc", "")
	f("promote", "error: no version is named: there are v1@aaaaaaaa, v2@bbbbbbbb, v3@cccccccc", "")
	f("absent promote v9", "v1=0 v2=0 v3=0 v9=100", "")
	f("absent promote v*", `error: weights: "v*" names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422`, "")
	f("start v9 d", "v1=0 v2=0 v3=0 v9=100", "d=100")
}

func TestDrainTakesEveryNameOfAVersionOut(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b", "latest b", "v3 c")
	f := s.f
	f("file v1=90 v2=5 latest=5 v3=1 v0=1", "latest=5 v0=1 v1=90 v2=5 v3=1", "a=90 b=10 c=1")
	f("drain v2", "v0=1 v1=90 v3=1", "a=90 c=1")
	f("drain v2", "unchanged", "a=90 c=1")
	f("drain v3@cccc", "v0=1 v1=90", "a=90")
	f("drain v0", "v1=90", "a=90") // it does not run, but the split names it
	f("drain v1", "error: v1 has all the weight: give another version weight first", "")
	f("drain v9", "error: v9 names no version that runs: there are v1@aaaaaaaa, v2@bbbbbbbb, v3@cccccccc", "")
	f("drain", "error: no version is named: there are v1@aaaaaaaa, v2@bbbbbbbb, v3@cccccccc", "")
	f("set v8=1", "error: v8 names no version that runs: there are v1@aaaaaaaa, v2@bbbbbbbb, v3@cccccccc", "")
	f("absent set v8=1", "v1=90 v8=1", "a=90")
	f("drain v1", "error: nobody would be answered: the weight would be with v8, and there are v1@aaaaaaaa, v2@bbbbbbbb, v3@cccccccc", "")
	f("absent drain v1", "v8=1", "")
}

func TestTagsThatAreOneImageForNowStayApart(t *testing.T) {
	t.Parallel()
	s := newStory(t, "stable a", "canary a")
	f := s.f
	f("file stable=95 canary=5", "canary=5 stable=95", "a=100")
	f("set canary=10", "canary=10 stable=95", "a=105")
	f("start canary b", "canary=10 stable=95", "a=105") // the tag moves
	f("stop canarya", "canary=10 stable=95", "a=95 b=10")
	f("promote canary", "canary=100 stable=0", "b=100")
	f("start stable b", "canary=100 stable=0", "b=100")
	f("stop stablea", "canary=100 stable=0", "b=100")
	f("set stable=5", "canary=100 stable=5", "b=105")
}

func TestAdoptGivesTheWeightOfATagThatMovedToTheNewest(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("adopt v1", "error: the tag v1 has not moved: one image runs under it, and has its weight", "")
	f("start v1 c", "v1=90 v2=10", "a=90 b=10")
	f("takeover", "v1=90 v2=10 holding v1:a", "a=90 b=10")
	f("drain v1@aaaa", "error: v1@aaaa has the weight of a tag that others run under, too: give one of them weight by its digest, or the tag's with adopt, and then drain it", "")
	f("adopt v1", "v1=90 v2=10 holding v1:c", "b=10 c=90")
	f("adopt v1", "unchanged", "b=10 c=90")
	f("start v1 d", "v1=90 v2=10 holding v1:c", "b=10 c=90")
	f("adopt v1", "v1=90 v2=10 holding v1:d", "b=10 d=90")
	f("adopt v1@aaaa", "v1=90 v2=10 holding v1:a", "a=90 b=10")
	f("drain v1@cccc", "unchanged", "a=90 b=10")
	f("set v1@cccc=5", "v1=90 v1@cccc=5 v2=10 holding v1:a", "a=90 b=10 c=5")
	f("adopt v1@cccc", "error: the split names v1@cccc by its digest, so it has a weight of its own", "")
	f("adopt v1", "v1=90 v1@cccc=5 v2=10 holding v1:d", "b=10 c=5 d=90")
	f("adopt v9", "error: v9 is not in the split, so it has no weight to give: the split has v1, v1@cccc, v2", "")
	f("adopt", "error: no version is named: there are v1@aaaaaaaa, v2@bbbbbbbb, v1@cccccccc, v1@dddddddd", "")
	f("adopt v1@eeee", "error: v1@eeee names no version that runs: there are v1@aaaaaaaa, v2@bbbbbbbb, v1@cccccccc, v1@dddddddd", "")
	// Where a digest has all that a tag names, the tag itself names nothing.
	f("set v1@aaaa=1 v1@dddd=1 v1=0", "v1=0 v1@aaaa=1 v1@cccc=5 v1@dddd=1 v2=10 holding v1:d", "a=1 b=10 c=5 d=1")
	f("set v1=7", "error: all that runs under v1 has weights by digest in the split: use v1@aaaaaaaa, v1@cccccccc, v1@dddddddd", "")
	f("promote v1", "error: all that runs under v1 has weights by digest in the split: use v1@aaaaaaaa, v1@cccccccc, v1@dddddddd", "")
}

func TestAdoptWhereThereAreNoWeights(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v1 b", "v2 c")
	f := s.f
	f("adopt v2", "error: v2 has no weight to give: the version that came first has it all", "")
	f("adopt v1", "none holding *:b", "b=1")
	f("set v2=5", "v1=100 v2=5 holding v1:b", "b=100 c=5")
	f("rollback", "none holding *:b", "b=1 bad:c")
	f("rollback", "none holding *:a", "a=1 bad:b,c")
	f("label v1=5", "v1=5", "a=5 bad:b,c")
}

func TestAdoptIsRefusedWhereTagsAreFollowed(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v1 b")
	s.input.OnTagMove = router.Follow
	s.f("file v1=1", "v1=1", "b=1")
	s.f("adopt v1@aaaa", `error: the weight of a tag that moved goes to the newest image by itself: on_tag_move is "follow"`, "")
}

func TestTheFileWinsWhenItsValueChangesAndOtherwiseTheStateDoes(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file", "unchanged", "a=1")
	f("file v1=95 v2=5", "v1=95 v2=5", "a=95 b=5")
	f("promote v2", "v1=0 v2=100", "b=100")
	f("file v1=95 v2=5", "unchanged", "b=100") // another proxy, or a restart
	f("file v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("rollback", "v1=0 v2=100", "b=100 bad:a")
	f("file v1=90 v2=10", "unchanged", "b=100 bad:a")
	f("file v1=90 v2=20", "v1=90 v2=20", "b=20 bad:a") // says nothing new of v1
	f("file v1=-1", "error: weights.v1: -1 is not a weight: use 0 to 1000000; weights: they add up to nothing: give at least one version a weight above zero", "")
	f("file v1=91 v2=20", "v1=91 v2=20", "a=91 b=20")
	// The history has an entry for what had an effect, the service's revision
	// moves for all that was taken from the file.
	before := s.service()
	f("set v2=21", "v1=91 v2=21", "a=91 b=21")
	f("file v1=91 v2=21", "v1=91 v2=21", "a=91 b=21")
	if after := s.service(); len(after.History) != len(before.History)+1 || after.Revision != before.Revision+2 || after.File["v2"] != 21 {
		t.Errorf("history of %d entries, revision %d, file %v", len(after.History), after.Revision, after.File)
	}
	f("file", "none", "a=1")
}

func TestALabelIsTakenOverWhenItIsNewOrAnotherThanItWas(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b", "v3 c")
	f := s.f
	f("label v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("set v2=20", "v1=90 v2=20", "a=90 b=20")
	f("label v1=90 v2=10 v3=1", "v1=90 v2=20 v3=1", "a=90 b=20 c=1")
	f("drain v3", "v1=90 v2=20", "a=90 b=20")
	f("label v1=90", "v1=90 v2=20", "a=90 b=20") // the others are gone for a moment
	f("set v1=91", "v1=91 v2=20", "a=91 b=20")
	f("label v1=90 v2=10 v3=1", "v1=91 v2=20", "a=91 b=20")
	f("label v1=90 v2=11 v3=1", "v1=91 v2=11", "a=91 b=11")
	// While the file says something labels do not count; when it does no more
	// they are all there is.
	f("file v1=1", "v1=1", "a=1")
	f("label v1=50 v2=60", "v1=1", "a=1")
	f("set v2=1", "v1=1 v2=1", "a=1 b=1")
	f("file", "v1=50 v2=60", "a=50 b=60")
	f("label v1=50 v2=60 v3=70", "v1=50 v2=60 v3=70", "a=50 b=60 c=70")
	f("label v2=60", "v2=60", "b=60") // as where nobody has edited
}

func TestAnEditOfLabelsIsRecorded(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("label v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("relabel v1=90 v2=20", "v1=90 v2=20", "a=90 b=20")
	f("relabel v1=90 v2=20", "unchanged", "a=90 b=20")
	f("label v1=90", "v1=90", "a=90") // labels are in force as before
	f("relabel v1=90 v2=20", "unchanged", "a=90 b=20")
	f("rollback", "v1=90 v2=10", "a=90 b=10")
	f("set v2=30", "v1=90 v2=30", "a=90 b=30")
	f("relabel v1=0 v2=20", "v1=0 v2=30", "b=30") // only one says something new
	f("relabel v1=1 v2=20", "v1=1 v2=30", "a=1 b=30")

	var kinds []string
	for _, e := range s.service().History {
		kinds = append(kinds, string(e.Kind))
	}
	if got := strings.Join(kinds, " "); got != "label rollback weights label label" {
		t.Errorf("the history has %s", got)
	}
	if e := s.service().History[0]; splitText(e.From) != "v1=90 v2=10" || splitText(e.To) != "v1=90 v2=20" {
		t.Errorf("the history has %s to %s", splitText(e.From), splitText(e.To))
	}

	// Another proxy may be first to record it.
	s.labels = map[string]int{"v1": 0, "v2": 20} // as the other still had it
	f("relabel v1=1 v2=20", "unchanged", "a=1 b=30")

	// Who gives weight to an image that was rolled back means it.
	s = newStory(t, "v1 a", "v2 b")
	f = s.f
	f("label v1=90 v2=0", "v1=90 v2=0", "a=90")
	f("set v2=5", "v1=90 v2=5", "a=90 b=5")
	f("rollback", "v1=90 v2=0", "a=90 bad:b")
	f("relabel v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
}

func TestLabelsThatAreNotReadYetCountWhenTheFileIsSilent(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("label v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("set v2=20", "v1=90 v2=20", "a=90 b=20")
	f("file v1=1", "v1=1", "a=1")
	f("label", "v1=1", "a=1")
	f("file", "none", "a=1")
	f("label v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")

	// Nor is that different where a tag has moved, which is remembered.
	s = newStory(t, "v1 a", "v2 b", "v1 c")
	f = s.f
	f("label v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("takeover", "v1=90 v2=10 holding v1:a", "a=90 b=10")
	f("set v2=20", "v1=90 v2=20 holding v1:a", "a=90 b=20")
	f("file v1=1", "v1=1 holding v1:a", "a=1")
	f("label v1=90", "v1=1 holding v1:a", "a=1")
	f("file", "v1=90 holding v1:a", "a=90")
	f("label v1=90 v2=10", "v1=90 v2=10 holding v1:a", "a=90 b=10")
}

func TestWhatDivvyFindsOutOfHoldersIsNoEdit(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("file v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	f("set v2=20", "v1=90 v2=20", "a=90 b=20")
	f("start v1 c", "v1=90 v2=20", "a=90 b=20")
	f("takeover", "v1=90 v2=20 holding v1:a", "a=90 b=20")
	f("takeover", "unchanged", "a=90 b=20")
	f("stop v1a", "v1=90 v2=20 holding v1:a", "b=20 c=90")
	f("takeover", "v1=90 v2=20 holding v1:c", "b=20 c=90")
	f("start v1 a", "v1=90 v2=20 holding v1:c", "b=20 c=90")
	f("takeover", "unchanged", "b=20 c=90")
	f("rollback", "v1=90 v2=10 holding v1:c", "b=10 c=90")
	// However often they change, they do not push out what people did.
	for range maxHistory {
		f("stop v1c", "v1=90 v2=10 holding v1:c", "a=90 b=10")
		f("takeover", "v1=90 v2=10 holding v1:a", "a=90 b=10")
		f("start v1 c", "v1=90 v2=10 holding v1:a", "a=90 b=10")
		f("stop v1a", "v1=90 v2=10 holding v1:a", "b=10 c=90")
		f("takeover", "v1=90 v2=10 holding v1:c", "b=10 c=90")
		f("start v1 a", "v1=90 v2=10 holding v1:c", "b=10 c=90")
	}
	if n := len(s.service().History); n != 4 {
		t.Errorf("the history has %d entries, want 4", n)
	}
	f("set v1=80", "v1=80 v2=10 holding v1:c", "b=10 c=80")
	f("replace v2=1", "v2=1", "b=1")
	f("rollback", "v1=80 v2=10 holding v1:c", "b=10 c=80")
}

func TestAnEditIsRefusedIfTheSplitIsNotTheOneItIsBasedOn(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := s.f
	f("based:1 set v2=5", "error: the edit is based on revision 1, and the split has revision 0 now: look at it again", "")
	f("based:0 set v2=5", "v1=100 v2=5 holding v1:a", "a=100 b=5")
	f("based:0 set v2=6", "error: the edit is based on revision 0, and the split has revision 1 now: look at it again", "")
	// What becomes of other services is of no account.
	d, err := s.doc.Edit("blog", Edit{Kind: File, Weights: map[string]int{"v1": 1}}, s.world(), s.now)
	if err != nil {
		t.Fatal(err)
	}
	s.doc = d
	f("based:1 set v2=5", "unchanged", "a=100 b=5")
	f("based:1 set v2=6", "v1=100 v2=6 holding v1:a", "a=100 b=6")
	if got := s.service().Revision; got != 3 {
		t.Errorf("revision %d, want 3", got)
	}
	var stale *StaleError
	based := uint64(1)
	if _, err := s.doc.Edit("shop", Edit{Kind: Rollback, Revision: &based}, s.world(), s.now); !errors.As(err, &stale) || *stale != (StaleError{1, 3}) {
		t.Errorf("got %v, want a StaleError of 1 and 3", err)
	}
}

func TestAnEditThatMakesNoSenseNamesWhatWasFoundAndWhatWouldBeValid(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	f := func(line, want string) {
		t.Helper()
		s.f(line, "error: "+want, "")
		var invalid *InvalidError
		if _, err := s.try(line); !errors.As(err, &invalid) {
			t.Errorf("%s: got %T, want an InvalidError", line, err)
		}
	}
	const there = ": there are v1@aaaaaaaa, v2@bbbbbbbb"
	f("burn v1", `"burn" is no kind of edit: use weights, replace, promote, drain, adopt or rollback`)
	f("set", `no weights are given: use VERSION=WEIGHT, such as v2=10`)
	f("replace", `no weights are given: use VERSION=WEIGHT, such as v2=10`)
	f("set v2=-1 v3!=5", `weights.v2: -1 is not a weight: use 0 to 1000000; weights: "v3!" names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422`)
	f("set v2=1000001", `weights.v2: 1000001 is not a weight: use 0 to 1000000`)
	f("replace v1=0 v2=0", `weights: they add up to nothing: give at least one version a weight above zero`)
	f("set v1=0", `weights: they add up to nothing: give at least one version a weight above zero`)
	f("set v3=0", `v3 names no version that runs`+there)
	f("set v1@bbbb=1", `v1@bbbb names no version that runs`+there)
	f("replace v3=1 v4=1", `v3 names no version that runs`+there)
	f("why:1001 set v2=1", `why has 1001 bytes: use at most 1000`)
	f("rollback", "there is nothing to go back to: the history has no earlier split")
	f("adopt v1", "the tag v1 has not moved: one image runs under it, and has its weight")
	f("drain v1", "v1 has all the weight: give another version weight first")
	if s.doc.Revision != 0 || len(s.doc.Services) > 0 {
		t.Errorf("left revision %d and %v", s.doc.Revision, s.doc.Services)
	}
	s.f("why:1000 set v2=1", "v1=100 v2=1 holding v1:a", "a=100 b=1")

	s = newStory(t)
	f("promote v1", "v1 names no version that runs: there are none")
	f("set v1=1", "v1 names no version that runs: there are none")
	s.f("absent set v1=1", "v1=1", "")
	s.f("set v1=2", "v1=2", "") // who is named may be gone for now
	s.f("drain v1", "error: v1 has all the weight: give another version weight first", "")
}

func TestAnEditIsRecordedWithWhenWhoViaFromToAndWhy(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1 a", "v2 b")
	s.f("file v1=90 v2=10", "v1=90 v2=10", "a=90 b=10")
	weights := map[string]int{"v2": 20}
	now := time.Date(2026, 7, 1, 12, 0, 0, 123456789, time.FixedZone("", 7200))
	d, err := s.doc.Edit("shop", Edit{Kind: Weights, Weights: weights, Who: "ann", Via: "api", Why: "it looks well"}, s.world(), now)
	if err != nil {
		t.Fatal(err)
	}
	weights["v2"] = 30                   // the caller's own
	got := d.Services["shop"].History[0] // what the file says at first is no edit
	want := Entry{
		Revision: 2, Time: time.Date(2026, 7, 1, 10, 0, 0, 123e6, time.UTC), Kind: Weights, Who: "ann", Via: "api", Why: "it looks well",
		From: Split{Weights: map[string]int{"v1": 90, "v2": 10}}, To: Split{Weights: map[string]int{"v1": 90, "v2": 20}},
		Images: []string{image("a"), image("b")},
	}
	if text(got) != text(want) {
		t.Errorf("got  %s\nwant %s", text(got), text(want))
	}
}

// story is a service with its containers, the document, and what happens to
// them, in words.
type story struct {
	t        *testing.T
	registry backends.Registry
	found    []backends.Endpoint
	started  int
	labels   map[string]int
	input    router.Input
	now      time.Time
	doc      Document
}

// newStory begins with containers, each "TAG IMAGE".
func newStory(t *testing.T, containers ...string) *story {
	s := &story{t: t, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), doc: Document{Format: Format}}
	s.input.Name = "shop"
	for _, c := range containers {
		s.start(c)
	}
	return s
}

func (s *story) start(container string) {
	tag, id, _ := strings.Cut(container, " ")
	s.started++
	s.found = append(s.found, backends.Endpoint{
		Service: "shop", ID: tag + id, Name: tag + id, Addr: tag + id + ":80", Health: backends.HealthPassing,
		Version: backends.Version{ImageID: image(id), Tag: tag}, Created: time.Unix(int64(s.started)*3600, 0),
	})
	s.registry.Replace(s.found)
}

func (s *story) stop(id string) {
	s.found = slices.DeleteFunc(s.found, func(e backends.Endpoint) bool { return e.ID == id })
	s.registry.Replace(s.found)
}

func image(id string) string { return "sha256:" + strings.Repeat(id, 64/len(id)) }

func (s *story) world() World {
	in := s.input
	in.Members = s.registry.Members("shop")
	return World{Labels: s.labels, Input: in}
}

func (s *story) service() *Service {
	service := s.doc.Services["shop"]
	return &service
}

func (s *story) split() Split { return s.service().Current(s.labels) }

// f lets something happen, and compares the split and who has weight by it with
// what they should be. What changes nothing, or is refused, must say so.
func (s *story) f(line, want, wantWho string) {
	s.t.Helper()
	before := text(s.doc)
	after, err := s.try(line)
	if got := text(s.doc); got != before {
		s.t.Fatalf("%s changed the document that it was applied to:\n%s\ninto\n%s", line, before, got)
	}
	got := ""
	switch {
	case err != nil:
		got = "error: " + err.Error()
		wantWho = s.who()
	case after.Revision == s.doc.Revision && want == "unchanged":
		got = "unchanged"
	default:
		s.doc = after
		got = splitText(s.split())
	}
	if err != nil && text(after) != before {
		s.t.Errorf("%s was refused, and returned another document", line)
	}
	if got != want || s.who() != wantWho {
		s.t.Errorf("%s:\ngot  %s (%s)\nwant %s (%s)", line, got, s.who(), want, wantWho)
	}
}

// try does what a line says:
//
//	start TAG IMAGE, stop TAGIMAGE, (re)label TAG=WEIGHT..., record
//	[absent] [based:REVISION] [why:LENGTH] KIND [VERSION | VERSION=WEIGHT...]
func (s *story) try(line string) (Document, error) {
	var e Edit
	words := strings.Fields(line)
	for ; len(words) > 0; words = words[1:] {
		key, value, _ := strings.Cut(words[0], ":")
		n, _ := strconv.Atoi(value)
		switch key {
		case "absent":
			e.Absent = true
			continue
		case "based":
			based := uint64(n)
			e.Revision = &based
			continue
		case "why":
			e.Why = strings.Repeat("x", n)
			continue
		}
		break
	}
	e.Kind, words = Kind(words[0]), words[1:]
	for _, word := range words {
		name, weight, ok := strings.Cut(word, "=")
		if !ok {
			e.Version = word
			continue
		}
		if e.Weights == nil {
			e.Weights = map[string]int{}
		}
		e.Weights[name], _ = strconv.Atoi(weight)
	}
	switch e.Kind {
	case "start":
		s.start(strings.Join(words, " "))
		return s.doc, nil
	case "stop":
		s.stop(words[0])
		return s.doc, nil
	case "label":
		s.labels = e.Weights
		return s.doc, nil
	case "relabel":
		e.Kind, e.Weights, s.labels = Label, s.labels, e.Weights
	case "set":
		e.Kind = Weights
	case "record":
		e.Kind, e.Holders = Takeover, s.takeover(true)
	case Takeover:
		e.Holders = s.takeover(false)
	}
	return s.apply(e)
}

// takeover returns what divvy finds out of who has the weight of a name: of all, or
// of those that several images run under.
func (s *story) takeover(all bool) map[string]string {
	recorded := s.split().Holders
	holders := maps.Clone(recorded)
	for name, is := range s.applied().Holders() {
		if was := recorded[name]; was != is.Image && (was != "" || is.Contested || all) {
			if holders == nil {
				holders = map[string]string{}
			}
			holders[name] = is.Image
		}
	}
	return holders
}

// applied returns the service as it is now.
func (s *story) applied() *router.Service {
	return Apply(s.world().Input, s.split(), s.service().Images())
}

// apply applies an edit, and sees that it neither changes its arguments nor keeps
// their maps.
func (s *story) apply(e Edit) (Document, error) {
	s.now = s.now.Add(time.Minute)
	given, w := e, s.world()
	given.Weights, given.Holders, w.Labels = maps.Clone(e.Weights), maps.Clone(e.Holders), maps.Clone(s.labels)
	after, err := s.doc.Edit("shop", given, w, s.now)
	if !maps.Equal(given.Weights, e.Weights) || !maps.Equal(given.Holders, e.Holders) || !maps.Equal(w.Labels, s.labels) {
		s.t.Errorf("%+v changed its arguments", e)
	}
	full := text(after)
	for _, theirs := range []map[string]int{given.Weights, w.Labels} {
		for name := range theirs {
			theirs[name]++
		}
	}
	clear(given.Holders)
	if text(after) != full {
		s.t.Errorf("%+v shares a map with the document", e)
	}
	return after, err
}

// who says which images have weight, and which are rolled back.
func (s *story) who() string {
	var all []string
	service := s.applied()
	for i, share := range service.Shares() {
		if share.Weight > 0 {
			all = append(all, fmt.Sprintf("%.1s=%v", service.Versions[i].Pool.Version.Digest(), share.Weight))
		}
	}
	slices.Sort(all)
	var bad []string
	for _, r := range s.service().RolledBack {
		bad = append(bad, strings.TrimPrefix(r.Image, "sha256:")[:1])
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		all = append(all, "bad:"+strings.Join(bad, ","))
	}
	return strings.Join(all, " ")
}

// splitText is a split as stories have it.
func splitText(s Split) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Weights)) {
		all = append(all, fmt.Sprintf("%s=%d", name, s.Weights[name]))
	}
	if len(all) == 0 {
		all = append(all, "none")
	}
	for i, name := range slices.Sorted(maps.Keys(s.Holders)) {
		if i == 0 {
			all = append(all, "holding")
		}
		all = append(all, fmt.Sprintf("%s:%.1s", name, strings.TrimPrefix(s.Holders[name], "sha256:")))
	}
	return strings.Join(all, " ")
}

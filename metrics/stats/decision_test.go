package stats

import (
	"testing"
	"time"
)

func TestARolloutGoesOnByEvidence(t *testing.T) {
	t.Parallel()
	failing, rare := good, good
	failing.fails, rare.fails = 0.10, 0.01
	same, some, little := examined(60_000, good, good), examined(60_000, rare, rare), examined(600, good, good)
	bad := examined(60_000, good, failing)
	off, bothBad := *same, *bad
	off.Split.Off, bothBad.Split.Off = true, true

	f := func(r *Report, s Stage, want Action, reason string) {
		t.Helper()
		got := r.Decide(s, DefaultPatience())
		if got.Action != want || got.Reason != reason {
			t.Errorf("%v: got %s because %q, want %s because %q", s, got.Action, got.Reason, want, reason)
		}
	}
	f(same, Stage{1, 10 * time.Minute}, Advance, "no metric can be too bad for 100 % of the traffic")
	// A small share takes less evidence than a large one.
	f(some, Stage{0.1, 10 * time.Minute}, Advance, "no metric can be too bad for 10 % of the traffic")
	f(some, Stage{0.5, 10 * time.Minute}, Wait, "errors may still be too bad for 50 % of the traffic")
	f(same, Stage{0.05, time.Minute}, Wait, "the step lasts at least 2m0s")
	f(little, Stage{0.25, 10 * time.Minute}, Wait, "errors may still be too bad for 25 % of the traffic")
	f(little, Stage{0.25, 3 * time.Hour}, Ask, "errors: undecided after 3h0m0s")
	f(bad, Stage{0.05, time.Second}, RollBack, "worse on errors")
	// What the split blocks is the way up, never the way back.
	f(&off, Stage{0.5, 10 * time.Minute}, Hold, "the traffic split is off")
	f(&bothBad, Stage{0.5, 10 * time.Minute}, RollBack, "worse on errors")
}

func TestASmallShareMayBeGivenOnItsOwnRate(t *testing.T) {
	t.Parallel()
	// 5,000 requests without an error prove a rate below 0.19 %. With a twentieth
	// of the traffic that adds at most 0.01 points, whatever stable does.
	f := DefaultJudge().Examine(sumsOf(countFailed, ran{99, 1, 495_000, 1, 5000, 0})).Finding("errors")
	if f.Word != Undecided || !f.Allows(0.05) || f.Allows(1) {
		t.Errorf("it is %s, allowed at 5 %%: %v, at 100 %%: %v", f.Word, f.Allows(0.05), f.Allows(1))
	}
}

func TestADecisionIsSaid(t *testing.T) {
	t.Parallel()
	d := Decision{RollBack, "errors", "worse on errors"}
	if got := d.Sentence(); got != "→ rolling back: worse on errors" {
		t.Error(got)
	}
}

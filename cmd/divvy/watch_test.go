package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"divvy/cmd/internal/admin"
)

// answer is what a made-up divvy answers from some moment on.
type answer struct {
	after time.Duration
	all   []admin.Comparison
	err   error
}

// pair returns a comparison of two images with a verdict.
func pair(stable, candidate string, v admin.Verdict) admin.Comparison {
	version := func(name string) admin.Compared {
		tag, image, _ := strings.Cut(name, "-")
		return admin.Compared{Version: tag, ImageID: "sha256:" + image}
	}
	return admin.Comparison{
		Service: "shop", Verdict: v, Reason: "for a reason", Stable: version(stable), Candidate: version(candidate),
	}
}

// watching runs a watch against answers and returns what it came to: an exit code,
// what it says and how long it took.
func watching(t *testing.T, w *watch, answers ...answer) (code int, says string, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w.ask = func(ctx context.Context) ([]admin.Comparison, error) {
			now := answers[0]
			for _, a := range answers {
				if time.Since(start) >= a.after {
					now = a
				}
			}
			if now.err == nil && now.all == nil { // it does not answer
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return now.all, now.err
		}
		if w.show == nil {
			w.show = func([]admin.Comparison, string) error { return nil }
		}
		result := w.run(t.Context())
		took = time.Since(start)
		if result.err != nil {
			code, says = exitCode(unanswered(result.err)), result.err.Error()
		}
	})
	return code, says, took
}

func TestAPipelineWaitsForAVerdict(t *testing.T) {
	t.Parallel()
	const minute, second = time.Minute, time.Second
	one := func(all ...admin.Comparison) []admin.Comparison { return all }
	open := one(pair("v1-a", "v2-b", admin.CannotTell))
	good := one(pair("v1-a", "v2-b", admin.NoWorse))
	bad := one(pair("v1-a", "v2-b", admin.Worse))
	down := errors.New("asking the divvy at x: connection refused")
	none := &admin.Refused{Status: 404, Text: "v2 is no candidate"}
	f := func(why, until string, code int, says string, took time.Duration, answers ...answer) {
		t.Helper()
		gotCode, gotSays, gotTook := watching(t, &watch{until: until, limit: 30 * minute}, answers...)
		if gotCode != code || gotSays != says || gotTook != took {
			t.Errorf("%s: got %d after %v: %s\nwant %d after %v: %s", why, gotCode, gotTook, gotSays, code, took, says)
		}
	}
	f("no worse at once", "decided", 0, "", 0, answer{0, good, nil})
	f("no worse later", "decided", 0, "", 10*minute, answer{0, open, nil}, answer{10 * minute, good, nil})
	f("worse later", "decided", 1, "worse: v2 against v1: for a reason", 10*minute, answer{0, open, nil}, answer{10 * minute, bad, nil})
	f("never decided", "decided", 2, "cannot tell: v2 against v1: for a reason", 30*minute, answer{0, open, nil})
	f("a verdict of a later divvy", "decided", 2, "cannot tell: v2 against v1: for a reason", 30*minute, answer{0, one(pair("v1-a", "v2-b", "new")), nil})
	f("probation passed", "worse", 0, "", 30*minute, answer{0, open, nil}, answer{minute, good, nil})
	f("probation failed", "worse", 1, "worse: v2 against v1: for a reason", 20*minute, answer{0, good, nil}, answer{20 * minute, bad, nil})
	f("probation undecided", "worse", 2, "cannot tell: v2 against v1: for a reason", 30*minute, answer{0, open, nil})

	// Of several the worst counts.
	v3 := pair("v1-a", "v3-c", admin.CannotTell)
	f("one of two no worse", "decided", 2, "cannot tell: v3 against v1: for a reason", 30*minute, answer{0, append(good, v3), nil})
	f("one of two worse", "decided", 1, "worse: v2 against v1: for a reason", 0, answer{0, one(v3, bad[0]), nil})

	// divvy is started anew.
	f("away", "decided", 0, "", 10*minute, answer{0, open, nil}, answer{minute, nil, down}, answer{5 * minute, nil, none}, answer{5*minute + 20*second, open, nil}, answer{10 * minute, good, nil})
	f("it only starts", "decided", 0, "", minute, answer{0, nil, down}, answer{40 * second, nil, none}, answer{minute, good, nil})
	f("it fails", "decided", 0, "", minute, answer{0, nil, &admin.Refused{Status: 503, Text: "down"}}, answer{minute, good, nil})
	f("it never starts", "decided", 3, "waited 30m0s in vain: "+down.Error(), 30*minute, answer{0, nil, down})
	f("it never answers", "decided", 3, "waited 30m0s: nobody answered", 30*minute, answer{})
	f("it dies", "decided", 2, "cannot tell: waited 30m0s, and in the end: "+down.Error(), 30*minute, answer{0, open, nil}, answer{minute, nil, down})
	f("it dies on probation", "worse", 2, "cannot tell: waited 30m0s, and in the end: "+down.Error(), 30*minute, answer{0, good, nil}, answer{minute, nil, down})

	// What is asked for is not there, or not any more.
	f("a mistake", "decided", 3, "v2 is no candidate", 0, answer{0, nil, none})
	f("nothing to compare", "decided", 3, "v1 is alone", 0, answer{0, nil, &admin.NoCandidate{Text: "v1 is alone"}})
	f("no token", "decided", 3, "a token is needed", 0, answer{0, nil, &admin.Refused{Status: 401, Text: "a token is needed"}})
	f("token changed", "decided", 3, "a token is needed", minute, answer{0, open, nil}, answer{minute, nil, &admin.Refused{Status: 401, Text: "a token is needed"}})
	f("never there", "decided", 2, "cannot tell: v2 is no candidate", 88*second, answer{0, nil, down}, answer{minute, nil, none})
	f("gone", "decided", 2, "cannot tell: v2 is no candidate", 90*second, answer{0, open, nil}, answer{minute, nil, none})
	f("another image", "decided", 2, "cannot tell: v2 (image b) is compared no longer, in its place is v2 (image c)", 90*second,
		answer{0, open, nil}, answer{minute, one(pair("v1-a", "v2-c", admin.NoWorse)), nil})
	f("another stable", "decided", 2, "cannot tell: v2 is compared with v3 (image c) now, no longer with v1 (image a)", 90*second,
		answer{0, open, nil}, answer{minute, one(pair("v3-c", "v2-b", admin.NoWorse)), nil})
	f("one of two gone", "decided", 2, "cannot tell: v3 (image c) is compared no longer", 90*second,
		answer{0, append(open, v3), nil}, answer{minute, good, nil})
	f("another name", "decided", 0, "", minute, answer{0, open, nil}, answer{minute, one(pair("v1-a", "v2-b", admin.NoWorse), pair("v1-a", "v3-c", admin.NoWorse)), nil})
}

func TestAWatchEndsWithItsVerdict(t *testing.T) {
	t.Parallel()
	good := []admin.Comparison{pair("v1-a", "v2-b", admin.NoWorse)}
	other := []admin.Comparison{pair("v3-c", "v2-b", admin.Worse)}
	down := errors.New("connection refused")
	f := func(why string, code int, took time.Duration, answers ...answer) {
		t.Helper()
		if gotCode, says, gotTook := watching(t, &watch{limit: time.Hour}, answers...); gotCode != code || gotTook != took {
			t.Errorf("%s: got %d after %v: %s, want %d after %v", why, gotCode, gotTook, says, code, took)
		}
	}
	f("no worse", 0, time.Hour, answer{0, good, nil})
	f("another comparison", exitWorse, time.Hour, answer{0, good, nil}, answer{time.Minute, other, nil})
	f("away", 0, time.Hour, answer{0, good, nil}, answer{time.Minute, nil, down}, answer{30 * time.Minute, good, nil})
	f("away in the end", exitCannotTell, time.Hour, answer{0, good, nil}, answer{time.Minute, nil, down})
	f("nobody there", exitNoAnswer, 0, answer{0, nil, down})

	full := errors.New("the disk is full")
	w := &watch{show: func([]admin.Comparison, string) error { return full }}
	if code, says, _ := watching(t, w, answer{0, good, nil}); code != exitNoAnswer || says != full.Error() {
		t.Errorf("what cannot be shown ends with %d: %s", code, says)
	}
}

func TestAWatchThatIsInterruptedIsNoPass(t *testing.T) {
	t.Parallel()
	f := func(until string, want int) {
		t.Helper()
		ctx, stop := context.WithCancel(t.Context())
		w := &watch{
			until: until, limit: time.Hour,
			ask: func(context.Context) ([]admin.Comparison, error) {
				return []admin.Comparison{pair("v1-a", "v2-b", admin.NoWorse)}, nil
			},
			show: func([]admin.Comparison, string) error { stop(); return nil },
		}
		err := w.run(ctx).err
		if got := exitCode(err); err == nil && want != 0 || err != nil && got != want {
			t.Errorf("until %q: got %v, want the exit code %d", until, err, want)
		}
	}
	f(untilWorse, exitCannotTell)
	f("", 0)
}

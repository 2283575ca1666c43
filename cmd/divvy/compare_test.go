package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"divvy/cmd/internal/admin"
)

// comparedTo runs the command against a divvy with these comparisons, and returns
// what it prints and its exit code.
func comparedTo(t *testing.T, all []admin.Comparison, args ...string) (text string, code int) {
	t.Helper()
	answer := func(w http.ResponseWriter, status int, v any) {
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/services/shop/comparisons", func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, all) })
	mux.HandleFunc("GET /api/v1/services/shop/split", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, admin.Split{Service: "shop", Shares: []admin.Share{{Version: "v1", Weight: 1, Runs: true}}})
	})
	mux.HandleFunc("GET /api/v1/services/shop/comparisons/{candidate}", func(w http.ResponseWriter, r *http.Request) {
		for _, c := range all {
			if c.Candidate.Version == r.PathValue("candidate") {
				answer(w, 200, c)
				return
			}
		}
		answer(w, 404, map[string]string{"error": "no such candidate"})
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	var out bytes.Buffer
	args = append([]string{"compare", "--admin", server.Listener.Addr().String()}, args...)
	if err := run(t.Context(), args, &out, &out); err != nil {
		code = exitCode(err)
		out.WriteString("divvy: " + err.Error() + "\n")
	}
	return out.String(), code
}

func TestTheExitCodeIsTheVerdict(t *testing.T) {
	t.Parallel()
	good, open, bad := pair("v1-a", "v2-b", admin.NoWorse), pair("v1-a", "v3-c", admin.CannotTell), pair("v1-a", "v4-d", admin.Worse)
	all := []admin.Comparison{good, open, bad}
	f := func(all []admin.Comparison, code int, want string, args ...string) {
		t.Helper()
		text, got := comparedTo(t, all, args...)
		if got != code || !strings.Contains(text, want) {
			t.Errorf("%v: got %d and %s\nwant %d and %s", args, got, text, code, want)
		}
	}
	f(all, 0, "shop: v2 against v1: no worse\n", "shop", "v2")
	f(all, 2, "divvy: cannot tell: v3 against v1: for a reason\n", "shop", "v3")
	f(all, 1, "divvy: worse: v4 against v1: for a reason\n", "shop", "v4")
	f(all, 1, "shop: v3 against v1: cannot tell\n", "shop")
	f(all[:2], 2, "divvy: cannot tell: v3 against v1", "shop")
	f(all[:1], 0, "", "shop")
	f(all, 1, `"verdict": "worse"`, "shop", "v4", "--json")
	f(all, 1, "divvy: worse: v4 against v1", "shop", "--until", "decided")
	f(all, 0, "shop: v2 against v1: no worse", "shop", "v2", "--until", "decided", "--watch")
	f(all, 0, `[{"service":"shop",`, "shop", "v2", "--until", "decided", "--watch", "--json")

	// Nobody can answer.
	f(nil, 3, "divvy: service shop has no candidate: v1 has all the weight", "shop")
	f(nil, 3, "divvy: service shop has no candidate: v1 has all the weight", "shop", "--until", "decided")
	f(all, 3, "divvy: no such candidate", "shop", "v9")
	f(all, 3, "it answers 404", "nobody")
	f(all, 3, "divvy: unknown flag: --untill", "shop", "--untill", "decided")
	f(all, 3, "divvy: 0 arguments do not fit here: use divvy compare SERVICE [VERSION]")
	f(all, 3, "divvy: 3 arguments do not fit here", "shop", "v2", "v3")
	f(all, 3, `divvy: --until: "done" is nothing to wait for: use decided or worse`, "shop", "--until", "done")
	f(all, 3, "divvy: --timeout: there is nothing to wait for: use it with --until or --watch", "shop", "--timeout", "1m")
	f(all, 3, "divvy: --timeout: -1s is no time to wait: use a duration such as 30m", "shop", "--timeout", "-1s", "--watch")
	f(all, 3, `invalid argument "soon" for "--timeout"`, "shop", "--timeout", "soon")
	f(all, 3, "asking the divvy at 127.0.0.1:1:", "shop", "--admin", "127.0.0.1:1")
}

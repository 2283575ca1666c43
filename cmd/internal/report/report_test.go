package report

import (
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/router/state"

	"golang.org/x/net/html"
)

// TestAPageOfLittleIsAsItWas holds pages against files; UPDATE_GOLDEN=1 writes them
// anew.
func TestAPageOfLittleIsAsItWas(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nothing", "little"} {
		golden := "testdata/" + name + ".html"
		got := pages[name]().written(t)
		got = strings.Replace(got, styleText, "", 1)
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: the page is another (UPDATE_GOLDEN=1 writes this one): %s", name, difference(got, string(want)))
		}
	}
}

// difference returns the first lines that differ.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got " + g[i] + "\nwant " + w[i]
		}
	}
	return "one has more lines"
}

// elements are those that a page is made of. Others could load or run something.
var elements = strings.Fields(`html head meta title style body header main section h1 h2 h3 p ul li dl dt dd a br code span strong
	div table caption thead tbody tr th td figure figcaption svg desc path text g circle`)

var attributes = strings.Fields(`lang charset name content http-equiv id class scope href viewbox role aria-labelledby aria-hidden d x y dx dy cx cy r`)

func TestAPageNeedsAndRunsNothingElse(t *testing.T) {
	t.Parallel()
	for name, data := range pages {
		page := data().written(t)
		for z := html.NewTokenizer(strings.NewReader(page)); ; {
			kind := z.Next()
			if kind == html.ErrorToken {
				if z.Err() != io.EOF {
					t.Errorf("%s: %v", name, z.Err())
				}
				break
			}
			token := z.Token()
			if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
				continue
			}
			if !slices.Contains(elements, token.Data) {
				t.Errorf("%s: there is an element %s", name, token)
			}
			for _, a := range token.Attr {
				if !slices.Contains(attributes, strings.ToLower(a.Key)) {
					t.Errorf("%s: there is an attribute %s=%q", name, a.Key, a.Val)
				}
				if a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: there is a link to %s", name, a.Val)
				}
			}
		}
		if found := regexp.MustCompile(`(?i)<script|https?://|url\(|@import|ZgotmplZ`).FindString(page); found != "" {
			t.Errorf("%s: there is %s", name, found)
		}
	}
}

func TestHostileTextIsShownAsItIs(t *testing.T) {
	t.Parallel()
	page := hostile().written(t)
	for _, tag := range []string{"<script", "<img", "</title><"} {
		if strings.Contains(page, tag) {
			t.Errorf("there is %s", tag)
		}
	}
	if n := strings.Count(page, "</style>"); n != 1 {
		t.Errorf("the style ends %d times", n)
	}
	if n := strings.Count(html.UnescapeString(page), evil); n < 30 {
		t.Errorf("the text is shown %d times only", n)
	}
}

func TestNoPageIsLargerThanAMegabyte(t *testing.T) {
	t.Parallel()
	f := func(name string, d *Data, wants string) {
		t.Helper()
		page := d.written(t)
		if len(page) > mostBytes || !strings.Contains(page, wants) {
			t.Errorf("%s: the page has %d bytes, without %s", name, len(page), wants)
		}
	}
	d := greatest()
	f("the greatest", d, "#1</th>")
	for i := range d.History {
		e := &d.History[i]
		e.Who, e.Via, e.Why = strings.Repeat(`"`, 1000), strings.Repeat("+", 1000), strings.Repeat("'", 1000)
	}
	f("long reasons", d, "Of 75 earlier edits")
	for i := range d.Timeline.Versions {
		name := strings.Repeat("<", 120) + d.Timeline.Versions[i].Version
		d.Timeline.Versions[i].Version = name
	}
	f("long names", d, "Not drawn")
}

// Everything that a reader of the ticket asks for is on the page.
func TestAReportTellsAllThereIs(t *testing.T) {
	t.Parallel()
	d := shop(does{"v1@53bff422", 90, 180, 0.004, 12 * time.Millisecond, 6 * time.Hour}, does{"v2@210fe938", 10, 20, 0.02, 16 * time.Millisecond, 42 * time.Minute}).edited(42 * time.Minute)
	d.Split.RolledBack = []state.RolledBack{{Image: "sha256:bad", Name: "v0", Time: now}}
	d.Split.Revision = 7
	page := html.UnescapeString(d.written(t))
	wants := []string{
		"v2@210fe938 against v1@53bff422", "✗ WORSE", "worse on errors", "Since 2026-03-04 14:25:30 UTC, for 42 minutes: 2,222 requests of v2@210fe938 and 20,000 of v1@53bff422.",
		imageOf("v1@53bff422"), imageOf("v2@210fe938"), "8c1f0a9d", "2026-03-01T10:00:00Z", "a1b2c3d4e5f6", "2 ready",
		"v2@210fe938 is WORSE on errors: 2.0 % of requests failed", "The traffic split is as set: v2@210fe938 got 10.00 % of the requests, 10.00 % were meant.",
		"These ranges stay valid however often you look and whenever you stop.", "45 (2.03 %)", "25 % or 0.1 points",
		"v1@53bff422: weight 90, 90 %; v2@210fe938: weight 10, 10 %, revision 7",
		"ann@laptop", "command line", "v1=95 v2=5", "5 % looked fine", "2026-03-04 14:25:30 UTC", "v0", "sha256:bad",
		"The last hour", "v1 has the rest, and is not drawn",
	}
	for _, want := range wants {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestNothingToCompareIsSaidWithItsReason(t *testing.T) {
	t.Parallel()
	f := func(d *Data, want string) {
		t.Helper()
		if page := d.written(t); !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	f(pages["nothing"](), "Nothing is compared: service shop has no candidate: no version that runs has weight.")
	f(pages["nothing"](), "Nothing was noted in this time")
	f(pages["little"](), "v1 has all the weight, so there is nothing to compare it with")
	d := pages["early"]()
	d.Comparisons[0].Report = nil // of a later divvy
	f(d, "v2 against v1")
}

func TestStableHasTheSameColourInEveryReport(t *testing.T) {
	t.Parallel()
	d := shop(does{"v1", 10, 1, 0, time.Millisecond, time.Hour}, does{"v2", 90, 1, 0, time.Millisecond, time.Hour}, does{"v0", 0, 1, 0, time.Millisecond, time.Hour})
	f := func(want map[string]string) {
		t.Helper()
		got := map[string]string{}
		for _, m := range newCast(d, spanOf(d)).members {
			got[m.Name] = m.Class + " " + m.Role
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f(map[string]string{"v1": "v0 stable", "v2": "v1 candidate", "v0": "v2 not compared"})
	d.Comparisons = nil // without one the most of the traffic counts
	f(map[string]string{"v2": "v0 has weight", "v1": "v1 has weight", "v0": "v2 had traffic"})
	d.Comparisons = []admin.Comparison{{Stable: admin.Compared{Version: "v8"}, Candidate: admin.Compared{Version: "v9"}}}
	f(map[string]string{"v8": "v0 stable", "v9": "v1 candidate", "v2": "v2 not compared", "v1": "v3 not compared", "v0": "v4 not compared"})
}

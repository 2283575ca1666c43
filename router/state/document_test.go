package state

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestADocumentThatIsDamagedOrOfALaterFormatIsRefused(t *testing.T) {
	t.Parallel()
	f := func(data, want string) {
		t.Helper()
		got := "fine"
		if d, err := decode([]byte(data)); err != nil {
			got = err.Error()
			if text(d) != text(Document{}) {
				t.Errorf("%s: returned %s with the error", data, text(d))
			}
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", data, got, want)
		}
	}
	f(`{"format":1,"revision":0,"services":{}}`, "fine")
	f(`{"format":1}`, "fine")
	f(``, "it is damaged: unexpected end of JSON input")
	f(`{"format":1,"revis`, "it is damaged: unexpected end of JSON input")
	f(`{"format":1}{"format":1}`, "it is damaged: invalid character '{' after top-level value")
	f(`{"format":1}]`, "it is damaged: invalid character ']' after top-level value")
	f("\x00\x00\x00\x00", `it is damaged: invalid character '\x00' looking for beginning of value`)
	f(`null`, "it is damaged: its format is 0, which is none")
	f(`{"revision":1}`, "it is damaged: its format is 0, which is none")
	f(`{"format":-1}`, "it is damaged: its format is -1, which is none")
	f(`{"format":"one"}`, "it is damaged: json: cannot unmarshal string into Go struct field .format of type int")
	f(`{"format":2,"whatever":[1,2]}`, "it was written by a later divvy, which is the one to run: its format is 2, and this one reads up to 1")
	f(`{"format":1,"whatever":1}`, `it is damaged: json: unknown field "whatever"`)
	f(`{"format":1,"services":{"shop":{"revision":1,"splits":{}}}}`, `it is damaged: json: unknown field "splits"`)
	f(`{"format":1,"revision":-1}`, "it is damaged: json: cannot unmarshal number -1 into Go struct field Document.revision of type uint64")
	f(`{"format":1,"revision":18446744073709551615}`, "it is damaged: its revision is 18446744073709551615, which nobody has counted to")
	f(`{"format":1,"revision":1,"services":{"shop":{"revision":2}}}`, "it is damaged: service shop has revision 2, later than the document's 1")
	shop := func(rest string) string {
		return `{"format":1,"revision":9,"services":{"shop":{"revision":8,` + rest + `}}}`
	}
	f(shop(`"split":{"weights":{"v1":90,"v2":0}}`), "fine")
	f(shop(`"split":{"weights":{"v1":90,"v2":-1}}`), "it is damaged: service shop gives v2 the weight -1, which is none of 0 to 1000000")
	f(shop(`"labels":{"v2":1000001}`), "it is damaged: service shop gives v2 the weight 1000001, which is none of 0 to 1000000")
	f(shop(`"history":[{"revision":3,"from":{"weights":{"v1":-5}}}]`), "it is damaged: service shop gives v1 the weight -5, which is none of 0 to 1000000")
	f(shop(`"history":[{"revision":3},{"revision":8}]`), "fine")
	f(shop(`"history":[{"revision":3},{"revision":3}]`), "it is damaged: service shop has an edit of revision 3 after that of 3, and is at 8")
	f(shop(`"history":[{"revision":9}]`), "it is damaged: service shop has an edit of revision 9 after that of 0, and is at 8")
}

func TestWhereThereAreManyServicesTheHistoryOfEachIsShorter(t *testing.T) {
	t.Parallel()
	f := func(services, want int) {
		t.Helper()
		d := Document{Services: map[string]Service{}}
		var full []Entry
		for i := range maxHistory {
			full = append(full, Entry{Revision: uint64(i + 1)})
		}
		for i := range services {
			d.Services[fmt.Sprint(i)] = Service{Revision: 1, History: full}
		}
		d, err := d.Edit("0", Edit{Kind: Weights, Weights: map[string]int{"v1": 1}, Absent: true}, World{}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		history := d.Services["0"].History
		if len(history) != want || history[want-1].Kind != Weights {
			t.Errorf("%d services: %d entries, want %d", services, len(history), want)
		}
	}
	f(1, maxHistory)
	f(200, maxHistory)
	f(1000, 20)
	f(maxServices, minHistory)
}

func TestMoreServicesThanAreRememberedAreRefused(t *testing.T) {
	t.Parallel()
	d := Document{Services: map[string]Service{}}
	for i := range maxServices {
		d.Services[fmt.Sprint(i)] = Service{}
	}
	e := Edit{Kind: File, Weights: map[string]int{"v1": 1}}
	if _, err := d.Edit("0", e, World{}, time.Now()); err != nil {
		t.Error(err)
	}
	_, err := d.Edit("another", e, World{}, time.Now())
	want := "there are 10000 services already, which is as many as are remembered: take out of state.json those that are gone, while no divvy runs"
	if fmt.Sprint(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// The largest document that is likely must not be more than a storage takes.
func TestADocumentOfManyServicesIsSmallEnoughToStore(t *testing.T) {
	t.Parallel()
	s := newStory(t, "v1.4.2 a", "v1.5.0 b", "v1.5.1 c")
	s.f("file v1.4.2=95 v1.5.0=5", "v1.4.2=95 v1.5.0=5", "a=95 b=5")
	for i := range maxHistory {
		after, err := s.apply(Edit{
			Kind: Weights, Weights: map[string]int{"v1.5.1": i + 1}, Who: "ann at laptop", Via: "command line", Why: strings.Repeat("x", 50),
		})
		if err != nil {
			t.Fatal(err)
		}
		s.doc = after
	}
	one, err := s.doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	entry := len(one) / maxHistory
	t.Logf("%d bytes an edit", entry)
	if most := entry * max(maxEntries, maxServices*minHistory); most > maxValue {
		t.Errorf("%d bytes an edit make %d bytes of history, and a storage takes %d", entry, most, maxValue)
	}
}

// What decodes can be stored, and is the same when it is read again; what does
// not is refused, and nothing ends divvy.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"format":1,"revision":3,"services":{"shop":{"revision":3,"file":{"v1":95},"labels":{"v2":1},"split":{"weights":{"v1":95,"v2":5},"holders":{"v1":"sha256:ab"}},` +
			`"rolled_back":[{"image":"sha256:cd","name":"v2@cd","time":"2026-01-01T00:00:00Z"}],` +
			`"history":[{"revision":2,"time":"2026-01-01T00:00:00.123Z","kind":"weights","who":"ann","via":"api","why":"\u2603","from":{"weights":null},"to":{"weights":{"v1":95}},"images":["sha256:ab"]},` +
			`{"revision":3,"time":"2026-01-01T01:00:00+01:00","kind":"rollback","who":"","via":"","from":{"weights":{}},"to":{"weights":{}},"undone":2}]}}}`,
		`{"format":1,"services":null}`,
		`{"format":1,"Revision":7,"services":{"":{"split":null,"history":[]}}}`,
		`{"format":2}`,
		`[]`,
		``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := decode(data)
		if err != nil {
			return
		}
		stored, err := d.encode()
		if err != nil {
			t.Fatalf("what was decoded cannot be stored: %v", err)
		}
		again, err := decode(stored)
		if err != nil {
			t.Fatalf("what was stored is refused: %v\n%s", err, stored)
		}
		if got, want := text(again), text(d); got != want {
			t.Fatalf("read %s\nwant %s", got, want)
		}
		for name := range d.Services {
			edited, err := d.Edit(name, Edit{Kind: Rollback, Absent: true}, World{}, time.Unix(0, 0))
			if err != nil {
				continue
			}
			if stored, err = edited.encode(); err == nil {
				_, err = decode(stored)
			}
			if err != nil {
				t.Fatalf("what was edited cannot be stored and read: %v\n%s", err, stored)
			}
		}
	})
}

// text is a value in full, for comparing.
func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

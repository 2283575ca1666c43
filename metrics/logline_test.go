package metrics

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// full has something in every field.
func full() *Observation {
	return &Observation{
		Start:   time.Date(2025, 10, 10, 15, 55, 36, 120_000_000, time.FixedZone("CEST", 2*3600)),
		Service: "shop", Version: "v1.5.0@53bff422", ImageID: "sha256:53bff422",
		Container: "4f2c9a1b77de", Backend: "172.18.0.4:8080", Reason: "unit", Attempts: 2,
		Method: "GET", Host: "shop.example.com", Target: "/cart?id=1&x=<y>", Proto: "HTTP/1.1", Scheme: "https",
		Status: 200, RequestBytes: 12, ResponseBytes: 2326,
		Duration: 12_345_678 * time.Nanosecond, FirstByte: 1_002 * time.Microsecond,
		Client: netip.MustParseAddr("192.0.2.7"), RequestID: "r-1", UserAgent: `curl/8 "x"`, Referer: "https://example.com/",
		Err: "backend 172.18.0.3:8080: connection refused",
	}
}

func TestJSONLine(t *testing.T) {
	t.Parallel()
	f := func(o *Observation, want string) {
		t.Helper()
		if got := string(appendJSON(nil, o)); got != want+"\n" {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	f(full(), `{"time":"2025-10-10T13:55:36.12Z","service":"shop","version":"v1.5.0@53bff422","image":"sha256:53bff422",`+
		`"container":"4f2c9a1b77de","backend":"172.18.0.4:8080","reason":"unit","attempts":2,`+
		`"method":"GET","host":"shop.example.com","target":"/cart?id=1&x=<y>","proto":"HTTP/1.1","scheme":"https",`+
		`"status":200,"request_bytes":12,"response_bytes":2326,"duration_ms":12.345,"first_byte_ms":1.002,`+
		`"client":"192.0.2.7","request_id":"r-1","user_agent":"curl/8 \"x\"","referer":"https://example.com/",`+
		`"error":"backend 172.18.0.3:8080: connection refused"}`)
	// A request that could not be read: what is empty is left out.
	f(&Observation{Start: time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC), Status: 400, Duration: time.Hour},
		`{"time":"2025-01-02T03:04:05.000000006Z","attempts":0,"status":400,"request_bytes":0,"response_bytes":0,`+
			`"duration_ms":3600000.000,"first_byte_ms":0.000}`)
}

func TestCommonLine(t *testing.T) {
	t.Parallel()
	f := func(change func(*Observation), want string) {
		t.Helper()
		o := full()
		change(o)
		if got := string(appendCommon(nil, o)); got != want+"\n" {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	f(func(o *Observation) {},
		`192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] "GET /cart?id=1&x=<y> HTTP/1.1" 200 2326`)
	f(func(o *Observation) { o.Client = netip.Addr{}; o.ResponseBytes = 0; o.Status = 304 },
		`- - - [10/Oct/2025:13:55:36 +0000] "GET /cart?id=1&x=<y> HTTP/1.1" 304 -`)
	f(func(o *Observation) { o.Method, o.Target, o.Proto, o.Status = "", "", "", 400 },
		`192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] "-" 400 2326`)
	// Nobody writes a line of their own.
	f(func(o *Observation) { o.Target = "/\" 200 1\n10.0.0.1 - - [x] \"GET /\\\r\t\x00\x1b[2J\x7f\xffé" },
		`192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] `+
			`"GET /\" 200 1\n10.0.0.1 - - [x] \"GET /\\\r\t\x00\x1b[2J\x7f\xff\xc3\xa9 HTTP/1.1" 200 2326`)
}

// A zone comes from a header and may be any text.
func TestZoneOfAddressIsNotLogged(t *testing.T) {
	t.Parallel()
	o := &Observation{Client: netip.MustParseAddr("fe80::1%\" \n,")}
	if got := string(appendJSON(nil, o)); !strings.Contains(got, `"client":"fe80::1"`) {
		t.Errorf("got %s", got)
	}
	if got := string(appendCommon(nil, o)); !strings.HasPrefix(got, "fe80::1 - - ") {
		t.Errorf("got %s", got)
	}
}

// quoted is what encoding/json makes of s when it is decoded again.
func quoted(t *testing.T, s string) (decoded string) {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// FuzzAccessLogJSON holds a line against encoding/json: it decodes to what was
// put in, and is one line of printable text.
func FuzzAccessLogJSON(f *testing.F) {
	for _, s := range []string{
		"", "plain", `"`, `\`, `\u0000`, "\n", "\r\n", "\t\b\f\x00\x1f\x7f", "\u0080\u009b\u009f\u00a0",
		"é\u2028\u2029\uffff\U0001f600", "\ufffd", "\xff", "a\xc3", "\xc3(", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80",
		`","status":200,"x":"`, "</script>", "\"}\n{\"status\":200}", strings.Repeat("\xff", 100),
	} {
		f.Add(s, s+"x", "x"+s, int64(200), int64(1500))
	}
	f.Fuzz(func(t *testing.T, target, agent, cause string, status, micros int64) {
		o := full()
		o.Target, o.UserAgent, o.Err, o.Status = target, agent, cause, int(status)
		o.Duration = time.Duration(micros%1e12) * time.Microsecond
		before := "what the buffer holds"
		b := appendJSON([]byte(before), o)
		line, ok := strings.CutPrefix(string(b), before)
		if !ok {
			t.Fatalf("the buffer was overwritten: %q", b)
		}
		line, ok = strings.CutSuffix(line, "\n")
		if !ok || !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsAny(line, "\u2028\u2029") {
			t.Fatalf("not a line of printable text: %q", line)
		}
		var got struct {
			Time       time.Time
			Service    string
			Target     string
			UserAgent  string  `json:"user_agent"`
			Err        string  `json:"error"`
			Status     int64   `json:"status"`
			DurationMS float64 `json:"duration_ms"`
			Client     netip.Addr
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		same := func(name, got, in string) {
			if want := quoted(t, in); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		same("target", got.Target, target)
		same("user_agent", got.UserAgent, agent)
		same("error", got.Err, cause)
		same("service", got.Service, o.Service)
		if !got.Time.Equal(o.Start) || got.Client != o.Client || got.Status != int64(o.Status) {
			t.Errorf("got %v, %v, %v", got.Time, got.Client, got.Status)
		}
		if want := float64(max(o.Duration, 0).Microseconds()) / 1000; got.DurationMS != want {
			t.Errorf("duration_ms: got %v, want %v", got.DurationMS, want)
		}
		// Nothing that is in a value becomes a key.
		var keys map[string]any
		if err := json.Unmarshal([]byte(line), &keys); err != nil {
			t.Fatal(err)
		}
		want := 23
		for _, s := range []string{target, agent, cause} {
			if s == "" {
				want--
			}
		}
		if len(keys) != want {
			t.Errorf("%d keys, want %d: %s", len(keys), want, line)
		}
	})
}

// FuzzAccessLogCommon: whatever is requested, a line has its seven fields.
func FuzzAccessLogCommon(f *testing.F) {
	f.Add("GET", "/", "HTTP/1.1")
	f.Add("\"", "\\", "\n")
	f.Add("G\" 1 2", "\xff\x00\x7f", "")
	f.Fuzz(func(t *testing.T, method, target, proto string) {
		o := full()
		o.Method, o.Target, o.Proto = method, target, proto
		line := string(appendCommon(nil, o))
		rest, ok1 := strings.CutPrefix(line, `192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] "`)
		request, ok2 := strings.CutSuffix(rest, "\" 200 2326\n")
		if !ok1 || !ok2 {
			t.Fatalf("got %q", line)
		}
		for i := 0; i < len(request); i++ {
			switch c := request[i]; {
			case c == '\\':
				i++ // whatever it escapes
				if i == len(request) {
					t.Fatalf("the closing quote is escaped in %q", line)
				}
			case c == '"', c < ' ', c >= 0x7f:
				t.Fatalf("byte %q in %q", c, line)
			}
		}
	})
}

func TestLinesDoNotAllocate(t *testing.T) {
	o := full()
	b := make([]byte, 0, 4096)
	f := func(name string, encode func([]byte, *Observation) []byte) {
		if n := testing.AllocsPerRun(100, func() { encode(b, o) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
	f("json", appendJSON)
	f("common", appendCommon)
}

func BenchmarkLine(b *testing.B) {
	o := full()
	line := make([]byte, 0, 4096)
	f := func(name string, encode func([]byte, *Observation) []byte) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				encode(line, o)
			}
		})
	}
	f("json", appendJSON)
	f("common", appendCommon)
	f("encoding-json", func(b []byte, o *Observation) []byte {
		line, _ := json.Marshal(o)
		return append(b, line...)
	})
}

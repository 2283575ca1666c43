package metrics

import (
	"strings"
	"testing"
)

func TestAStatusOfGRPCHasAName(t *testing.T) {
	t.Parallel()
	f := func(g GRPC, name string, failed bool) {
		t.Helper()
		if g.String() != name || g.Failed() != failed {
			t.Errorf("%d is %q, failed %t, want %q, %t", g.Code(), g, g.Failed(), name, failed)
		}
	}
	f(NoGRPC, "", false)
	f(GRPCStatus(0), "OK", false)
	f(GRPCStatus(1), "Canceled", false)
	f(GRPCStatus(2), "Unknown", true)
	f(GRPCStatus(4), "DeadlineExceeded", true)
	f(GRPCStatus(5), "NotFound", false)
	f(GRPCStatus(8), "ResourceExhausted", false)
	f(GRPCStatus(12), "Unimplemented", true)
	f(GRPCStatus(13), "Internal", true)
	f(GRPCStatus(14), "Unavailable", true)
	f(GRPCStatus(15), "DataLoss", true)
	f(GRPCStatus(16), "Unauthenticated", false)
	f(GRPCStatus(17), "Unknown", true)
	f(GRPCStatus(-1), "Unknown", true)
	f(GRPC(200), "", false)
}

// Who has no calls has no series of them; who has one has those of all failures, so
// that the first failure is seen as an increase.
func TestCallsAreCounted(t *testing.T) {
	p := New(DefaultConfig())
	m := p.Meter("shop", "v1")
	p.Observe(&Observation{Status: 200, Meter: m})
	if got := scrape(t, p, "divvy_grpc"); got != "" {
		t.Errorf("got\n%s", got)
	}
	p.Observe(&Observation{Status: 200, GRPC: GRPCStatus(5), Meter: m})
	p.Observe(&Observation{Status: 200, GRPC: GRPCStatus(14), Meter: m})
	var want strings.Builder
	for _, line := range []string{"DataLoss\"} 0", "DeadlineExceeded\"} 0", "Internal\"} 0", "NotFound\"} 1", "OK\"} 0", "Unavailable\"} 1", "Unimplemented\"} 0", "Unknown\"} 0"} {
		code, n, _ := strings.Cut(line, "\"} ")
		want.WriteString(`divvy_grpc_requests_total{code="` + code + `",service="shop",version="v1"} ` + n + "\n")
	}
	if got := scrape(t, p, "divvy_grpc"); got != want.String() {
		t.Errorf("got\n%s\nwant\n%s", got, want.String())
	}
	if n := testing.AllocsPerRun(100, func() { m.calls.inc(GRPCStatus(5)) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestTheLogNamesTheStatusOfACall(t *testing.T) {
	t.Parallel()
	line := string(appendJSON(nil, &Observation{Status: 200, GRPC: GRPCStatus(14)}))
	if !strings.Contains(line, `"status":200,"grpc_status":"Unavailable","request_bytes"`) {
		t.Errorf("got %s", line)
	}
}

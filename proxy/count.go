package proxy

import (
	"divvy/metrics/stats"
	"divvy/router"
)

// tally is what is to be counted of an exchange in the comparisons that its version
// takes part in.
type tally struct {
	arms   []router.Arm
	sample stats.Sample
	firsts uint8 // in which of them it is the first of its unit, one bit each
	goals  uint8 // that it reaches if it is answered as it must be
	short  bool  // the backend broke its answer off
}

// arrive counts that the request was assigned.
func (ex *exchange) arrive(q router.Query) {
	t, a := &ex.tally, ex.decision.Assigned
	t.arms = ex.service.Arms(a)
	if len(t.arms) == 0 {
		return
	}
	t.goals = ex.service.Goals(&q)
	t.sample.Unit = a.Unit
	for i, arm := range t.arms {
		arm.Split.Arrive(arm.Side, &t.sample)
		if t.sample.First {
			t.firsts |= 1 << i
		}
	}
}

// count counts what became of the request, for the version that it was assigned to,
// whoever answered.
func (ex *exchange) count() {
	t, r := &ex.tally, &ex.record
	if len(t.arms) == 0 {
		return
	}
	x := &t.sample
	x.Canceled = r.Status == statusClientClosed
	v := ex.decision.Version
	x.Elsewhere = v != nil && v != ex.decision.Assigned.Version
	x.Failed = !x.Canceled && (v != ex.decision.Assigned.Version || t.short || r.GRPC.Failed() || ex.service.Fails(r.Status))
	x.Goals = ex.service.Reached(t.goals, r.Status)
	x.Latency = r.FirstByte
	if x.Latency == 0 {
		x.Latency = r.Duration
	}
	x.Bytes = uint64(max(r.ResponseBytes, 0))
	for i, arm := range t.arms {
		x.First = t.firsts&(1<<i) > 0
		arm.Split.Record(arm.Side, x)
	}
}

package stats

import (
	"math"
	"slices"
)

// A rule says, from what it is shown of a rollout, that the candidate is worse.
type rule interface {
	// alarms is called every ten seconds with what happened in them, until it
	// returns true.
	alarms(t tick) bool
}

// tick is ten seconds of a rollout.
type tick struct {
	percent          uint32 // the candidate's weight
	requests, errors Pair[int]
}

const ticksPerMinute = 6

// shipped is divvy: its recorder, with a restart every quarter of an hour and
// when weights change, and its judge with the margins and bounds that are its
// defaults.
type shipped struct {
	recorder *Recorder
	judge    Judge
	percent  uint32
	ticks    int // since the last restart
	restarts uint32
}

func newShipped() *shipped {
	return &shipped{recorder: NewRecorder(shop, false, nil), judge: DefaultJudge()}
}

func (s *shipped) alarms(t tick) bool {
	if s.ticks++; s.ticks > 15*ticksPerMinute || t.percent != s.percent && s.percent > 0 {
		s.ticks = 1
		s.restarts++
		s.recorder.Restart(s.restarts)
	}
	s.percent = t.percent
	split := s.recorder.Split(100-t.percent, t.percent)
	for side, n := range t.requests {
		for i := range n {
			request(split, Side(side), &Sample{Failed: i < t.errors[side]})
		}
	}
	return s.judge.Examine(s.recorder.Sums()).Finding("errors").Worse()
}

// zTest compares the error rates of all that was seen, as if every look were
// the only one. It waits for ten errors.
type zTest struct {
	line             float64 // 1.96 for p < 0.05
	requests, errors Pair[float64]
}

func (z *zTest) alarms(t tick) bool {
	for side := range z.errors {
		z.requests[side] += float64(t.requests[side])
		z.errors[side] += float64(t.errors[side])
	}
	c, s := z.requests[Candidate], z.requests[Stable]
	all := z.errors[Candidate] + z.errors[Stable]
	if all < 10 {
		return false
	}
	p := all / (c + s)
	difference := z.errors[Candidate]/c - z.errors[Stable]/s
	return difference > z.line*math.Sqrt(p*(1-p)*(1/c+1/s))
}

// threshold is the rule of Flagger and of Argo Rollouts: at each check the
// candidate's own error rate since the last is held against a fixed limit, and
// failed checks are counted.
type threshold struct {
	limit    float64 // of the error rate
	every    int     // ticks between checks
	failures int     // at which the alarm is raised

	ticks, requests, errors, failed int
}

func (h *threshold) alarms(t tick) bool {
	h.requests += t.requests[Candidate]
	h.errors += t.errors[Candidate]
	if h.ticks++; h.ticks%h.every != 0 {
		return false
	}
	if float64(h.errors) > h.limit*float64(h.requests) {
		h.failed++
	}
	h.requests, h.errors = 0, 0
	return h.failed >= h.failures
}

// mannWhitney is the rule of Kayenta: the error rates of all minutes so far
// are samples of the two versions, and the candidate fails if the lower end of
// the 98 % interval for the shift between them (Hodges and Lehmann) is beyond
// a quarter of the shift.
type mannWhitney struct {
	every int // ticks between judgements

	ticks            int
	requests, errors Pair[int]
	rates            Pair[[]float64]
}

func (m *mannWhitney) alarms(t tick) bool {
	m.ticks++
	for side := range m.rates {
		m.requests[side] += t.requests[side]
		m.errors[side] += t.errors[side]
		if m.ticks%ticksPerMinute == 0 {
			m.rates[side] = append(m.rates[side], float64(m.errors[side])/float64(max(m.requests[side], 1)))
			m.requests[side], m.errors[side] = 0, 0
		}
	}
	if m.ticks%m.every != 0 {
		return false
	}
	lower, shift := hodgesLehmann(m.rates[Candidate], m.rates[Stable])
	return lower > 0.25*math.Abs(shift)
}

// hodgesLehmann returns by how much x is shifted against y, of the same
// length, and the lower end of the 98 % interval, from the normal
// approximation with the corrections for continuity and for ties within
// samples.
func hodgesLehmann(x, y []float64) (lower, shift float64) {
	differences := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			differences = append(differences, a-b)
		}
	}
	slices.Sort(differences)
	n := float64(len(x))
	spread := math.Sqrt(n * n / 12 * (2*n + 1 - (ties(x)+ties(y))/(2*n*(2*n-1))))
	const z98 = 2.3263478740408408
	rank := n*n/2 - z98*spread - 0.5
	if rank < 0 {
		return math.Inf(-1), differences[len(differences)/2]
	}
	return differences[int(rank)], differences[len(differences)/2]
}

// ties returns Σ t³−t over the groups of equal values.
func ties(x []float64) (sum float64) {
	x = slices.Sorted(slices.Values(x))
	for from, i := 0, 1; i <= len(x); i++ {
		if i == len(x) || x[i] != x[from] {
			t := float64(i - from)
			sum += t*t*t - t
			from = i
		}
	}
	return sum
}

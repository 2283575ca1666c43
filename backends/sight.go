package backends

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Outcome is what a request saw of a backend.
type Outcome int

// The outcomes.
const (
	Unknown     Outcome = iota // nothing: the client left, say
	Answered                   // an answer, and not a failure of the backend
	Failed                     // 5xx, a broken connection, no answer in time
	Unreachable                // no connection could be opened
)

// sight is what requests see of a backend. They write it without locks; what a
// race between two of them loses is one request among many.
type sight struct {
	failed      atomic.Int32  // in a row
	unreachable atomic.Int32  // in a row
	ill         atomic.Uint64 // the share that failed lately, as the bits of a float64

	// What the pool had answered and failed when the row of failures began, with
	// the first of these.
	goodBefore, badBefore atomic.Int64

	pace  atomic.Int64  // the mean time to the first byte lately; 0: no answer yet
	paced atomic.Uint32 // how many answers are in it

	trial  atomic.Int32 // answers that it still owes on trial; 0: it is on none
	trying atomic.Int64 // when the request of the trial began, in Unix nanoseconds; 0: there is none
}

// How many requests "lately" is.
const (
	illOver  = 64
	paceOver = 32
)

// Saw tells what a request saw of the backend that it had acquired: once for each
// that was acquired, when its answer has ended, been given up, or turned into
// another protocol. firstByte is how long the answer took to begin, 0 if that
// says nothing. It allocates nothing and takes no lock unless the backend's
// state may have to change.
func (b *Backend) Saw(o Outcome, firstByte time.Duration) {
	e := b.eject.Load()
	switch {
	case e == nil:
	case b.sight.trial.Load() > 0:
		b.tried(o)
	case o == Answered:
		b.answered(e, firstByte)
	case o == Failed:
		b.fails(e)
	case o == Unreachable:
		n := int(b.sight.unreachable.Add(1))
		if e.ConnectFailures > 0 && n%e.ConnectFailures == 0 {
			b.registry.eject(b, CauseConnect, connectText(n))
		}
	}
}

func (b *Backend) answered(e *Eject, firstByte time.Duration) {
	s := &b.sight
	b.pool.good.Add(1)
	if s.failed.Load() != 0 {
		s.failed.Store(0)
	}
	if s.unreachable.Load() != 0 {
		s.unreachable.Store(0)
	}
	if s.ill.Load() != 0 {
		s.feels(0)
	}
	if e.Slow > 0 && firstByte > 0 && s.took(firstByte) {
		b.registry.compare(b)
	}
}

func (b *Backend) fails(e *Eject) {
	s, p := &b.sight, b.pool
	p.bad.Add(1)
	s.unreachable.Store(0)
	s.feels(1)
	row := int(s.failed.Add(1))
	if row == 1 {
		s.goodBefore.Store(p.good.Load())
		s.badBefore.Store(p.bad.Load())
	}
	if e.Failures == 0 || row < e.Failures {
		return
	}
	// What b has done since is the row itself, so the rest is its siblings'.
	good := p.good.Load() - s.goodBefore.Load()
	bad := p.bad.Load() - s.badBefore.Load() - int64(row-1)
	if outlier(row, e.Failures, good, bad, 0) && outlier(row, e.Failures, good, bad, b.usual()) {
		b.registry.eject(b, CauseFailures, failuresText(row))
	}
}

// usualOf is how many siblings tell what is usual.
const usualOf = 64

// usual returns the share of the siblings' requests that failed lately, as far as
// some of them tell: a version may have thousands.
func (b *Backend) usual() (ill float64) {
	all := b.pool.rotation.Load()
	total, n := len(all.full)+len(all.eased), 0
	if total == 0 {
		return 0
	}
	for i, first := 0, rand.IntN(total); i < total && n < usualOf; i++ {
		if o := all.at((first + i) % total); o != b {
			ill += math.Float64frombits(o.sight.ill.Load())
			n++
		}
	}
	return ill / float64(max(n, 1))
}

// feels moves ill towards x. What is next to nothing is nothing, so that a
// backend that is well need not write.
func (s *sight) feels(x float64) {
	ill := math.Float64frombits(s.ill.Load())
	ill += (x - ill) / illOver
	if ill < 1e-4 {
		ill = 0
	}
	s.ill.Store(math.Float64bits(ill))
}

// took adds a time to the first byte, and reports whether it is time to compare.
func (s *sight) took(d time.Duration) bool {
	n := s.paced.Add(1)
	mean := s.pace.Load()
	s.pace.Store(mean + (int64(d)-mean)/int64(min(n, paceOver)))
	return n%paceOver == 0
}

// mean returns the mean time to the first byte, 0 if that is not known.
func (s *sight) mean() time.Duration {
	if s.paced.Load() < paceOver {
		return 0
	}
	return time.Duration(s.pace.Load())
}

// forget forgets what failed in a row, and how long answers took.
func (s *sight) forget() {
	s.failed.Store(0)
	s.unreachable.Store(0)
	s.ill.Store(0)
	s.pace.Store(0)
	s.paced.Store(0)
}

// trialEnds is when a request on trial no longer keeps others out: an answer may
// have no end.
const trialEnds = 30 * time.Second

// mayTry reports whether there is no other request on trial, and counts the
// caller's as that.
func (s *sight) mayTry(now time.Time) bool {
	was := s.trying.Load()
	return (was == 0 || now.UnixNano()-was > int64(trialEnds)) && s.trying.CompareAndSwap(was, now.UnixNano())
}

// tried notes how a request ended that came while the backend was on trial.
func (b *Backend) tried(o Outcome) {
	s := &b.sight
	s.trying.Store(0)
	switch o {
	case Answered:
		b.pool.good.Add(1)
		if s.trial.Add(-1) == 0 {
			b.registry.readmit(b)
		}
	case Failed, Unreachable:
		b.pool.bad.Add(1)
		b.registry.failTrial(b)
	}
}

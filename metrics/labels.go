package metrics

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// other is the label value of what is out of bounds, so that nothing a
// backend or a client sends can create series without end.
const other = "other"

// codes counts by status code. A counter is created when its code is first
// seen and found by index from then on.
type codes struct {
	vec  *prometheus.CounterVec // its only variable label is code
	seen [600]atomic.Pointer[prometheus.Counter]
}

// inc counts a status: its three digits if it is in 100..599, else "other".
func (c *codes) inc(status int) { c.counter(status).Inc() }

func (c *codes) counter(status int) prometheus.Counter {
	label := ""
	if status < 100 || status > 599 {
		status, label = 0, other
	}
	if known := c.seen[status].Load(); known != nil {
		return *known
	}
	if label == "" {
		label = strconv.Itoa(status)
	}
	// Two goroutines may come here; the vector gives both the same counter.
	counter := c.vec.WithLabelValues(label)
	c.seen[status].Store(&counter)
	return counter
}

// of returns how often a status was counted.
func (c *codes) of(status int) uint64 {
	known := c.seen[status].Load()
	if known == nil {
		return 0
	}
	var m dto.Metric
	if err := (*known).Write(&m); err != nil {
		return 0 // it never fails
	}
	return uint64(m.GetCounter().GetValue())
}

// total returns how many there were of all statuses.
func (c *codes) total() (n uint64) {
	for status := range c.seen {
		n += c.of(status)
	}
	return n
}

// maxReasons bounds the reasons that are told apart. There are far fewer; the
// bound is for a caller's mistake.
const maxReasons = 32

// reasons counts decisions by reason. They are so few that going through a
// list beats a map, and the list is never changed but replaced, so that
// reading takes no lock.
type reasons struct {
	vec  *prometheus.CounterVec // its only variable label is reason
	list atomic.Pointer[[]reason]
	mu   sync.Mutex // held while list is replaced
}

type reason struct {
	name    string
	counter prometheus.Counter
}

func (r *reasons) inc(name string) {
	if list := r.list.Load(); list != nil {
		for i := range *list {
			if (*list)[i].name == name {
				(*list)[i].counter.Inc()
				return
			}
		}
	}
	r.add(name).Inc()
}

func (r *reasons) add(name string) prometheus.Counter {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []reason
	if p := r.list.Load(); p != nil {
		list = *p
	}
	if len(list) >= maxReasons {
		return r.vec.WithLabelValues(other)
	}
	// The vector answers with the counter that exists if another goroutine
	// was faster, and a name that is twice in the list does no harm.
	counter := r.vec.WithLabelValues(label(name))
	next := append(list[:len(list):len(list)], reason{name, counter})
	r.list.Store(&next)
	return counter
}

// maxLabel bounds label values, in bytes. Tags have at most 128, digests 71;
// what is longer comes from labels that somebody wrote into an image.
const maxLabel = 200

// label makes s fit to be a label value: UTF-8, and bounded. What is longer
// is cut.
func label(s string) string {
	if len(s) > maxLabel {
		s = s[:maxLabel]
	}
	return strings.ToValidUTF8(s, "")
}

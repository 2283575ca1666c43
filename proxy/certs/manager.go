package certs

import (
	"context"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"divvy/router/state"
)

// Bounds of the manager.
const (
	lookEvery = time.Hour       // at each certificate, at least
	fileEvery = 2 * time.Second // at the files
	maxBusy   = 8               // looks at a time
)

// Settings say where certificates come from and where challenges go to.
type Settings struct {
	Config

	// HTTP and HTTPS are the addresses that are listened on, which the ports 80
	// and 443 of the hosts must lead to; "" for none. Without HTTPS nobody needs a
	// certificate: none is got, and no file is read.
	HTTP, HTTPS string
}

// Manager gets certificates for the hosts that want one, renews them in time, and
// gives them to handshakes. Its methods may be called at the same time.
type Manager struct {
	storage storage
	log     *slog.Logger
	every   time.Duration
	waits   []time.Duration
	wake    chan struct{} // receives a value when there may be something to do
	shelf   shelf

	mu        sync.Mutex // guards the fields below, and all orders
	settings  Settings
	authority *authority // nil before the first commit
	files     []*file
	wanted    []string          // in order, as they came
	patterns  map[string]bool   // hosts and wildcard hosts for whose names handshakes may ask
	orders    map[string]*order // by host
}

// New returns a manager that keeps what it gets in a storage, where it shares it
// with all who have the same. It does nothing before Run.
func New(s state.Storage, log *slog.Logger) *Manager {
	return &Manager{storage: storage{s}, log: log, every: lookEvery, waits: backoff, wake: make(chan struct{}, 1), orders: map[string]*order{}}
}

// Prepare reads what valid settings name, and returns what makes them those in
// force; discard does nothing. An error is that of a file: nothing has changed
// then. What is on the shelf stays there until there is something newer.
func (m *Manager) Prepare(s Settings) (commit, discard func(), err error) {
	if s.HTTPS == "" {
		s.CA, s.Files = "", nil
	}
	a, err := newAuthority(s, m.storage, m.log, m.every)
	if err != nil {
		return nil, nil, err
	}
	files, err := openFiles(s.Files)
	if err != nil {
		return nil, nil, err
	}
	return func() { m.apply(s, a, files) }, func() {}, nil
}

func (m *Manager) apply(s Settings, a *authority, files []*file) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.settings
	m.settings, m.authority, m.files = s, a, files
	m.shelf.putFiles(shelve(files))
	was.Files, s.Files = nil, nil
	if !reflect.DeepEqual(was, s) {
		for _, o := range m.orders { // what failed may do now
			o.failures, o.next = 0, time.Now()
		}
	}
	m.reconcile()
}

// Want says which hosts want a certificate, wildcard hosts among them: all of
// them. New ones get theirs at once, and those that are gone are not renewed any
// more. It does not block, and is cheap if nothing has changed.
func (m *Manager) Want(hosts []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Equal(hosts, m.wanted) {
		return
	}
	m.wanted = slices.Clone(hosts)
	m.reconcile()
}

// reconcile makes the orders those of the hosts that are wanted. m.mu is held.
func (m *Manager) reconcile() {
	if m.authority == nil {
		return // it is called again when there is one
	}
	m.patterns = map[string]bool{}
	keep := map[string]*order{}
	wanted := m.wanted
	if m.settings.HTTPS == "" {
		wanted = nil
	}
	for _, h := range wanted {
		host, err := normalHost(h)
		if _, ip := netip.ParseAddr(host); err != nil || ip == nil || m.shelf.hasFile(host) {
			continue // also every host, "*", and addresses, which no handshake names
		}
		wild := strings.HasPrefix(host, "*.")
		if m.settings.OnDemand {
			m.patterns[host] = true
			if !wild || !m.authority.canWildcard() {
				continue
			}
		}
		o := m.orders[host]
		if o == nil {
			o = newOrder(host)
		}
		o.demanded = false
		if wild && !m.authority.canWildcard() {
			if o.err != errWildcard {
				m.log.Warn("no certificate", "host", host, "err", errWildcard)
			}
			o.err, o.next = errWildcard, time.Time{}
		} else if o.err == errWildcard {
			o.err, o.next = nil, time.Now()
		}
		keep[host] = o
	}
	for host, o := range m.orders {
		if keep[host] == nil && o.err != errWildcard && m.mayDemand(host) && !m.shelf.hasFile(host) {
			o.demanded = true
			keep[host] = o
		}
		if keep[host] == nil {
			m.shelf.put(host, nil)
		}
	}
	m.orders = keep
	m.nudge()
}

func newOrder(host string) *order {
	return &order{host: host, next: time.Now(), tried: make(chan struct{})}
}

func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run obtains and renews, and watches files, until ctx ends; then it ends what is
// under way, which is taken up again after a start, and returns nil.
func (m *Manager) Run(ctx context.Context) error {
	var looks sync.WaitGroup
	defer looks.Wait()
	files := time.NewTicker(fileEvery)
	defer files.Stop()
	for ctx.Err() == nil {
		fresh, due, next := m.due(time.Now())
		looks.Go(func() {
			for _, o := range fresh {
				m.load(ctx, o)
			}
		})
		for _, o := range due {
			looks.Go(func() { m.look(ctx, o) })
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-timer.C:
		case <-files.C:
			m.readFiles()
		}
		timer.Stop()
	}
	return nil
}

// due returns the orders to load, those to look at now, all of which are busy from
// then on, and when there will be others. Those that wait longest come first.
func (m *Manager) due(now time.Time) (fresh, due []*order, next time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next = now.Add(m.every)
	busy := 0
	for _, o := range m.orders {
		switch {
		case o.busy && o.loaded:
			busy++
		case !o.busy && !o.loaded:
			fresh = append(fresh, o)
		case o.due(now):
			due = append(due, o)
		case o.next.After(now) && o.next.Before(next):
			next = o.next
		}
	}
	slices.SortFunc(due, func(a, b *order) int { return a.next.Compare(b.next) })
	due = due[:min(len(due), max(maxBusy-busy, 0))] // a look that ends wakes us
	for _, o := range slices.Concat(fresh, due) {
		o.busy = true
	}
	return fresh, due, next
}

// load takes what is stored for a host. No authority is asked, so that after a
// start none can keep from being served what there is.
func (m *Manager) load(ctx context.Context, o *order) {
	defer m.nudge()
	m.mu.Lock()
	a := m.authority
	m.mu.Unlock()
	c := a.load(ctx, o.host)
	m.mu.Lock()
	defer m.mu.Unlock()
	o.busy, o.loaded = false, true
	if c != nil && m.orders[o.host] == o && m.authority == a {
		m.shelve(o, found{cert: c}, nil)
		o.next = time.Now()
		o.answer()
	}
}

// look looks at one host, and writes down what came of it.
func (m *Manager) look(ctx context.Context, o *order) {
	defer m.nudge()
	m.mu.Lock()
	a, last := m.authority, o.err
	m.mu.Unlock()
	f, err := a.look(ctx, o.host, last)
	m.mu.Lock()
	defer m.mu.Unlock()
	o.busy = false
	if ctx.Err() != nil || m.orders[o.host] != o {
		return // we stop, or nobody wants it any more
	}
	if m.authority != a {
		return // it is looked at anew by other settings
	}
	m.shelve(o, f, err)
	o.asked = false
	o.answer()
}

// shelve takes over what a look found. m.mu is held.
func (m *Manager) shelve(o *order, f found, err error) {
	now := time.Now()
	if c := f.cert; c != nil && (err == nil || o.cert == nil) {
		if o.cert == nil || !o.cert.Leaf.Equal(c.Leaf) {
			m.log.Info("certificate ready", "host", o.host, "issuer", c.Leaf.Issuer.CommonName, "not_after", c.Leaf.NotAfter)
		}
		o.cert = c
		m.shelf.put(o.host, c)
	}
	if err == nil {
		o.err, o.failures, o.next = nil, 0, upkeep(now, m.every, o.cert)
		return
	}
	o.failures++
	o.total++
	o.err, o.failed = err, now
	o.next = again(now, m.waits, o.failures, err, f.until)
	m.log.Warn("no new certificate", "host", o.host, "err", err, "failures", o.failures, "next", o.next, "served", o.cert != nil)
}

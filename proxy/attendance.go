package proxy

import "sync"

// attendance is the requests on a connection, which libraries start when it may
// have ended already.
type attendance struct {
	mu      sync.Mutex // guards the fields below
	present int
	over    bool
	left    chan struct{} // closed when nobody is present; nil if nobody waits for that
}

// enter notes that a request begins, and reports whether it may. Then leave must be
// called.
func (a *attendance) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over {
		a.present++
	}
	return !a.over
}

func (a *attendance) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.present--; a.present == 0 && a.left != nil {
		close(a.left)
		a.left = nil
	}
}

// nobody returns a channel that is closed when nobody is present.
func (a *attendance) nobody() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left == nil {
		a.left = make(chan struct{})
	}
	left := a.left
	if a.present == 0 {
		close(a.left)
		a.left = nil
	}
	return left
}

// end returns when all have left, and none may enter any more.
func (a *attendance) end() {
	a.mu.Lock()
	a.over = true
	a.mu.Unlock()
	<-a.nobody()
}

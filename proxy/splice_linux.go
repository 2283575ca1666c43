package proxy

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

const (
	spliceSupported = true

	pipeSize  = 256 << 10 // of a pipe, where the system grants it
	pipesKept = 64
	flags     = 1 | 2 // SPLICE_F_MOVE, SPLICE_F_NONBLOCK
	setSize   = 1031  // F_SETPIPE_SZ
)

// pipes are the pipes that nothing is moved through just now.
type pipes struct {
	mu   sync.Mutex // guards free
	free []pipe
}

// pipe is what splice(2) needs between two sockets: its reading and its
// writing end.
type pipe [2]int

func (p *pipes) get() (pipe, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		one := p.free[n-1]
		p.free = p.free[:n-1]
		return one, nil
	}
	var one pipe
	if err := syscall.Pipe2(one[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return one, os.NewSyscallError("pipe2", err)
	}
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(one[1]), setSize, pipeSize)
	return one, nil
}

// put takes back a pipe with nothing in it.
func (p *pipes) put(one pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == pipesKept {
		one.close()
		return
	}
	p.free = append(p.free, one)
}

func (p pipe) close() {
	_ = syscall.Close(p[0])
	_ = syscall.Close(p[1])
}

// splicer moves bytes from one socket to another without copying them into the
// program. The zero value is ready for use.
type splicer struct {
	bound func() // called before what has been taken is given; bounds that
	from  *inlet
	pipe  pipe
	want  int // to be taken from the source
	held  int // in the pipe
	err   error
	taken func(fd uintptr) bool // s.take, bound once
	given func(fd uintptr) bool // s.give, bound once
}

// move moves what has come, at most limit bytes and a pipe's worth, after
// waiting for it, and returns how much that was. What could not be sent is lost:
// the error is then a sendError. errNoPipe means that nothing was done.
func (s *splicer) move(all *pipes, from *inlet, to syscall.RawConn, limit int64) (n int64, err error) {
	if s.taken == nil {
		s.taken, s.given = s.take, s.give
	}
	if s.pipe, err = all.get(); err != nil {
		return 0, errNoPipe
	}
	s.from, s.want, s.held, s.err = from, int(min(limit, pipeSize)), 0, nil
	if err := from.raw.Read(s.taken); err != nil {
		s.err = err
	}
	got := s.held
	if s.err == nil {
		s.bound()
		if err := to.Write(s.given); err != nil {
			s.err = &sendError{err}
		}
	}
	if s.held > 0 {
		s.pipe.close()
		return int64(got - s.held), s.err
	}
	all.put(s.pipe)
	return int64(got), s.err
}

// take moves bytes from the source into the pipe, which is empty.
func (s *splicer) take(fd uintptr) bool {
	n, err := splice(int(fd), s.pipe[1], s.want)
	switch {
	case n > 0:
		s.held = int(n)
	case err == syscall.EAGAIN:
		if s.from.waits != nil {
			s.from.waits()
		}
		return false
	case err != nil:
		s.err = os.NewSyscallError("splice", err)
	default:
		s.err = io.EOF
	}
	return true
}

// give moves bytes from the pipe to their destination.
func (s *splicer) give(fd uintptr) bool {
	for s.held > 0 {
		n, err := splice(s.pipe[0], int(fd), s.held)
		switch {
		case n > 0:
			if s.held -= int(n); s.held > 0 {
				s.bound() // it moves
			}
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			s.err = &sendError{os.NewSyscallError("splice", err)}
			return true
		default:
			s.err = &sendError{fmt.Errorf("splice: %w", io.ErrShortWrite)}
			return true
		}
	}
	return true
}

func splice(from, to, n int) (int64, error) {
	for {
		m, err := syscall.Splice(from, nil, to, nil, n, flags)
		if err != syscall.EINTR {
			return int64(m), err // an int on 32 bits
		}
	}
}

package docker

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// sshArgs returns the command that connects to the engine of an ssh:// endpoint,
// as the docker command does it: on the far side, "docker system dial-stdio"
// joins its input and output to the engine's socket. Keys, known hosts and
// jumps are what ssh and its configuration say; it asks no questions, and ends
// within half a minute when the far side is gone.
func sshArgs(u *url.URL) []string {
	args := []string{"ssh", "-T",
		"-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
		"-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=2"}
	if user := u.User.Username(); user != "" {
		args = append(args, "-l", user)
	}
	if port := u.Port(); port != "" {
		args = append(args, "-p", port)
	}
	args = append(args, "--", u.Hostname(), "docker")
	if u.Path != "" && u.Path != "/" {
		args = append(args, "--host", shellQuote("unix://"+u.Path))
	}
	return append(args, "system", "dial-stdio")
}

// shellQuote protects a word from the shell of the far side, which reads it.
func shellQuote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// program is a connection to whoever is at the other end of a program's input
// and output.
type program struct {
	io.WriteCloser // its input
	io.ReadCloser  // its output

	command *exec.Cmd
	said    *tail // its error output
	ended   func() error
}

var _ net.Conn = (*program)(nil)

// dialProgram starts a program. It runs until the connection is closed.
func dialProgram(args []string) (net.Conn, error) {
	p := &program{command: exec.Command(args[0], args[1:]...), said: new(tail)}
	p.command.Stderr = p.said
	p.command.WaitDelay = time.Second // for those who hold its error output open
	p.ended = sync.OnceValue(p.command.Wait)
	var err error
	if p.WriteCloser, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	if p.ReadCloser, err = p.command.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// Read implements net.Conn. At the end it says what the program complained of.
func (p *program) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if err == nil || n > 0 {
		return n, nil
	}
	// It ends by itself, but for one that has lost its way.
	lost := time.AfterFunc(time.Second, func() { _ = p.command.Process.Kill() })
	defer lost.Stop()
	if failure := p.ended(); failure != nil && errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %s", p.command.Args[0], cmp.Or(p.said.String(), failure.Error()))
	}
	return 0, err
}

// Close implements net.Conn. It returns when the program has ended.
func (p *program) Close() error {
	_ = p.WriteCloser.Close()
	_ = p.command.Process.Kill() // it may have ended
	_ = p.ended()                // with an error, being killed
	return nil
}

// deadliner is what pipes are.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// SetDeadline implements net.Conn.
func (p *program) SetDeadline(t time.Time) error {
	return errors.Join(p.SetReadDeadline(t), p.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (p *program) SetReadDeadline(t time.Time) error {
	if d, ok := p.ReadCloser.(deadliner); ok {
		return d.SetReadDeadline(t)
	}
	return errors.ErrUnsupported
}

// SetWriteDeadline implements net.Conn.
func (p *program) SetWriteDeadline(t time.Time) error {
	if d, ok := p.WriteCloser.(deadliner); ok {
		return d.SetWriteDeadline(t)
	}
	return errors.ErrUnsupported
}

// LocalAddr implements net.Conn.
func (p *program) LocalAddr() net.Addr { return programAddr(p.command.Args[0]) }

// RemoteAddr implements net.Conn.
func (p *program) RemoteAddr() net.Addr { return programAddr(p.command.Args[0]) }

type programAddr string

func (a programAddr) Network() string { return "program" }
func (a programAddr) String() string  { return string(a) }

// tail keeps the end of what is written to it, on one line.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const maxTail = 512

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-maxTail):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Join(bytes.Fields(t.text), []byte(" ")))
}

//go:build unix

package sockets

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T, s *Set, a Address) *Listener {
	t.Helper()
	l, err := s.Listen(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// greets reports whether somebody accepts at a place and says hello.
func greets(t *testing.T, l net.Listener, network, addr string) {
	t.Helper()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.WriteString(c, "hello")
			c.Close()
		}
	}()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(c); string(got) != "hello" {
		t.Errorf("%s: got %q, %v", addr, got, err)
	}
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return os.IsNotExist(err)
}

func TestAStaleFileIsReplacedAndOurOwnIsRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l := listen(t, new(Set), Address{Text: "unix:" + path, Mode: 0o600})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	greets(t, l, "unix", path)
	if err := l.SetMode(Address{}); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != DefaultMode {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
	l.Close()
	if !gone(path) {
		t.Error("the file is left")
	}
}

func TestWhatIsInTheWayOfAUnixSocketStays(t *testing.T) {
	t.Parallel()
	f := func(what string, put func(path string), want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "s")
		put(path)
		_, err := new(Set).Listen(Address{Text: "unix:" + path})
		if got := strings.ReplaceAll(fmt.Sprint(err), path, "PATH"); got != "listening on unix:PATH: "+want {
			t.Errorf("%s: got %s", what, got)
		}
		if gone(path) {
			t.Errorf("%s was removed", what)
		}
	}
	f("somebody's socket", func(path string) { listen(t, new(Set), Address{Text: "unix:" + path}) }, "address already in use")
	f("a file", func(path string) { _ = os.WriteFile(path, nil, 0o600) }, "there is a file that is no socket: remove it, or use another path")
	f("a link", func(path string) { _ = os.Symlink("/dev/null", path) }, "there is a file that is no socket: remove it, or use another path")
}

func TestTheFileOfAnotherIsNotRemoved(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	old := listen(t, new(Set), Address{Text: "unix:" + path})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := listen(t, new(Set), Address{Text: "unix:" + path})
	old.Close()
	greets(t, other, "unix", path)
}

func TestTheFileIsLeftToWhomTheSocketsWereHandedTo(t *testing.T) {
	t.Parallel()
	s := new(Set)
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, s, Address{Text: "unix:" + path})
	next := inherit(t, s)
	s.HandedOver()
	l.Close()
	heir := listen(t, next, Address{Text: "unix:" + path})
	greets(t, heir, "unix", path)
	heir.Close()
	if !gone(path) {
		t.Error("the file is left")
	}
}

// A process that ends before it takes over leaves everything as it was.
func TestTheFileIsLeftByWhoDoesNotTakeOver(t *testing.T) {
	t.Parallel()
	s := new(Set)
	path := filepath.Join(t.TempDir(), "s")
	l := listen(t, s, Address{Text: "unix:" + path})
	next := inherit(t, s)
	next.Hold()
	heir := listen(t, next, Address{Text: "unix:" + path})
	heir.Close()
	greets(t, l, "unix", path)
}

// inherit returns the set of a process that is started with the sockets of s.
func inherit(t *testing.T, s *Set) *Set {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	h, err := s.Handover(null)
	if err != nil {
		t.Fatal(err)
	}
	next := new(Set)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range h.Files[:len(h.Files)-1] {
		next.given = append(next.given, given{name: f.Name(), file: h.Files[i]})
	}
	h.Files[len(h.Files)-1].Close()
	return next
}

func TestASocketIsHandedOverWithItsQueue(t *testing.T) {
	t.Parallel()
	s := new(Set)
	s.Hold()
	l := listen(t, s, Address{Text: "127.0.0.1:0"})
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	next := inherit(t, s)
	s.HandedOver()
	l.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("it accepts after its end")
	}
	heir := listen(t, next, Address{Text: "127.0.0.1:0"})
	if heir.Addr().String() != l.Addr().String() {
		t.Fatalf("it listens on %s", heir.Addr())
	}
	_ = heir.SetDeadline(time.Now().Add(20 * time.Second))
	got, err := heir.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got.Close()
	if err := next.Settle(); err != nil {
		t.Error(err)
	}
	heir.Close()
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("somebody holds the socket open still")
	}
}

func TestSocketsOfSystemdAreFoundByNameAndByAddress(t *testing.T) {
	t.Parallel()
	s := new(Set)
	give := func(name string) net.Addr {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		s.given = append(s.given, given{name: "systemd:" + name, file: f})
		return l.Addr()
	}
	a, b, c := give("a"), give("divvy.socket"), give("c")
	if got := listen(t, s, Address{Text: "systemd:a"}).Addr().String(); got != a.String() {
		t.Errorf("a is at %s", got)
	}
	if got := listen(t, s, Address{Text: b.String()}).Addr().String(); got != b.String() {
		t.Errorf("divvy.socket is at %s", got)
	}
	if _, err := s.Listen(Address{Text: "systemd:d"}); err == nil || err.Error() != "listening on systemd:d: systemd has given no such socket: use systemd:a or systemd:c or systemd:divvy.socket" {
		t.Errorf("got %v", err)
	}
	if _, err := new(Set).Listen(Address{Text: "systemd:d"}); err == nil || !strings.Contains(err.Error(), "systemd has given no sockets: start divvy by its socket unit") {
		t.Errorf("got %v", err)
	}
	if err := s.Settle(); err == nil || err.Error() != "systemd has given systemd:c, and nothing listens on it: clients wait there in vain" {
		t.Errorf("got %v", err)
	}
	// An edit may want it yet.
	if got := listen(t, s, Address{Text: "systemd:c"}).Addr().String(); got != c.String() {
		t.Errorf("c is at %s", got)
	}
}

func TestAddressesOverlap(t *testing.T) {
	t.Parallel()
	f := func(a, b string, want bool) {
		t.Helper()
		if Overlap(a, b) != want || Overlap(b, a) != want {
			t.Errorf("%s and %s: got %t", a, b, !want)
		}
	}
	f(":80", ":80", true)
	f(":80", "127.0.0.1:80", true)
	f("0.0.0.0:80", "127.0.0.1:80", true)
	f("[::]:80", "127.0.0.1:80", true)
	f("127.0.0.2:80", "127.0.0.1:80", false)
	f(":80", ":81", false)
	f(":0", ":0", false)
	f("unix:/a", "unix:/a", true)
	f("unix:/a:80", "unix:/b:80", false)
	f("systemd:a", "systemd:a", true)
	f("systemd:80", ":80", false)
}

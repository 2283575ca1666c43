package sockets

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where a socket is opened, and how.
type Address struct {
	// Text is "host:port" or ":port", "unix:/path", or "systemd:NAME" for a socket
	// that systemd opened.
	Text string

	// Mode is that of the file of a unix socket; 0 for DefaultMode.
	Mode fs.FileMode

	// ReusePort lets other processes listen on the same port (SO_REUSEPORT).
	ReusePort bool
}

// DefaultMode lets the user and the group of divvy connect to a unix socket.
const DefaultMode fs.FileMode = 0o660

const (
	unixPrefix    = "unix:"
	systemdPrefix = "systemd:"

	// maxPath is the longest path of a unix socket that every system takes.
	maxPath = 103
)

// Path returns the file of a unix socket.
func Path(text string) (path string, ok bool) { return strings.CutPrefix(text, unixPrefix) }

// Validate reports what is wrong with the text of an address.
func Validate(text string) error {
	if path, ok := Path(text); ok {
		if !filepath.IsAbs(path) || path != filepath.Clean(path) || path == "/" {
			return fmt.Errorf("%q is not a unix socket: use a whole path, such as unix:/run/divvy/divvy.sock", text)
		}
		if len(path) > maxPath {
			return fmt.Errorf("%q is too long: use a path of at most %d characters", text, maxPath)
		}
		return nil
	}
	if name, ok := strings.CutPrefix(text, systemdPrefix); ok {
		if name == "" || strings.ContainsAny(name, ": \t\n") {
			return fmt.Errorf("%q is not a socket of systemd: use systemd:NAME with its FileDescriptorName, which is that of its unit, such as divvy.socket, if it has none", text)
		}
		return nil
	}
	if ValidateTCP(text) != nil {
		return fmt.Errorf("%q is not an address to listen on: use :80, 127.0.0.1:8080, unix:/run/divvy/divvy.sock or systemd:NAME", text)
	}
	return nil
}

// ValidateTCP reports what is wrong with an address that has to have a port.
func ValidateTCP(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address to listen on: use :80 or 127.0.0.1:8080", text)
	}
	return nil
}

// Overlap reports whether two addresses cannot be listened on together.
func Overlap(a, b string) bool {
	hostA, portA, okA := splitTCP(a)
	hostB, portB, okB := splitTCP(b)
	if !okA || !okB {
		return a == b
	}
	if portA == "0" || portA != portB {
		return false // any port that is free
	}
	return hostA == hostB || everyHost(hostA) || everyHost(hostB)
}

// splitTCP splits an address that has a port.
func splitTCP(text string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(text)
	return host, port, err == nil && !strings.HasPrefix(text, unixPrefix) && !strings.HasPrefix(text, systemdPrefix)
}

// everyHost reports whether a host means all addresses of the machine.
func everyHost(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

// names reports whether an address is that of a socket.
func names(text string, socket net.Addr) bool {
	switch socket := socket.(type) {
	case *net.UnixAddr:
		path, ok := Path(text)
		return ok && path == socket.Name
	case *net.TCPAddr:
		host, port, err := net.SplitHostPort(text)
		if err != nil || port != strconv.Itoa(socket.Port) {
			return false
		}
		a, err := netip.ParseAddr(host)
		return host == "" && socket.IP.IsUnspecified() || err == nil && a.Unmap() == socket.AddrPort().Addr().Unmap()
	default:
		return false
	}
}

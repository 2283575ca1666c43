package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"divvy/proxy/sockets"
)

// Listener is an address that is listened on, and what is spoken there.
type Listener struct {
	// Address is "host:port" or ":port", "unix:/path", or "systemd:NAME" for a
	// socket that systemd has opened.
	Address string `toml:"address"`

	// Mode is that of the file of a unix socket, in octal digits: "0660" if it is
	// empty.
	Mode string `toml:"mode"`

	// TLS has what comes decrypted here.
	TLS bool `toml:"tls"`

	// Protocols are those that clients may speak; none means all that there are:
	// HTTP11 and, under TLS, HTTP2 and HTTP3. In clear, HTTP2 is spoken by clients
	// that know beforehand (RFC 9113 section 3.3), and only where it is named.
	// HTTP3 comes over UDP, at the same address.
	Protocols []string `toml:"protocols"`

	// ProxyProtocol are the networks whose connections begin by saying for whom
	// they are (PROXY protocol, version 1 or 2), and Unix, if that is who connects.
	ProxyProtocol []string `toml:"proxy_protocol"`

	// Port is that by which clients reach what is spoken under TLS, if it is
	// another than that of the address; 0 if not.
	Port int `toml:"port"`

	introduced peers // what ProxyProtocol says
}

// Names of protocols, as in a TLS handshake (RFC 7301).
const (
	HTTP11 = "http/1.1"
	HTTP2  = "h2"
	HTTP3  = "h3"
)

// listeners returns all that is listened on.
func (c *Config) listeners() []Listener {
	var all []Listener
	if c.HTTP != "" {
		all = append(all, Listener{Address: c.HTTP, Protocols: c.clear()})
	}
	if c.HTTPS != "" {
		all = append(all, Listener{Address: c.HTTPS, TLS: true, Port: c.HTTPSPort})
	}
	all = append(all, c.Listeners...)
	for i := range all {
		l := &all[i]
		if len(l.Protocols) == 0 {
			l.Protocols = l.usual()
		}
		l.introduced = parsePeers(l.ProxyProtocol)
	}
	return all
}

// Listening returns the address that is listened on first, under TLS or in clear;
// "" for none.
func (c *Config) Listening(tls bool) string {
	for _, l := range c.listeners() {
		if l.TLS == tls {
			return l.Address
		}
	}
	return ""
}

// Listens says for people what is listened on.
func (c *Config) Listens() []string {
	var texts []string
	for _, l := range c.listeners() {
		texts = append(texts, l.text())
	}
	return texts
}

// text is the address, and what is not as usual there.
func (l *Listener) text() string {
	var more []string
	if l.TLS {
		more = append(more, "under TLS")
	}
	if !slices.Equal(l.Protocols, l.usual()) {
		more = append(more, strings.Join(l.Protocols, " and "))
	}
	if len(l.ProxyProtocol) > 0 {
		more = append(more, "introduced by "+strings.Join(l.ProxyProtocol, " and "))
	}
	if len(more) == 0 {
		return l.Address
	}
	return fmt.Sprintf("%s (%s)", l.Address, strings.Join(more, "; "))
}

// clear returns what is spoken on the address of HTTP.
func (c *Config) clear() []string {
	if c.H2C {
		return []string{HTTP2, HTTP11}
	}
	return nil
}

// usual returns what is spoken where nothing is said.
func (l *Listener) usual() []string {
	switch {
	case l.TLS && l.isPort() && len(l.ProxyProtocol) == 0: // else clients come by way of something that takes TCP
		return []string{HTTP2, HTTP11, HTTP3}
	case l.TLS:
		return []string{HTTP2, HTTP11}
	}
	return []string{HTTP11}
}

// isPort reports whether the address has a port that divvy opens.
func (l *Listener) isPort() bool { return sockets.ValidateTCP(l.Address) == nil }

// speaks reports whether clients may speak a protocol.
func (l *Listener) speaks(protocol string) bool { return slices.Contains(l.Protocols, protocol) }

// validate returns what is wrong with the listener, which has this key.
func (l *Listener) validate(key string) error {
	problems := []error{l.validateMode(), validatePeers("proxy_protocol", l.ProxyProtocol), validPort("port", l.Port)}
	for _, p := range l.Protocols {
		switch {
		case p != HTTP11 && p != HTTP2 && p != HTTP3:
			problems = append(problems, fmt.Errorf("protocols: %q is not spoken here: use %s, %s or %s", p, HTTP11, HTTP2, HTTP3))
		case p == HTTP3 && !l.TLS:
			problems = append(problems, fmt.Errorf("protocols: %s is spoken under TLS only: set tls, or leave it out", HTTP3))
		case p == HTTP3 && !l.isPort():
			problems = append(problems, fmt.Errorf("protocols: %s needs a port, and %s is none: leave it out", HTTP3, l.Address))
		case p == HTTP3 && len(l.Protocols) == 1:
			problems = append(problems, fmt.Errorf("protocols: clients learn of %s by another: add %s or %s", HTTP3, HTTP2, HTTP11))
		}
	}
	for i, err := range problems {
		if err != nil {
			problems[i] = fmt.Errorf("%s.%w", key, err)
		}
	}
	return errors.Join(problems...)
}

func (l *Listener) validateMode() error {
	_, isFile := sockets.Path(l.Address)
	switch mode, err := strconv.ParseUint(l.Mode, 8, 32); {
	case l.Mode == "":
		return nil
	case err != nil || mode == 0 || mode > 0o777:
		return fmt.Errorf("mode: %q is not the mode of a file: use octal digits, such as \"0660\"", l.Mode)
	case !isFile:
		return fmt.Errorf("mode: %s is no file: leave it out", l.Address)
	}
	return nil
}

func validPort(key string, n int) error {
	if n < 0 || n > 65535 {
		return fmt.Errorf("%s: %d is not a port: use 1 to 65535, or 0 for that of the address", key, n)
	}
	return nil
}

// At is an address that is listened on, and the key that says so.
type At struct{ Key, Address string }

// Beside names the key to somebody who has another address, and the address if it
// is not the same.
func (a At) Beside(address string) string {
	if a.Address == address {
		return a.Key
	}
	return fmt.Sprintf("%s (%s)", a.Key, a.Address)
}

// Addresses returns all addresses that are listened on.
func (c *Config) Addresses() []At {
	var all []At
	if c.HTTP != "" {
		all = append(all, At{"http", c.HTTP})
	}
	if c.HTTPS != "" {
		all = append(all, At{"https", c.HTTPS})
	}
	for i := range c.Listeners {
		all = append(all, At{fmt.Sprintf("listener[%d].address", i), c.Listeners[i].Address})
	}
	return all
}

// validateListeners returns what is wrong with the listeners, each problem with
// its key.
func (c *Config) validateListeners() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	all := c.Addresses()
	if len(all) == 0 {
		bad("http: nothing is listened on: use :80, or set https")
	}
	for i, at := range all {
		if err := sockets.Validate(at.Address); err != nil {
			bad("%s: %w", at.Key, err)
		}
		for _, other := range all[:i] {
			if sockets.Overlap(at.Address, other.Address) {
				bad("%s: %s is the address of %s: use another", at.Key, at.Address, other.Beside(at.Address))
			}
		}
	}
	problems = append(problems, validPort("https_port", c.HTTPSPort))
	for i := range c.Listeners {
		problems = append(problems, c.Listeners[i].validate(fmt.Sprintf("listener[%d]", i)))
	}
	return errors.Join(problems...)
}

// at returns where the listener is opened, and how.
func (l *Listener) at(c *Config) sockets.Address {
	mode, _ := strconv.ParseUint(l.Mode, 8, 32)
	return sockets.Address{Text: l.Address, Mode: fs.FileMode(mode), ReusePort: c.ReusePort}
}

// handshake returns how TLS is spoken on the listener, by what is so for all of
// them.
func (l *Listener) handshake(base *tls.Config) *tls.Config {
	c := base.Clone()
	c.NextProtos = nil
	for _, p := range l.Protocols {
		if p != HTTP3 { // which is not negotiated here
			c.NextProtos = append(c.NextProtos, p)
		}
	}
	c.NextProtos = append(c.NextProtos, base.NextProtos...)
	return c
}

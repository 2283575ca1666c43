// Package environ says what libraries are to do that can be told in no other way
// than by variables of the environment, which they read when they are
// initialised. Whoever imports it gets it done before: of packages that do not
// depend on each other, the first by import path is initialised first (Go
// specification, "Program initialization"; "divvy" is before "net"), and this one
// needs nothing but the package os.
package environ

import (
	"os"
	"strings"
)

// Done says that the variables are set.
var Done = set()

func set() bool {
	// net/http knows extended CONNECT (RFC 8441), by which WebSockets pass over
	// HTTP/2, but offers it only with this (go.dev/issue/71128). It is no setting
	// that a go:debug line can have.
	if debug := os.Getenv("GODEBUG"); !strings.Contains(debug, "http2xconnect=") {
		os.Setenv("GODEBUG", strings.TrimPrefix(debug+",http2xconnect=1", ","))
	}
	// quic-go prints to the standard logger when the system grants it smaller
	// buffers than it likes.
	if os.Getenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING") == "" {
		os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
	}
	return true
}

//go:build !unix

package proxy

const canReadReady = false

func (i *inlet) readReady(uintptr) bool { return true }

// presence is what can be known of the other end of a connection without
// reading from it: here nothing.
type presence int

const (
	present presence = iota
	halfClosed
	absent
)

func (i *inlet) look() presence { return present }

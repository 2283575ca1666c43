// Package ports finds addresses for tests.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports that a test gives to another process must be free until that listens. Those
// that the system chooses are not: it gives the same to the ends of connections, of
// which other tests have thousands. These are below them (RFC 6335 section 6).
const (
	firstPort = 10_000
	lastPort  = 32_000
)

var (
	mu    sync.Mutex
	given = map[int]bool{} // that were given away
)

// Unused returns an address that nobody listens at, over TCP or UDP, and that was not
// returned before.
func Unused() (string, error) {
	mu.Lock()
	defer mu.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if addr := fmt.Sprintf("127.0.0.1:%d", port); !given[port] && free(addr) {
			given[port] = true
			return addr, nil
		}
	}
	return "", errors.New("no port is free")
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

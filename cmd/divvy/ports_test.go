package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports that a test gives to another process must be free until that listens. Those
// that the system chooses are not: it gives the same to the ends of connections, of
// which other tests have thousands. These are below them (RFC 6335 section 6).
const (
	firstPort = 10_000
	lastPort  = 32_000
)

var (
	portsMu sync.Mutex
	ports   = map[int]bool{} // that were given away
)

// unusedAddress returns an address that nobody listens at, over TCP or UDP.
func unusedAddress() (string, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if addr := fmt.Sprintf("127.0.0.1:%d", port); !ports[port] && unused(addr) {
			ports[port] = true
			return addr, nil
		}
	}
	return "", errors.New("no port is free")
}

func unused(addr string) bool {
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

func freePort(t *testing.T) string {
	t.Helper()
	addr, err := unusedAddress()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

//go:build unix

package proxy

import (
	"bufio"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A connection that waits for its next request costs no more than 8 KiB, the
// test's own end of it included, and 16 KiB more under TLS, without that. It does
// not run beside other tests, whose memory it would count.
func TestAnIdleConnectionIsSmall(t *testing.T) { idleConnections(t, openHTTP1, 10_000, 8<<10) }

func TestAnIdleConnectionUnderTLSIsSmall(t *testing.T) { idleConnections(t, openHTTPS, 1000, 24<<10) }

func idleConnections(t *testing.T, open func(*harness), most, size int) {
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Skip("it is not known how many files may be open:", err)
	}
	n := min(most, int(files.Cur/2)-100)
	door := newHarness(t, open)
	door.proxy.Sink = door.meters
	door.serveBytes("v1", 100)
	before := memoryInUse()
	conns := make([]net.Conn, n)
	var wg sync.WaitGroup
	const workers = 8
	for w := range workers {
		wg.Go(func() {
			r := bufio.NewReader(nil)
			for i := w; i < n; i += workers {
				c := must(door.connect())(t)
				conns[i] = beneath(c)
				r.Reset(c)
				_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
				for line, _ := r.ReadSlice('\n'); len(line) > 2; line, _ = r.ReadSlice('\n') {
				}
				if _, err := r.Discard(100); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	per := 0
	eventually(t, "what the requests needed has been given back", func() bool {
		per = (memoryInUse() - before) / n
		<-time.After(10 * time.Millisecond) // stacks shrink with each collection
		return per <= size
	})
	t.Logf("%d bytes for each of %d connections", per, n)
	for _, c := range conns {
		c.Close()
	}
}

// memoryInUse returns what heap and stacks occupy.
func memoryInUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

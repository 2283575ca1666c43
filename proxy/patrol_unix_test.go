//go:build unix

package proxy

import (
	"io"
	"net"
	"testing"
	"time"
)

// A request that has come and is not read yet, because its goroutine waits for a
// processor, is no sign that the client has left.
func TestThePatrolEndsOnlyConnectionsOfClientsThatHaveLeft(t *testing.T) {
	t.Parallel()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer l.Close()
	client := must(net.Dial("tcp", l.Addr().String()))(t)
	defer client.Close()
	server := must(l.Accept())(t)
	defer server.Close()

	c := newClientConn(&port{proxy: new(Proxy)}, server, server.RemoteAddr())
	c.enter(idle)
	patrolled := func() (ended bool) {
		c.unsure.Store(true)
		c.lookAfter(time.Now(), 0)
		return c.kicked.Load()
	}
	if patrolled() {
		t.Error("it was ended while the client was silent")
	}
	must(io.WriteString(client, "GET / HTTP/1.1\r\n"))(t)
	eventually(t, "the request has come", func() bool { return c.look() == talking })
	if patrolled() {
		t.Error("it was ended although a request had come")
	}
	must(io.ReadFull(server, make([]byte, len("GET / HTTP/1.1\r\n"))))(t)
	client.Close()
	eventually(t, "the end has come", func() bool { return c.look() == halfClosed })
	if !patrolled() {
		t.Error("it was not ended although the client had left")
	}
}

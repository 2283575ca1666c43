// Package proxy moves requests from clients to backends and answers back.
//
// # How a request passes through
//
//	server.go     listen, accept, stop
//	client.go     a connection from a client that speaks HTTP/1, and its requests
//	clientdoor.go the door to it
//	patrol.go     clients that wait: whether they are still there
//	handler.go    the door for what net/http and its relatives speak
//	exchange.go   one request and what became of it; what a door is
//	serve.go      match, decide, count; the order of everything
//	request.go    what is asked for, and the request as the origin gets it
//	forwarded.go  who sent it, by what trusted proxies say, and what the origin is told
//	attempt.go    pick a backend, send, try another where that is safe
//	upstream.go   the connections to one backend
//	body.go       the request's body, sent while the answer comes
//	answer.go     the answer's way back: head, body, trailers
//	upgrade.go    the same once both sides have left HTTP
//	failure.go    what a client is told when it did not work
//
// and below all of these:
//
//	inlet.go      the receiving and the sending side of a connection
//	bound.go      deadlines, moved only now and then
//	memory.go     buffers, held only while there are bytes in them
//	splice.go     bodies that never enter the program
//	leash.go      how another goroutine ends a wait
//	date.go       the Date field
//
// A door knows its protocol and nothing of backends; everything after it knows
// nothing of the protocol. So whatever divvy does to a request, it does
// through every door. The handler's door writes what it gets as HTTP/1.1, which
// is read like any other request: there is one understanding of a message.
//
// # Who runs what
//
// A connection from a client has one goroutine, which does everything for its
// requests, one after the other. A body that did not come with its head has
// another, the pump, for as long as it is sent. The patrol of a port looks after
// clients whose backends take long. All memory of a request is used again when
// it has been observed.
package proxy

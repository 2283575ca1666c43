// Package proxy moves requests from clients to backends and answers back.
//
// # How a request passes through
//
//	server.go     what is listened on, and its changes
//	listener.go   an address, and what is spoken there
//	sockets/      opening it, and handing it over
//	port.go       an open listener and its connections: accept, stop
//	arrival.go    a new connection: TLS, and which protocol it speaks
//	introduction.go  for whom a proxy before us has opened it
//	streams.go    connections that speak HTTP/2
//	packets.go    the half of a port that speaks HTTP/3
//	attendance.go the requests on either, which may outlast a connection
//	client.go     a connection from a client that speaks HTTP/1, and its requests
//	clientdoor.go the door to it
//	patrol.go     clients that wait: whether they are still there
//	handler.go    the door for what net/http and its relatives speak
//	streamend.go  a stream as one end of a tunnel: WebSockets over HTTP/2 and HTTP/3
//	exchange.go   one request and what became of it; what a door is
//	serve.go      match, decide, count; the order of everything
//	peers.go      networks for which something holds
//	request.go    what is asked for, and the request as the origin gets it
//	redirect.go   what should have come by https, and other answers of our own
//	certificate.go  clients that show certificates
//	forwarded.go  who sent it, by what trusted proxies say, and what the origin is told
//	attempt.go    pick a backend, send, try another where that is safe
//	blame.go      whose fault a failure is, and what its backend is told
//	upstream.go   the connections to one backend
//	dial.go       how they are opened, and secured
//	mux.go        those that requests share (HTTP/2)
//	stream.go     a request on one of these, which looks like a connection of its own:
//	              streamrequest.go what is sent, streamanswer.go what comes back
//	body.go       the request's body, sent while the answer comes
//	answer.go     the answer's way back: head, body, trailers
//	upgrade.go    the same once both sides have left HTTP
//	failure.go    what a client is told when it did not work
//	grpc.go       how calls of gRPC end, and what their clients are told
//
// and below all of these:
//
//	inlet.go      the receiving and the sending side of a connection
//	foresight.go  the same below TLS
//	chunker.go    a body from a library, as it is in HTTP/1.1
//	bound.go      deadlines, moved only now and then
//	memory.go     buffers, held only while there are bytes in them
//	splice.go     bodies that never enter the program
//	leash.go      how another goroutine ends a wait
//	date.go       the Date field
//
// A door knows its protocol and nothing of backends; everything after it knows
// nothing of the protocol. So whatever divvy does to a request, it does
// through every door. The handler's door writes what it gets as HTTP/1.1, which
// is read like any other request: there is one understanding of a message. At the
// other end a stream does the same in reverse: it reads the request as it is
// composed, and writes the answer as HTTP/1.1.
//
// # Who runs what
//
// A connection from a client has one goroutine, which does everything for its
// requests, one after the other. A body that did not come with its head has
// another, the pump, for as long as it is sent. The patrol of a port looks after
// clients whose backends take long. All memory of a request is used again when
// it has been observed.
package proxy

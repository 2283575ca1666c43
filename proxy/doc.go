// Package proxy moves requests from clients to backends and answers back.
//
// # How a request passes through
//
//	server.go     listen, accept, stop
//	handler.go    a door: turns what its protocol delivers into an exchange
//	exchange.go   the request, who sent it, what became of it
//	serve.go      match, decide, count; the order of everything
//	forwarded.go  who sent it, by what trusted proxies say, and what the origin is told
//	target.go     what it asks for, byte for byte
//	header.go     which fields pass
//	body.go       the request's body, and whether it can still be sent
//	attempt.go    pick a backend, send, try another where that is safe
//	upstream.go   one request to one backend, and its answer
//	answer.go     the answer's way back: head, body, trailers
//	upgrade.go    the same once both sides have left HTTP
//	failure.go    what a client is told when it did not work
//
// A door knows its protocol and nothing of backends; everything after it knows
// nothing of the protocol. So whatever divvy does to a request, it does
// through every door.
package proxy

// Package proxy moves requests from clients to backends and answers back.
//
// # How a request passes through
//
//	handler.go    a door: turns what its protocol delivers into an exchange
//	exchange.go   the request, who sent it, what became of it
//	serve.go      match, decide, count; the order of everything
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

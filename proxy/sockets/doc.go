// Package sockets opens what is listened on, and hands it over.
//
//	address.go   what an address may look like, and when two are the same
//	listener.go  an open socket
//	set.go       the sockets of a process: opened by it, or given to it
//	given.go     what a process is given, by systemd or by the divvy that it replaces
//	handover.go  what the next divvy is given
//	file.go      the files of unix sockets
//	tcp.go       ports
//	system_*.go  what systems do in their own ways
//
// A socket that is given keeps its queue of connections, whichever process
// accepts from it. That is why a divvy that is replaced hands its sockets over:
// a socket that is closed takes with it what waits in its queue, though another
// listens on the same port.
package sockets

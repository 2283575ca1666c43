// Package certs gets certificates, renews them and hands them to handshakes. It
// alone knows certmagic, which speaks ACME.
//
// # How a host gets its certificate
//
//	config.go     what the section [tls] says
//	manager.go    which hosts want one; the loop that looks at each when it is due
//	order.go      one host: its certificate, its failures, when it is looked at next
//	authority.go  one look at one host: load, staple, obtain or renew; and what is stored
//	internal.go   the authority of our own, for development
//	hook.go       DNS records by a command or a webhook, for wildcards
//	wait.go       how long an authority wants to be left alone
//
// and how it is used:
//
//	files.go      certificates that somebody else makes, in files that are watched
//	shelf.go      all certificates that there are, by name
//	handshake.go  what a handshake gets; certificates on demand
//	challenge.go  what an authority asks while it checks who we are
//	status.go     what is known of each certificate, for people
//
// below these:
//
//	storage.go    the storage of the state, as certmagic has it
//	bridge.go     certmagic's log in ours
//
// # Who decides what
//
// certmagic is used for one look at a time, and never on its own account: its
// cache, its timers and its retries would go on when we have stopped, and do not
// say when they try again. So there is nothing of it that lives: a look opens a
// configuration, loads what is stored, and does what is due. Whether that is
// anything is certmagic's to say (a third of the life is left, the authority's
// renewal information says so, or it was revoked), under its lock in the storage,
// so that all who share the storage have one certificate.
//
// What handshakes are given stays on the shelf whatever fails.
package certs

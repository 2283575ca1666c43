// Package router decides who gets what: which service a request is for, and
// which of its versions answers.
//
// # How a request passes through
//
//	Table.Match(host, path)      -> Service   most specific host, longest path
//	Service.Decide(query)        -> Decision  a version, and the reason
//	    override                    a request that names its version
//	    unit                        header, cookie, query or address, hashed
//	    request                     no unit: the request is its own
//	    failover                    the hash's choice has no usable backend
//
// A Table is an immutable value. It is built anew when services, weights or
// versions change, and swapped as a whole. What changes faster, whether a
// version has a usable backend, is read from its pool.
//
// # How a version is chosen
//
// By weighted rendezvous hashing (Thaler and Ravishankar 1998; weighted as in
// Schindelhauer and Schomaker 2005): each version with weight w draws a number
// h in (0,1) from a hash of the service, the version and the unit, and the
// version with the greatest -w/ln(h) wins. Nothing is stored, any number of
// proxies agree, shares are exact in expectation, and when weights change a
// unit moves only to a version whose weight rose relative to its own.
package router

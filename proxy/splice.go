package proxy

import "errors"

// errNoPipe means that nothing was moved because no pipe could be had, so that
// bytes have to be copied.
var errNoPipe = errors.New("no pipe to splice through")

// spliceLeast is how much of a body must be left for it to be moved within the
// kernel. Below that the two system calls more cost more than copying.
const spliceLeast = 64 << 10

// canSplice reports whether what comes on from can be moved to the other side
// of to without being looked at, and whether that pays.
func canSplice(from, to *inlet, left int64) bool {
	return spliceSupported && left >= spliceLeast && from.raw != nil && to.raw != nil
}

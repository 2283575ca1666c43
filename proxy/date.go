package proxy

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date field of an answer that its origin did not date (RFC 9110
// section 6.6.1), written once a second.
type date struct{ now atomic.Pointer[dated] }

type dated struct {
	second int64
	line   string
}

func (d *date) append(dst []byte) []byte {
	now := time.Now()
	at := d.now.Load()
	if at == nil || at.second != now.Unix() {
		at = &dated{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		d.now.Store(at)
	}
	return append(dst, at.line...)
}

package certs

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// longestWait bounds how long an authority can tell us to wait.
const longestWait = 7 * 24 * time.Hour

// wait is how long an authority wants to be left alone after it refused a
// request: 429 or 503 with Retry-After (RFC 8555 section 6.6). The library drops
// that field with the answer, but for its log, so that is where it is seen.
type wait struct {
	mu    sync.Mutex // guards until
	until time.Time
}

// learn looks whether a line of the log is of such an answer.
func (w *wait) learn(fields []zapcore.Field) {
	var status int64
	var header http.Header
	for _, f := range fields {
		switch f.Key {
		case "status_code":
			status = f.Integer
		case "response_headers":
			header, _ = f.Interface.(http.Header)
		}
	}
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	now := time.Now()
	if until := retryAfter(header.Get("Retry-After"), now); !until.IsZero() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.until = until
	}
}

// end returns the end of the wait, zero if there is none.
func (w *wait) end() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.until
}

// retryAfter reads the field: seconds or a date; zero if it is neither.
func retryAfter(value string, now time.Time) time.Time {
	latest := now.Add(longestWait)
	var until time.Time
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
		until = now.Add(time.Duration(seconds) * time.Second)
	} else if date, err := http.ParseTime(value); err == nil {
		until = date
	}
	if until.After(latest) {
		return latest
	}
	return until
}

package proxy

import (
	"io"
	"net/http"
	"strconv"

	"divvy/proxy/http1"
)

// appendHead appends the head of an answer in HTTP/1.1, but for where its body
// ends. What concerns a connection has no meaning in newer protocols (RFC 9113
// section 8.2.2), and must not be taken for something here.
func appendHead(dst []byte, status int, header map[string][]string) []byte {
	dst = http1.AppendStatusLine(dst, status, http.StatusText(status))
	for name, values := range header {
		switch name {
		case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "Content-Length", "Trailer":
			continue
		}
		for _, v := range values {
			dst = http1.AppendField(dst, name, v)
		}
	}
	return dst
}

// finishHead appends where the body ends, and returns it. rest is what is behind a
// body of known length.
func (s *stream) finishHead(head []byte, res *http.Response) (all []byte, body, rest io.Reader) {
	for name := range res.Trailer {
		head = http1.AppendField(head, "Trailer", name)
	}
	length := strconv.FormatInt(res.ContentLength, 10)
	switch {
	case s.sent.request.Method == http.MethodHead, res.StatusCode == http.StatusNoContent, res.StatusCode == http.StatusNotModified:
		if res.Header["Content-Length"] != nil && res.StatusCode != http.StatusNoContent {
			head = http1.AppendField(head, "Content-Length", length) // of what a GET would have got
		}
		body = http.NoBody
	case res.ContentLength >= 0 && len(res.Trailer) == 0:
		head = http1.AppendField(head, "Content-Length", length)
		body = res.Body
	default:
		head = http1.Body{Framing: http1.Chunks}.Append(head)
		body = &chunker{body: res.Body, trailer: func() http.Header { return res.Trailer }}
	}
	if _, chunked := body.(*chunker); !chunked && res.Body != http.NoBody {
		rest = res.Body
	}
	return http1.AppendEnd(head), body, rest
}

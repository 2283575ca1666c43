package metrics

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendJSON appends o to b as one JSON object on one line. Written by hand
// because it runs for every request: encoding/json would reflect and allocate.
// Empty strings are left out, numbers never are.
//
// No byte of o can end the line or the string that it is in, or reach a
// terminal as a control character.
func appendJSON(b []byte, o *Observation) []byte {
	b = append(b, `{"time":"`...)
	b = o.Start.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	b = appendField(b, `,"service":`, o.Service)
	b = appendField(b, `,"version":`, o.Version)
	b = appendField(b, `,"image":`, o.ImageID)
	b = appendField(b, `,"container":`, o.Container)
	b = appendField(b, `,"backend":`, o.Backend)
	b = appendField(b, `,"reason":`, o.Reason)
	b = append(b, `,"attempts":`...)
	b = strconv.AppendInt(b, int64(o.Attempts), 10)
	b = appendField(b, `,"method":`, o.Method)
	b = appendField(b, `,"host":`, o.Host)
	b = appendField(b, `,"target":`, o.Target)
	b = appendField(b, `,"proto":`, o.Proto)
	b = appendField(b, `,"scheme":`, o.Scheme)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(o.Status), 10)
	b = appendField(b, `,"grpc_status":`, o.GRPC.String())
	b = append(b, `,"request_bytes":`...)
	b = strconv.AppendInt(b, o.RequestBytes, 10)
	b = append(b, `,"response_bytes":`...)
	b = strconv.AppendInt(b, o.ResponseBytes, 10)
	b = append(b, `,"duration_ms":`...)
	b = appendMillis(b, o.Duration)
	b = append(b, `,"first_byte_ms":`...)
	b = appendMillis(b, o.FirstByte)
	if o.Client.IsValid() {
		b = append(b, `,"client":"`...)
		b = appendAddr(b, o.Client)
		b = append(b, '"')
	}
	b = appendField(b, `,"request_id":`, o.RequestID)
	b = appendField(b, `,"user_agent":`, o.UserAgent)
	b = appendField(b, `,"referer":`, o.Referer)
	b = appendField(b, `,"error":`, o.Err)
	return append(b, '}', '\n')
}

// appendCommon appends o to b in the NCSA common log format:
//
//	192.0.2.7 - - [10/Oct/2025:13:55:36 +0000] "GET /a?b=c HTTP/1.1" 200 2326
//
// What is not known is "-". The request is escaped as Apache does it.
func appendCommon(b []byte, o *Observation) []byte {
	if o.Client.IsValid() {
		b = appendAddr(b, o.Client)
	} else {
		b = append(b, '-')
	}
	b = append(b, " - - ["...)
	b = o.Start.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	if o.Method == "" && o.Target == "" {
		b = append(b, '-')
	} else {
		b = appendEscaped(b, o.Method)
		b = append(b, ' ')
		b = appendEscaped(b, o.Target)
		b = append(b, ' ')
		b = appendEscaped(b, o.Proto)
	}
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(o.Status), 10)
	b = append(b, ' ')
	if o.ResponseBytes > 0 {
		b = strconv.AppendInt(b, o.ResponseBytes, 10)
	} else {
		b = append(b, '-')
	}
	return append(b, '\n')
}

// appendAddr appends an address without its zone: a zone is any text that
// somebody put into a header, and says nothing to who reads the log.
func appendAddr(b []byte, a netip.Addr) []byte {
	return a.WithZone("").AppendTo(b)
}

// appendMillis appends d in milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	micros := max(d, 0).Microseconds()
	b = strconv.AppendInt(b, micros/1000, 10)
	micros %= 1000
	return append(b, '.', byte('0'+micros/100), byte('0'+micros/10%10), byte('0'+micros%10))
}

// appendField appends key, which holds its punctuation, and value as a JSON
// string; nothing if value is empty.
func appendField(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(append(b, key...), value)
}

const hex = "0123456789abcdef"

// appendQuoted appends s as a JSON string. As encoding/json does it, every byte
// that is not UTF-8 becomes U+FFFD, and U+2028 and U+2029 are escaped because
// JavaScript takes them for line ends. DEL and the C1 controls are escaped
// too: U+009B starts a terminal's escape sequence.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0 // of what is not appended yet and needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if r > 0x9f && r != '\u2028' && r != '\u2029' && (r != utf8.RuneError || size > 1) {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch r {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// appendEscaped appends s with quotes, backslashes and everything that is not
// printable ASCII escaped, so that it neither ends its field nor its line.
func appendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c < ' ', c >= 0x7f:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

package http1

import (
	"bytes"
	"cmp"
	"math"
)

// Limits bound a head. Zero stands for the default.
type Limits struct {
	Target int // bytes of the request target; 16 KiB
	Fields int // number of fields; 128
	Head   int // bytes of start line and fields; 64 KiB
}

func (l *Limits) target() int { return cmp.Or(l.Target, 16<<10) }
func (l *Limits) head() int   { return min(cmp.Or(l.Head, 64<<10), math.MaxInt32) }
func (l *Limits) fields() int { return min(cmp.Or(l.Fields, 128), math.MaxUint16) }

// scan is how far a head has been read. It is read line by line, as they
// arrive, so that no byte is searched twice however the head is cut up, and so
// that what is wrong is refused before the rest has come.
type scan struct {
	begun bool // the start line has been read
	pos   int  // where the next line begins
	seen  int  // how far that line has been searched for its end
}

// line returns where the line that begins at pos has its CRLF, -1 if that has
// not come. The line must end in the first limit bytes, or the error is tooLong.
func (s *scan) line(buf []byte, limit int, tooLong error) (cr int, err error) {
	i := bytes.IndexByte(buf[s.seen:], '\n')
	lf := s.seen + i
	switch {
	case i < 0 && len(buf) < limit:
		s.seen = len(buf)
		return -1, nil
	case i < 0 || lf >= limit:
		return 0, tooLong
	case lf == s.pos || buf[lf-1] != '\r':
		return 0, malformed("a line ends with a bare LF") // RFC 9112 section 2.2
	}
	return lf - 1, nil
}

// next makes the line after the one that ends with a CRLF at cr the current one.
func (s *scan) next(cr int) { s.pos, s.seen = cr+2, cr+2 }

// fields reads lines into f up to the empty one, and returns where that ends, 0
// if it has not come.
func (s *scan) fields(f *Fields, buf []byte, limits *Limits) (n int, err error) {
	f.buf = buf
	limit, most := limits.head(), limits.fields()
	for {
		cr, err := s.line(buf, limit, errHead)
		switch {
		case cr < 0 || err != nil:
			return 0, err
		case cr == s.pos:
			return cr + 2, nil
		case len(f.lines) == most:
			return 0, errFields
		}
		if err := f.add(buf, s.pos, cr); err != nil {
			return 0, err
		}
		s.next(cr)
	}
}

var (
	errHead   = &fault{class: ErrHeaderTooLarge, text: "too many bytes"}
	errFields = &fault{class: ErrHeaderTooLarge, text: "too many fields"}
	errTarget = &fault{class: ErrTargetTooLong, text: "the request line does not end"}
)

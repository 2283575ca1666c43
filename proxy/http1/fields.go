package http1

import (
	"bytes"
	"iter"
)

// Fields are the fields of one head, or trailers, in the order in which they
// came. Names keep their case; looking one up ignores it.
type Fields struct {
	buf   []byte // what the offsets below are offsets in
	lines []line

	first [kinds]uint16 // index of the first field of a kind, if there is one
	count [kinds]uint16
}

// line is one field: buf[start:colon] is its name, buf[value:valueEnd] its
// value, buf[start:end] the whole line with its end.
type line struct {
	start, colon, value, valueEnd, end uint32

	kind  kind
	omit  bool // not passed on
	plain bool // "Name: value" CRLF, so that it can be copied as it is
}

func (f *Fields) reset() {
	f.buf, f.lines = nil, f.lines[:0]
	f.first, f.count = [kinds]uint16{}, [kinds]uint16{}
}

// Len returns the number of fields.
func (f *Fields) Len() int { return len(f.lines) }

// Name returns the name of field i.
func (f *Fields) Name(i int) []byte {
	l := &f.lines[i]
	return f.buf[l.start:l.colon:l.colon]
}

// Value returns the value of field i, without the whitespace around it.
func (f *Fields) Value(i int) []byte {
	l := &f.lines[i]
	return f.buf[l.value:l.valueEnd:l.valueEnd]
}

// Omitted reports whether [Fields.Append] leaves field i out.
func (f *Fields) Omitted(i int) bool { return f.lines[i].omit }

// Get returns the value of the first field with a name, nil if there is none.
// A value that is empty is not nil.
func (f *Fields) Get(name string) []byte {
	for i := range f.lines {
		if f.is(i, name) {
			return f.Value(i)
		}
	}
	return nil
}

// Passes reports whether [Fields.Append] appends a field with a name.
func (f *Fields) Passes(name string) bool {
	for i := range f.lines {
		if !f.lines[i].omit && f.is(i, name) {
			return true
		}
	}
	return false
}

// Count returns the number of fields with a name.
func (f *Fields) Count(name string) int {
	n := 0
	for i := range f.lines {
		if f.is(i, name) {
			n++
		}
	}
	return n
}

// Values yields the values of all fields with a name.
func (f *Fields) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range f.lines {
			if f.is(i, name) && !yield(f.Value(i)) {
				return
			}
		}
	}
}

// All yields the names and values of all fields, those that are left out
// included.
func (f *Fields) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := range f.lines {
			if !yield(f.Name(i), f.Value(i)) {
				return
			}
		}
	}
}

// Omit makes [Fields.Append] leave out all fields with a name, for somebody
// who replaces them, and returns how many there are.
func (f *Fields) Omit(name string) int {
	n := 0
	for i := range f.lines {
		if f.is(i, name) {
			f.lines[i].omit = true
			n++
		}
	}
	return n
}

// OmitAt makes [Fields.Append] leave out field i.
func (f *Fields) OmitAt(i int) { f.lines[i].omit = true }

func (f *Fields) is(i int, name string) bool {
	l := &f.lines[i]
	return int(l.colon-l.start) == len(name) && EqualFold(f.buf[l.start:l.colon], name)
}

// add takes in the field in buf[start:cr], which ends before the CRLF at cr.
func (f *Fields) add(buf []byte, start, cr int) error {
	colon := start
	for class[buf[colon]]&token != 0 {
		colon++ // ends at the CR, if not before
	}
	if colon == start || buf[colon] != ':' {
		return badName(buf[start:cr], colon-start)
	}
	value, end := colon+1, cr
	for value < end && isSpace(buf[value]) {
		value++
	}
	for value < end && isSpace(buf[end-1]) {
		end--
	}
	if !isText(buf[value:end]) {
		return badValue(buf[start:colon], buf[value:end])
	}
	k := kindOf(buf[start:colon])
	if k != ordinary {
		if f.count[k] == 0 {
			f.first[k] = uint16(len(f.lines))
		}
		f.count[k]++
	}
	f.lines = append(f.lines, line{
		start: uint32(start), colon: uint32(colon), value: uint32(value), valueEnd: uint32(end), end: uint32(cr + 2),
		kind: k, omit: k.omitted(), plain: value == colon+2 && buf[colon+1] == ' ' && end == cr,
	})
	return nil
}

// badName says what is wrong with a line whose name ends at i, but not with a
// colon.
func badName(line []byte, i int) error {
	switch {
	case isSpace(line[0]):
		return malformed("a line begins with whitespace") // obs-fold, RFC 9112 sections 2.2 and 5.2
	case line[0] == ':':
		return malformed("a field has no name")
	case i < len(line) && isSpace(line[i]):
		return malformedAt("whitespace in or after the name of field", line[:i]) // section 5.1
	case i == len(line):
		return malformedAt("no colon in line", line)
	default:
		return malformedAt("not a field name:", line)
	}
}

// badValue says what is wrong with a value that is not text.
func badValue(name, value []byte) error {
	if bytes.IndexByte(value, '\r') >= 0 {
		return malformedAt("bare CR in field", name) // section 2.2
	}
	return malformedAt("control character in field", name) // RFC 9110 section 5.5
}

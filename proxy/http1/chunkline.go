package http1

import (
	"bytes"
	"math"
)

// MaxChunkLine bounds the line before a chunk: size, extensions, CRLF.
const MaxChunkLine = 256

// maxExtensions bounds the chunk extensions of one body in bytes. They are
// dropped, so whoever sends many makes work for nothing.
const maxExtensions = 16 << 10

// chunkLine is the line before a chunk (RFC 9112 section 7.1). in[digits:ext]
// is the size without superfluous zeros, in[ext:end-2] the extensions.
type chunkLine struct {
	size             int64
	digits, ext, end int
}

// parseChunkLine reads the line that in begins with. end is 0 if it is not
// complete.
func parseChunkLine(in []byte) (l chunkLine, err error) {
	lf := bytes.IndexByte(in[:min(len(in), MaxChunkLine)], '\n')
	switch {
	case lf < 0 && len(in) >= MaxChunkLine:
		return l, malformed("the line before a chunk is too long")
	case lf < 0:
		return l, nil
	case lf == 0 || in[lf-1] != '\r':
		return l, malformed("the line before a chunk ends with a bare LF")
	}
	line := in[:lf-1]
	i := 0
	var size uint64
	for ; i < len(line) && class[line[i]]&hex != 0; i++ {
		if i == 16 {
			return l, malformed("chunk size of more than 16 digits")
		}
		size = size<<4 | uint64(hexValue(line[i]))
		if size == 0 && i+1 < len(line) && class[line[i+1]]&hex != 0 {
			l.digits = i + 1
		}
	}
	switch {
	case i == 0:
		return l, malformedAt("not a chunk size:", line)
	case size > math.MaxInt64:
		return l, malformedAt("chunk size too large:", line[:i])
	}
	if err := checkExtensions(line[i:]); err != nil {
		return l, err
	}
	l.size, l.ext, l.end = int64(size), i, lf+1
	return l, nil
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&0xf + 9
}

// checkExtensions checks the syntax of chunk extensions (RFC 9112 section
// 7.1.1): *( ";" name [ "=" ( token / quoted-string ) ] ). The whitespace that
// the grammar calls bad is refused: net/http and llhttp do so behind the size,
// and where it ends is what recipients disagree about.
func checkExtensions(b []byte) error {
	for len(b) > 0 {
		if b[0] != ';' {
			return malformedAt("not a chunk size or extension:", b)
		}
		name := tokenEnd(b, 1)
		if name == 1 {
			return malformed("a chunk extension has no name")
		}
		if b = b[name:]; len(b) == 0 || b[0] != '=' {
			continue
		}
		end := tokenEnd(b, 1)
		if len(b) > 1 && b[1] == '"' {
			end = quotedEnd(b, 1)
		}
		if end <= 1 {
			return malformed("invalid value of a chunk extension")
		}
		b = b[end:]
	}
	return nil
}

// tokenEnd returns where the token that begins at i ends.
func tokenEnd(b []byte, i int) int {
	for i < len(b) && class[b[i]]&token != 0 {
		i++
	}
	return i
}

// quotedEnd returns where the quoted string that begins at i ends, 0 if it
// does not.
func quotedEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\' && i+1 < len(b) && class[b[i+1]]&text != 0:
			i++
		case class[c]&quoted == 0:
			return 0
		}
	}
	return 0
}

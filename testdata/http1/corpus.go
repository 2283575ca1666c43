// Package corpus reads the hostile messages that lie beside it. Its README
// explains their format.
package corpus

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"
)

//go:embed *.txt
var files embed.FS

// Message is one message, or several in a row.
type Message struct {
	At     string // file and line
	Name   string
	Source string
	Answer bool   // else a request
	Method string // that an answer answers
	Expect string
	Raw    []byte
	Passed []byte // what is passed on
}

// Messages reads the whole corpus.
func Messages(tb testing.TB) (all []*Message) {
	tb.Helper()
	names, err := fs.Glob(files, "*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		var m *Message
		lines := bufio.NewScanner(bytes.NewReader(text))
		for n := 1; lines.Scan(); n++ {
			at := fmt.Sprintf("%s:%d", name, n)
			if name, ok := strings.CutPrefix(lines.Text(), "== "); ok {
				m = &Message{At: at, Name: name, Method: "GET"}
				all = append(all, m)
			} else if err := m.line(lines.Text()); err != nil {
				tb.Fatalf("%s: %v", at, err)
			}
		}
	}
	return all
}

func (m *Message) line(line string) error {
	key, text, _ := strings.Cut(line, " ")
	switch key {
	case "", "#", "note:":
	case "source:":
		m.Source = text
	case "from:":
		m.Answer = text == "origin"
	case "to:":
		m.Method = text
	case "expect:":
		m.Expect = text
	case "|", ">", "*":
		times := 1
		if key == "*" {
			var count string
			var err error
			count, text, _ = strings.Cut(text, " ")
			if times, err = strconv.Atoi(count); err != nil {
				return err
			}
		}
		b, err := unescape(text)
		if err != nil {
			return err
		}
		into := &m.Raw
		if key == ">" {
			into = &m.Passed
		}
		*into = append(*into, bytes.Repeat(b, times)...)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

func unescape(s string) (b []byte, err error) {
	for s != "" {
		r, multi, rest, err := strconv.UnquoteChar(s, 0)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		if s = rest; multi {
			b = append(b, string(r)...)
		} else {
			b = append(b, byte(r))
		}
	}
	return b, nil
}

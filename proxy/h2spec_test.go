package proxy

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// unlike are the cases of h2spec in which something else is done, and why.
var unlike = map[string]string{
	"Sends invalid connection preface":                                                               "in clear, HTTP/1.1 is spoken at the same address, and says 400",
	"Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                          "net/http takes a setting that is there twice for an attack",
	"Sends a HEADERS frame that contains the connection-specific header field":                       "net/http answers 400",
	"Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "net/http answers 400",
}

var failedCase = regexp.MustCompile(`(?m)× \d+: (.*)$`)

// It needs the program h2spec, which $H2SPEC names: .ci/run has it.
func TestHTTP2IsSpokenByTheBook(t *testing.T) {
	program := os.Getenv("H2SPEC")
	if program == "" {
		t.Skip("$H2SPEC does not name the program h2spec")
	}
	for _, open := range []func(*harness){openH2C, openHTTP2} {
		door := newHarness(t, open)
		door.origin("v1", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1000)) })
		host, port, _ := net.SplitHostPort(door.addr)
		args := []string{"-h", host, "-p", port, "--timeout", "5"}
		if door.secure {
			args = append(args, "-t", "-k")
		}
		out, _ := exec.CommandContext(t.Context(), program, args...).CombinedOutput() // which fails if any case does
		if !strings.Contains(string(out), "145 tests, ") {
			t.Fatalf("it did not run to its end:\n%s", out)
		}
		for _, m := range failedCase.FindAllStringSubmatch(string(out), -1) {
			if unlike[strings.TrimSpace(m[1])] == "" {
				t.Errorf("%s", m[0])
			}
		}
	}
}

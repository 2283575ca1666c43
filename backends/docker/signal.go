package docker

import (
	"slices"
	"strconv"
	"strings"
)

// defaultStopSignal is what the engine sends where neither image nor container
// name another signal.
const defaultStopSignal = "SIGTERM"

// stops reports whether sent, the signal of a kill event, asks a container to
// end whose own stop signal is own. Many signals do not: HUP reloads, USR1
// reopens logs, and a container that got one must keep its traffic.
//
// A signal that is missing or not understood counts as a stop: an engine that
// does not say which one it sent (Podman) sends few others, and draining too
// much is mended by the next restart, while draining too little loses requests.
func stops(sent, own string) bool {
	s, ok := signalNumber(sent)
	if !ok {
		return true
	}
	o, _ := signalNumber(own)
	return s == o || slices.Contains([]int{2, 3, 9, 15}, s) // INT, QUIT, KILL, TERM
}

// signalNumber reads a signal as the engine and its users write it: "15",
// "SIGTERM", "term", "RTMIN+3". The numbers are those of Linux on amd64 and
// arm64.
func signalNumber(text string) (int, bool) {
	if n, err := strconv.Atoi(text); err == nil {
		return n, n > 0
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if offset, ok := strings.CutPrefix(name, "RTMIN"); ok {
		return realTime(34, offset)
	}
	if offset, ok := strings.CutPrefix(name, "RTMAX"); ok {
		return realTime(64, offset)
	}
	i := slices.Index(strings.Fields(linuxSignals), name)
	return i + 1, i >= 0
}

// linuxSignals are the names of the signals 1, 2, 3 and so on.
const linuxSignals = `HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT
	CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS`

// realTime reads what follows RTMIN or RTMAX: nothing, "+3" or "-3".
func realTime(base int, offset string) (int, bool) {
	if offset == "" {
		return base, true
	}
	n, err := strconv.Atoi(offset)
	return base + n, err == nil
}

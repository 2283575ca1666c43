package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Event is something that changed.
type Event struct {
	ID      uint64          `json:"id"`
	Kind    string          `json:"kind"` // "edit", "backend", "config", "problem", "verdict", "lost"
	Time    time.Time       `json:"time"`
	Service string          `json:"service,omitempty"`
	Data    json.RawMessage `json:"data"`
}

// Bounds of the stream of events.
const (
	maxListeners = 64
	kept         = 256 // events for those who come back
	heartbeat    = 15 * time.Second
	eventTime    = 10 * time.Second // for a listener to take one
)

// Events passes on what changes to whoever listens. Its zero value works.
type Events struct {
	mu        sync.Mutex // guards the fields below
	last      uint64
	recent    []Event // the latest, with consecutive numbers
	listeners []chan struct{}
}

// Publish tells of a change. It does not block: who is too slow misses what is
// older than the last 256 events, and is told so.
func (e *Events) Publish(kind, service string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		return // only what cannot be encoded at all
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	e.recent = append(e.recent, Event{ID: e.last, Kind: kind, Time: time.Now().UTC(), Service: service, Data: text})
	if len(e.recent) > 2*kept {
		e.recent = slices.Clone(e.recent[len(e.recent)-kept:])
	}
	for _, l := range e.listeners {
		select {
		case l <- struct{}{}:
		default:
		}
	}
}

// listen returns a channel that receives a value after there is something new,
// and what ends that; nil if there are too many listeners.
func (e *Events) listen() (news <-chan struct{}, stop func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.listeners) >= maxListeners {
		return nil, nil
	}
	l := make(chan struct{}, 1)
	e.listeners = append(e.listeners, l)
	return l, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.listeners = slices.DeleteFunc(e.listeners, func(o chan struct{}) bool { return o == l })
	}
}

// since returns the events after one, and whether some of them are lost. A
// number that there was not yet is that of another run of the program.
func (e *Events) since(id uint64) (events []Event, now uint64, lost bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	first := e.last - uint64(len(e.recent)) + 1
	switch {
	case id > e.last:
		return nil, e.last, true
	case id+1 < first:
		return slices.Clone(e.recent), e.last, true
	}
	return slices.Clone(e.recent[id+1-first:]), e.last, false
}

// events is the stream, as server-sent events (WHATWG HTML section 9.2). It
// begins with what happens from now on or, with Last-Event-ID, with what has
// happened since then. An event "lost" says that there was more than is known.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	news, stop := s.Events.listen()
	if news == nil {
		s.send(w, http.StatusServiceUnavailable, problem{Error: fmt.Sprintf("there are %d listeners already", maxListeners)})
		return
	}
	defer stop()
	ending := r.Context().Value(endingKey{}).(chan struct{})
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	write := func(format string, args ...any) bool {
		_ = control.SetWriteDeadline(time.Now().Add(eventTime)) // or it is ended with the server's
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	_ = control.SetReadDeadline(time.Time{})
	_, at, _ := s.Events.since(0)
	if last, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		at = last
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for ok := write(": divvy\n\n"); ok; {
		events, now, lost := s.Events.since(at)
		at = now
		if lost {
			ok = write("id: %d\nevent: lost\ndata: {\"id\": %d, \"kind\": \"lost\", \"time\": %q, \"data\": {}}\n\n", now, now, time.Now().UTC().Format(time.RFC3339Nano))
		}
		for _, e := range events {
			text, _ := json.Marshal(e)
			ok = ok && write("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, text)
		}
		if !ok {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-ending:
			return
		case <-news:
		case <-beat.C:
			ok = write(": still here\n\n")
		}
	}
}

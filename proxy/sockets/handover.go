package sockets

import (
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Handover is what a process is started with that is to replace this one.
type Handover struct {
	Files []*os.File // from descriptor 3 on
	Env   []string
}

// Handover returns the sockets that are open, for another process that has a
// channel to this one. Close gives them back after that has started.
func (s *Set) Handover(channel *os.File) (*Handover, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := &Handover{}
	var labels []string
	for name, c := range s.sources() {
		f, err := duplicate(c, name)
		if err != nil {
			h.Close()
			return nil, fmt.Errorf("handing %s over: %w", name, err)
		}
		h.Files = append(h.Files, f)
		labels = append(labels, url.QueryEscape(name))
	}
	h.Env = append(os.Environ(),
		fmt.Sprintf("LISTEN_FDS=%d", len(h.Files)),
		"LISTEN_FDNAMES="+strings.Join(labels, ":"),
		fmt.Sprintf("%s=%d", channelVariable, 3+len(h.Files)),
	)
	own, err := duplicate(channel, "channel")
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("handing the channel over: %w", err)
	}
	h.Files = append(h.Files, own)
	return h, nil
}

// Close closes the files.
func (h *Handover) Close() {
	for _, f := range h.Files {
		f.Close()
	}
}

// HandedOver notes that another process has the sockets now, and the files of unix
// sockets with them.
func (s *Set) HandedOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed = true
}

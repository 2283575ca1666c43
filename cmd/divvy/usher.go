package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// usher lets clients in when the program knows what there is. They wait where there
// is somebody who keeps them: systemd, or the divvy that is replaced, which serves
// them until then. To others it makes no difference.
//
//	predecessor                     usher
//	   │  starts the process          │
//	   │ <──── what is waited for ─── │  any number of lines, for people
//	   │ <──── "ready" ────────────── │
//	   │ ───── "go" ────────────────> │  accepts; the predecessor accepts no more
type usher struct {
	program     *program
	predecessor *os.File // a channel to it; nil if there is none
	held        bool     // clients wait
}

// Words of that conversation.
const (
	wordReady = "ready"
	wordGo    = "go"
)

// Bounds of the wait.
const (
	lookInside = 20 * time.Millisecond // how often it is looked whether it is over
	enoughTime = 10 * time.Second      // for backends to be tried; after that they are served from as they are
)

// newUsher returns one for a program that listens nowhere yet.
func newUsher(p *program, predecessor *os.File) *usher {
	u := &usher{program: p, predecessor: predecessor, held: p.sockets.Activated()}
	if u.held {
		p.sockets.Hold()
	}
	return u
}

// Run waits until the program is ready, lets clients in, and tells systemd.
func (u *usher) Run(ctx context.Context) error {
	if !u.await(ctx) || !u.relieve(ctx) {
		return nil
	}
	if err := u.program.sockets.Settle(); err != nil {
		u.program.log.Warn("look at this", "problem", oneLine(err))
	}
	if u.held {
		u.program.sockets.Release()
	}
	u.program.notify(fmt.Sprintf("MAINPID=%d\n%s", os.Getpid(), daemon.SdNotifyReady))
	<-ctx.Done()
	if !u.program.retired.Load() {
		u.program.notify(daemon.SdNotifyStopping)
	}
	return nil
}

// await returns when the program is ready, and reports whether it is.
func (u *usher) await(ctx context.Context) bool {
	tick := time.NewTicker(lookInside)
	defer tick.Stop()
	late := time.After(enoughTime)
	said := ""
	for enough := false; ; {
		reason, must := u.program.unready()
		if reason == "" || enough && (!must || u.predecessor == nil) {
			return true
		}
		if u.predecessor != nil && reason != said {
			fmt.Fprintln(u.predecessor, reason)
			said = reason
		}
		select {
		case <-ctx.Done():
			return false
		case <-late:
			enough = true
		case <-tick.C:
		}
	}
}

// relieve tells the predecessor that it can go, and waits until it does. If it is
// gone already, nobody else is there.
func (u *usher) relieve(ctx context.Context) bool {
	if u.predecessor == nil {
		return true
	}
	defer u.predecessor.Close()
	defer context.AfterFunc(ctx, func() { _ = u.predecessor.SetReadDeadline(time.Unix(1, 0)) })()
	fmt.Fprintln(u.predecessor, wordReady)
	_, _ = bufio.NewReader(u.predecessor).ReadString('\n') // wordGo, or its end
	return ctx.Err() == nil
}

// unready returns what has to be known yet before the first request, "" for nothing.
// Who takes over from a divvy that knows its engines must know them, too; of its
// backends, those that cannot be tried are not waited for.
func (p *program) unready() (reason string, must bool) {
	if names := p.engines.unlisted(); len(names) > 0 {
		return "waiting for docker: " + strings.Join(names, ", "), true
	}
	p.rebuild() // of what the engines have just told
	if n := p.registry.Unheard(); n > 0 {
		return fmt.Sprintf("waiting for %d backends to be tried", n), false
	}
	return "", false
}

// notify tells systemd, if it wants to know.
func (p *program) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		p.log.Warn("telling systemd", "state", strings.ReplaceAll(state, "\n", " "), "err", err)
	}
}

// oneLine returns an error without line breaks.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

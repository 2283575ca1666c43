package main

import (
	"strings"
	"testing"
	"time"

	"divvy/cmd/internal/admin"
	"divvy/testdata/private"
)

// TestTheRestartOfAnEngineUnderLoad prints, with -v, what became of the requests
// while the engine was restarted, with live-restore: its containers run on, and
// nobody notices but divvy, which hears of them again once the engine is back.
func TestTheRestartOfAnEngineUnderLoad(t *testing.T) {
	t.Parallel()
	if !private.Apart(t) {
		return
	}
	e := private.Start(t, "--live-restore")
	happen(t, newLives(t), []happening{
		{name: "daemon restart with live-restore", harmless: true, do: func(l *life) {
			e.End(t)
			await(t, "the loss to be noticed", func() bool { return !l.host().Up })
			l.forAWhile()
			e.Begin(t)
			await(t, "the engine to be found again", func() bool { return l.host().Up })
			l.await(2)
		}},
		{name: "`docker stop` after it, then start", do: func(l *life) {
			l.must(l.Stop(t.Context(), l.ids[0], 10*time.Second))
			if said := l.log.String(); !strings.Contains(said, "stop signal 15 was sent") {
				t.Errorf("the application %s: its stop signal was not heard", l.kind)
			}
			l.forAWhile()
			l.must(l.Start(t.Context(), l.ids[0]))
			l.await(2)
		}},
	})
}

// host returns what divvy says of the only engine.
func (l *life) host() admin.Host { return l.program.status().Docker[0] }

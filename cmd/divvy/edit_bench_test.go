package main

import (
	"log/slog"
	"testing"

	"divvy/router"
	"divvy/router/state"
)

// BenchmarkEdit measures one edit after the other, from the door to the storage
// and the table.
func BenchmarkEdit(b *testing.B) {
	c := quiet()
	c.Docker.Enabled = false
	c.State.Directory = b.TempDir()
	p := newProgram(slog.New(slog.DiscardHandler), new(slog.LevelVar), c)
	if err := p.open(b.Context()); err != nil {
		b.Fatal(err)
	}
	p.config = c
	p.services = []router.Config{{Name: "shop"}}
	n := 0
	for b.Loop() {
		n++
		if _, err := (control{p}).Edit("shop", state.Edit{Kind: state.Weights, Weights: map[string]int{"v1": 1 + n%1000}, Absent: true}, false); err != nil {
			b.Fatal(err)
		}
	}
}

//go:build !unix

package main

import "context"

// replacer does nothing where sockets cannot be handed over.
type replacer struct{}

func newReplacer(*program, context.Context, func()) *replacer { return new(replacer) }

// Run waits until ctx ends.
func (*replacer) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

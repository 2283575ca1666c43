package certs

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"divvy/router/state"

	"github.com/caddyserver/certmagic"
)

// storage is the storage of the state as certmagic has it. Keys are the same;
// certmagic makes them of the characters that are allowed. Its names of locks are
// not.
type storage struct{ state.Storage }

var _ certmagic.Storage = storage{}

// Stat implements certmagic.Storage.
func (s storage) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info, err := s.Storage.Stat(ctx, key)
	return certmagic.KeyInfo(info), err
}

// Lock implements certmagic.Locker.
func (s storage) Lock(ctx context.Context, name string) error {
	return s.Storage.Lock(ctx, lockName(name))
}

// Unlock implements certmagic.Locker.
func (s storage) Unlock(ctx context.Context, name string) error {
	return s.Storage.Unlock(ctx, lockName(name))
}

// lockName returns the name of a lock as it is stored. A storage may keep
// something of each name for ever. So hosts have one each, while the locks for
// renewal information, of which each certificate would have its own, are a few;
// nobody holds two of those.
func lockName(name string) string {
	if strings.HasPrefix(name, "ari_") {
		h := fnv.New32a()
		h.Write([]byte(name))
		name = fmt.Sprintf("ari_%d", h.Sum32()%16)
	}
	return "locks/" + certmagic.StorageKeys.Safe(name)
}

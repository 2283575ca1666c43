package state

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
)

// Where a secret lies in its storage, and what is locked to make it.
const (
	secretKeyName  = "hash-key"
	secretLockName = "hash-key"
)

// Secret returns 32 random bytes that are the same for all who share a storage, now
// and later: a key for hashes that are compared. The first to ask makes them. It may
// block for as long as the storage takes. What lies there and is none is left as it
// is, with an error.
func Secret(ctx context.Context, s Storage, where string) (secret []byte, err error) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	if secret, err = loadSecret(ctx, s, where); !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := s.Lock(ctx, secretLockName); err != nil {
		return nil, fmt.Errorf("the key of hashes in %s: %w", where, err)
	}
	defer func() { err = errors.Join(err, s.Unlock(context.WithoutCancel(ctx), secretLockName)) }()
	if secret, err = loadSecret(ctx, s, where); !errors.Is(err, fs.ErrNotExist) {
		return secret, err // another was faster
	}
	secret = make([]byte, secretSize)
	rand.Read(secret) // it cannot fail
	if err := s.Store(ctx, secretKeyName, secret); err != nil {
		return nil, fmt.Errorf("the key of hashes in %s: %w", where, err)
	}
	return secret, nil
}

func loadSecret(ctx context.Context, s Storage, where string) ([]byte, error) {
	secret, err := s.Load(ctx, secretKeyName)
	if err != nil {
		return nil, fmt.Errorf("the key of hashes in %s: %w", where, err)
	}
	if len(secret) != secretSize {
		return nil, fmt.Errorf("the key of hashes in %s: %s: it is damaged: it has %d bytes, not %d; it is left as it is: restore it from a copy, or remove it", where, secretKeyName, len(secret), secretSize)
	}
	return secret, nil
}

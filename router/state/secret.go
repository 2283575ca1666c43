package state

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// The key of fingerprints is not in the document, which people may look at and copy.
const (
	fingerprintKey  = "fingerprint-key.json"
	fingerprintLock = "fingerprint-key"
)

// secretFile is how a secret is stored.
type secretFile struct {
	Format int    `json:"format"`
	Secret []byte `json:"secret"`
}

// FingerprintKey returns the key of the hashes by which configurations are compared,
// the same for all who share the storage, and makes it if there is none. Whoever has
// it and sees a hash can try what a variable was set to, so it goes nowhere else. One
// that is damaged is replaced: then damage says what was wrong with it.
func FingerprintKey(ctx context.Context, s Storage) (key []byte, damage, err error) {
	ctx, stop := context.WithTimeout(ctx, storageTime)
	defer stop()
	if key, damage, err = loadSecret(ctx, s); err != nil || key != nil {
		return key, damage, err
	}
	if err := s.Lock(ctx, fingerprintLock); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Unlock(context.WithoutCancel(ctx), fingerprintLock)) }()
	if key, damage, err = loadSecret(ctx, s); err != nil || key != nil {
		return key, damage, err // another was faster
	}
	key = make([]byte, secretSize)
	rand.Read(key) // it cannot fail
	data, err := json.Marshal(secretFile{Format, key})
	if err == nil {
		err = s.Store(ctx, fingerprintKey, data)
	}
	return key, damage, err
}

// loadSecret returns the key that is stored, nil if there is none that can be used.
func loadSecret(ctx context.Context, s Storage) (key []byte, damage, err error) {
	data, err := s.Load(ctx, fingerprintKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	f := secretFile{}
	if err := unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", fingerprintKey, err), nil
	}
	if len(f.Secret) < secretSize {
		return nil, fmt.Errorf("%s: it is damaged: its secret has %d bytes, not %d", fingerprintKey, len(f.Secret), secretSize), nil
	}
	return f.Secret, nil, nil
}

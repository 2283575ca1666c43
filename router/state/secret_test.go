package state

import (
	"bytes"
	"strings"
	"sync"
	"testing"
)

func TestASecretIsMadeOnceForAll(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	var mu sync.Mutex
	var all [][]byte
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			secret, err := Secret(t.Context(), &Directory{Path: path}, path)
			if err != nil || len(secret) != secretSize {
				t.Errorf("got %x, %v", secret, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, secret)
		})
	}
	wg.Wait()
	for _, secret := range all {
		if !bytes.Equal(secret, all[0]) {
			t.Errorf("there are two: %x and %x", secret, all[0])
		}
	}
}

func TestASecretThatIsDamagedIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	d := &Directory{Path: t.TempDir()}
	mustStore(t, d, secretKeyName, []byte("short"))
	if secret, err := Secret(t.Context(), d, "the folder"); err == nil || !strings.HasPrefix(err.Error(), "the key of hashes in the folder: hash-key: it is damaged: it has 5 bytes, not 32;") {
		t.Errorf("got %x, %v", secret, err)
	}
	if got := string(mustLoad(t, d, secretKeyName)); got != "short" {
		t.Errorf("it is %q now", got)
	}
}

package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
)

var (
	oldKey = Key{"0LD0", []byte("the secret that was used before, of 32 bytes")}
	newKey = Key{"NEW1", []byte("the secret that is used from now on, likewise")}
)

// signature computes a signature as the comments say it is.
func signature(secret []byte, purpose, service, text string) string {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "%s\x00%s\x00%s", purpose, service, text)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// A browser keeps a signature for longer than divvy runs, and other proxies
// read it.
func TestASignatureIsWhatItWas(t *testing.T) {
	t.Parallel()
	r := NewKeyring([]Key{newKey})
	want := "some.text.NEW1." + signature(newKey.Secret, "purpose", "shop", "some.text.NEW1")
	if got := r.sign("purpose", "shop", "some.text"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTheFirstKeySignsAndEveryKeyIsKnown(t *testing.T) {
	t.Parallel()
	before, rotated, after := NewKeyring([]Key{oldKey}), NewKeyring([]Key{newKey, oldKey}), NewKeyring([]Key{newKey})
	byOld, byNew := before.sign("p", "shop", "text"), rotated.sign("p", "shop", "text")
	f := func(why string, r *Keyring, value string, newest, ok bool) {
		t.Helper()
		text, gotNewest, gotOK := r.verify("p", "shop", value)
		if gotNewest != newest || gotOK != ok || (text == "text") != ok {
			t.Errorf("%s: got %q, %v, %v, want %v, %v", why, text, gotNewest, gotOK, newest, ok)
		}
	}
	f("its own", before, byOld, true, true)
	f("the new one's, where it is not known yet", before, byNew, false, false)
	f("the old one's after the rotation", rotated, byOld, false, true)
	f("the new one's after the rotation", rotated, byNew, true, true)
	f("the old one's after it was forgotten", after, byOld, false, false)
	f("the new one's after that", after, byNew, true, true)
	// Four letters may be drawn twice.
	twins := NewKeyring([]Key{{oldKey.ID, newKey.Secret}, oldKey})
	f("a key with the identifier of another", twins, byOld, false, true)
	f("of no ring", nil, byOld, false, false)
	f("of an empty ring", NewKeyring(nil), byOld, false, false)
	if NewKeyring(nil).can() || (*Keyring)(nil).can() || !before.can() {
		t.Error("a ring can sign if it has a key")
	}
}

func TestASignatureIsGoodForWhatWasSignedOnly(t *testing.T) {
	t.Parallel()
	r := NewKeyring([]Key{newKey, oldKey})
	value := r.sign(pinPurpose, "shop", "0123456789abcdef")
	f := func(why, purpose, service, value string, want bool) {
		t.Helper()
		if text, _, ok := r.verify(purpose, service, value); ok != want {
			t.Errorf("%s: got %q, %v, want %v", why, text, ok, want)
		}
	}
	f("itself", pinPurpose, "shop", value, true)
	f("another purpose", grantPurpose, "shop", value, false)
	f("another service", pinPurpose, "cart", value, false)
	// Where one part ends and the next begins is signed, too.
	f("a border that was moved", pinPurpose+"\x00s", "hop", value, false)
	f("nothing", pinPurpose, "shop", "", false)
	f("no text", pinPurpose, "shop", value[16:], false)
	f("the identifier of another key", pinPurpose, "shop", strings.Replace(value, newKey.ID, oldKey.ID, 1), false)
	f("something behind it", pinPurpose, "shop", value+"=", false)
	f("something before it", pinPurpose, "shop", "x"+value, false)
	f("twice", pinPurpose, "shop", value+"."+value, false)
	f("too long", pinPurpose, "shop", r.sign(pinPurpose, "shop", strings.Repeat("x", maxCookie)), false)
	for i := range value {
		for _, c := range []byte{value[i] ^ 1, value[i] ^ 0x20, 0, '.', 0xff} {
			if c != value[i] {
				f(fmt.Sprintf("%q at %d", c, i), pinPurpose, "shop", value[:i]+string([]byte{c})+value[i+1:], false)
			}
		}
		f(fmt.Sprintf("the first %d bytes", i), pinPurpose, "shop", value[:i], false)
	}
}

func TestARingIsUsedByManyAtATime(t *testing.T) {
	t.Parallel()
	r := NewKeyring([]Key{newKey, oldKey})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				text := fmt.Sprintf("%d-%d", i, j)
				if got, _, ok := r.verify("p", "shop", r.sign("p", "shop", text)); got != text || !ok {
					t.Errorf("got %q, %v, want %q", got, ok, text)
				}
			}
		})
	}
	wg.Wait()
}

package state

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"divvy/backends"
	"divvy/router"
)

func TestTheFirstKeyIsMadeAndSignsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t, &memory{})
		if got := p.signer(); got != p.stored()[0].ID || len(p.stored()) != 1 {
			t.Errorf("%q signs, stored are %v", got, p.stored())
		}
		first := p.signed()
		p.knows(first, true)
		// A restart, and another proxy, go on with it.
		other := newProxy(t, p.storage)
		other.knows(first, true)
		if len(p.stored()) != 1 || other.signer() != p.signer() {
			t.Errorf("%q and %q sign, stored are %v", p.signer(), other.signer(), p.stored())
		}
	})
}

func TestAKeyIsMadeEachMonthAndSignsWhenEveryProxyKnowsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t, &memory{})
		other := newProxy(t, p.storage)
		first, signed := p.signer(), p.signed()
		f := func(after time.Duration, keys, changes int, want string) {
			t.Helper()
			time.Sleep(after) // without Run, which would look 4320 times a day
			for _, p := range []*proxy{other, p} {
				p.keys.look(t.Context())
				p.knows(signed, true)
				if got := p.signer(); got != want || len(p.stored()) != keys || p.changed() != changes {
					t.Errorf("%v later: %s signs of %d keys after %d changes, want %s of %d after %d", after, got, len(p.stored()), p.changed(), want, keys, changes)
				}
			}
		}
		f(keyLife-time.Second, 1, 1, first)
		f(time.Second, 2, 2, first) // one is made, though there are two proxies
		second := p.stored()[0].ID
		f(keyQuiet-time.Second, 2, 2, first)
		f(time.Second, 2, 3, second)
		f(keyLife-keyQuiet, 3, 4, second)
		// What was signed is known for longer than any browser keeps it.
		for range maxKeys - 3 {
			time.Sleep(keyLife)
			p.keys.look(t.Context())
		}
		p.knows(signed, true)
		time.Sleep(keyLife)
		p.keys.look(t.Context())
		p.knows(signed, false)
		if n := len(p.stored()); n != maxKeys {
			t.Errorf("%d keys are kept, want %d", n, maxKeys)
		}
	})
}

func TestAKeyThatIsMadeByHandIsToldToTheOthersBeforeItSigns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t, &memory{})
		other := newProxy(t, p.storage)
		other.run()
		time.Sleep(time.Hour)
		first, signed := p.signer(), p.signed()
		for range 2 { // once too often
			if err := p.keys.Rotate(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if p.signer() != first {
				t.Errorf("%s signs at once", p.signer())
			}
		}
		time.Sleep(keysEvery + time.Second)
		for _, key := range p.stored() {
			if !strings.Contains(other.ids(), key.ID) {
				t.Errorf("another proxy does not know %s by now", key.ID)
			}
		}
		p.run()
		time.Sleep(keyQuiet + keysEvery)
		if p.signer() != p.stored()[0].ID || other.signer() != p.signer() || p.signer() == first {
			t.Errorf("%s and %s sign, want %s", p.signer(), other.signer(), p.stored()[0].ID)
		}
		other.knows(signed, true)
		other.knows(p.signed(), true)
	})
}

func TestWhatWasSignedIsWorthlessOnceItsKeysAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newProxy(t, &memory{})
		other := newProxy(t, p.storage)
		other.run()
		signed := p.signed()
		time.Sleep(time.Hour)
		if err := p.keys.Rotate(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		p.knows(signed, false)
		p.knows(p.signed(), true)
		if len(p.stored()) != 1 || p.signer() != p.stored()[0].ID {
			t.Errorf("%s signs, stored are %v", p.signer(), p.stored())
		}
		// The one after it waits for its minute, as ever.
		signed2 := p.signed()
		if err := p.keys.Rotate(t.Context(), false); err != nil || p.signer() != p.stored()[1].ID {
			t.Errorf("%s signs, stored are %v, %v", p.signer(), p.stored(), err)
		}
		time.Sleep(keysEvery + time.Second)
		other.knows(signed, false)
		other.knows(signed2, true)
		other.knows(p.signed(), true)
	})
}

func TestKeysThatCannotBeUsedAreRefusedAndLeftAsTheyAre(t *testing.T) {
	t.Parallel()
	f := func(data, want string) {
		t.Helper()
		want = "keys of cookies in memory: cookie-keys.json: " + want + "; they are left as they are: restore them from a copy, or move them away for new ones"
		storage := &memory{values: map[string][]byte{keysKey: []byte(data)}}
		k := Keys{Storage: storage, Where: "memory", Changed: func(*router.Keyring) { t.Error("they were taken over") }}
		if err := k.Open(t.Context()); fmt.Sprint(err) != want {
			t.Errorf("opening:\ngot  %v\nwant %s", err, want)
		}
		for _, forget := range []bool{false, true} {
			if err := k.Rotate(t.Context(), forget); fmt.Sprint(err) != want {
				t.Errorf("rotating:\ngot  %v\nwant %s", err, want)
			}
		}
		if got := string(storage.values[keysKey]); got != data {
			t.Errorf("they were written over: %s", got)
		}
	}
	f(``, "it is damaged: unexpected end of JSON input")
	f(`{"format":1,"keys":[`, "it is damaged: unexpected end of JSON input")
	f(`{"format":1,"keys":[]} `+"\x00", `it is damaged: invalid character '\x00' after top-level value`)
	f(`{}`, "it is damaged: its format is 0, which is none")
	f(`null`, "it is damaged: its format is 0, which is none")
	f(`{"format":2,"rings":[]}`, "it was written by a later divvy, which is the one to run: its format is 2, and this one reads up to 1")
	f(`{"format":1,"rings":[]}`, `it is damaged: json: unknown field "rings"`)
	f(`{"format":1,"keys":[{"id":"ABCD","secret":"c2hvcnQ=","created":"2026-01-01T00:00:00Z"}]}`, "it is damaged: key 0 has an identifier of 4 bytes and a secret of 5, not 4 and 32")
	f(`{"format":1,"keys":[{"id":"ABCDE","secret":"`+strings.Repeat("c2hv", 11)+`"}]}`, "it is damaged: key 0 has an identifier of 5 bytes and a secret of 33, not 4 and 32")
	f(`{"format":1,"keys":[{"id":"ABCD","secret":"???"}]}`, "it is damaged: illegal base64 data at input byte 0")
}

func TestKeysStayAsTheyAreWhileTheStorageFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		p := newProxy(t, &memory{})
		p.keys.Log = slog.New(slog.NewTextHandler(&log, nil))
		p.run()
		first, signed := p.signer(), p.signed()
		f := func(want string, wantLog int) {
			t.Helper()
			time.Sleep(10 * keysEvery)
			synctest.Wait()
			if got := strings.Count(log.String(), "\n"); got != wantLog || !strings.Contains(log.String(), want) {
				t.Errorf("%d lines in the log, want %d with %q:\n%s", got, wantLog, want, log.String())
			}
			log.Reset()
			if p.signer() != first {
				t.Errorf("%s signs", p.signer())
			}
			p.knows(signed, true)
		}
		f("", 0)
		p.storage.fail("load", errors.New("the network is down"))
		f("keys of cookies in memory: the network is down\"", 1) // is no damage
		f("", 0)
		p.storage.fail("load", nil)
		f("can be read again", 1)
		sound := p.storage.put(keysKey, []byte("{"))
		f("damaged", 1)
		p.storage.put(keysKey, sound)
		f("can be read again", 1)

		for _, operation := range []string{"lock", "load", "store"} {
			p.storage.fail(operation, errors.New("the disk is full"))
			if err := p.keys.Rotate(t.Context(), true); fmt.Sprint(err) != "keys of cookies in memory: the disk is full" {
				t.Errorf("%s: got %v", operation, err)
			}
			p.storage.fail(operation, nil)
			if p.signer() != first || len(p.stored()) != 1 {
				t.Errorf("%s: %s signs, stored are %v", operation, p.signer(), p.stored())
			}
		}
	})
}

// proxy is a divvy as far as its keys go.
type proxy struct {
	t       *testing.T
	storage *memory
	keys    *Keys
	ring    *router.Keyring // guarded by keys.mu, which Changed is called with
	changes int             // likewise
}

func newProxy(t *testing.T, storage *memory) *proxy {
	p := &proxy{t: t, storage: storage}
	p.keys = &Keys{Storage: storage, Where: "memory", Log: slog.New(slog.DiscardHandler), Changed: func(r *router.Keyring) {
		p.ring = r
		p.changes++
	}}
	if err := p.keys.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs what makes keys until the test ends.
func (p *proxy) run() {
	ctx, stop := context.WithCancel(p.t.Context())
	ended := make(chan error)
	go func() { ended <- p.keys.Run(ctx) }()
	p.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			p.t.Error(err)
		}
	})
}

func (p *proxy) changed() int {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	return p.changes
}

func (p *proxy) ids() string {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	return p.keys.ring
}

func (p *proxy) stored() []secretKey {
	var f keyFile
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	if err := json.Unmarshal(p.storage.values[keysKey], &f); err != nil {
		p.t.Error(err)
	}
	return f.Keys
}

// service is one that keeps its users.
func (p *proxy) service() *router.Service {
	var registry backends.Registry
	registry.Replace([]backends.Endpoint{{
		Service: "shop", ID: "a", Addr: "a:80", Health: backends.HealthPassing, Version: backends.Version{ImageID: image("a"), Tag: "v1"},
	}})
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	return router.NewService(router.Input{
		Config:  router.Config{Name: "shop", Sticky: router.Sticky{By: []string{"cookie"}, Keep: "always"}},
		Members: registry.Members("shop"), Keys: p.ring,
	})
}

// ask makes a request with a cookie, and returns what is decided and the cookie
// that is set.
func (p *proxy) ask(cookie string) (router.Decision, string) {
	s := p.service()
	d := s.Decide(router.Query{Request: visit(cookie), Now: time.Now()})
	_, set, _ := strings.Cut(string(s.AppendCookies(nil, &d, false)), "=")
	set, _, _ = strings.Cut(set, ";")
	return d, set
}

// signed returns a cookie that the proxy signs now.
func (p *proxy) signed() string {
	_, set := p.ask("")
	return set
}

// signer returns the identifier of the key that signs now.
func (p *proxy) signer() string {
	parts := strings.Split(p.signed(), ".")
	if len(parts) != 6 {
		p.t.Fatalf("%v is no signed cookie", parts)
	}
	return parts[4]
}

// knows sees whether the proxy knows what was signed.
func (p *proxy) knows(cookie string, want bool) {
	p.t.Helper()
	if d, _ := p.ask(cookie); (d.Reason == router.ByPin) != want {
		p.t.Errorf("%s decides about a cookie, want that it is known: %v", d.Reason, want)
	}
}

// visit is a request with a cookie.
type visit string

func (v visit) Cookie(string) string { return string(v) }
func (visit) Header(string) string   { return "" }
func (visit) Query(string) string    { return "" }
func (visit) Method() string         { return "GET" }
func (visit) Path() string           { return "/" }
func (visit) Client() netip.Addr     { return netip.Addr{} }
func (visit) Certificate() string    { return "" }

func TestKeysThatAreTakenAwayAreWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := &Directory{Path: t.TempDir()}
		var ring *router.Keyring
		k := &Keys{Storage: folder, Where: "here", Changed: func(r *router.Keyring) { ring = r }, Log: slog.New(slog.DiscardHandler)}
		if err := k.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := mustLoad(t, folder, keysKey)
		was := ring
		if err := os.Remove(filepath.Join(folder.Path, keysKey)); err != nil {
			t.Fatal(err)
		}
		k.look(t.Context())
		if got := mustLoad(t, folder, keysKey); string(got) != string(first) || ring != was {
			t.Errorf("got %s, want %s", got, first)
		}
	})
}

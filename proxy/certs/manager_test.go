package certs

import (
	"log/slog"
	"slices"
	"testing"
)

// wants is a manager that does not run, and the hosts that it would get
// certificates for.
func wants(t *testing.T, change func(*Config), hosts ...string) (h *house, orders func() []string) {
	t.Helper()
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	h = &house{t: t, Manager: New(nil, slog.New(slog.DiscardHandler))}
	h.Want(hosts)
	h.apply(Settings{Config: c, HTTPS: ":443"})
	return h, func() []string {
		var all []string
		for _, o := range h.orders {
			text := o.host
			if o.next.IsZero() {
				text += " never"
			}
			all = append(all, text)
		}
		slices.Sort(all)
		return all
	}
}

func TestWhoWantsACertificateGetsOneIfThatCanBe(t *testing.T) {
	t.Parallel()
	f := func(change func(*Config), hosts []string, want ...string) {
		t.Helper()
		_, orders := wants(t, change, hosts...)
		if got := orders(); !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", hosts, got, want)
		}
	}
	hook := func(c *Config) { c.DNS.Webhook = "http://127.0.0.1:1" }
	f(nil, nil)
	f(nil, []string{"Shop.Example.com", "*", "10.0.0.7"}, "shop.example.com")
	f(nil, []string{"*.example.com"}, "*.example.com never")
	f(hook, []string{"*.example.com"}, "*.example.com")
	f(func(c *Config) { c.Issuer = Internal }, []string{"*.example.com"}, "*.example.com")
	f(func(c *Config) { c.OnDemand = true }, []string{"*.example.com", "example.com"})
	f(func(c *Config) { hook(c); c.OnDemand = true }, []string{"*.example.com", "example.com"}, "*.example.com")
}

func TestANameThatNoCertificateWillBeForIsNotServed(t *testing.T) {
	t.Parallel()
	hosts := []string{"shop.example.org", "*.example.com"}
	f := func(change func(*Config), want ...string) {
		t.Helper()
		h, _ := wants(t, change, hosts...)
		var got []string
		for _, name := range []string{"Shop.example.org", "a.example.com", "a.b.example.com", "example.com", "example.net"} {
			if h.Serves(name) {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(nil, "Shop.example.org")
	f(func(c *Config) { c.Issuer = Internal }, "Shop.example.org", "a.example.com")
	f(func(c *Config) { c.OnDemand = true }, "Shop.example.org", "a.example.com", "a.b.example.com")
	file := newFile(t, 1, "*.example.com")
	f(func(c *Config) { c.Files = []File{file} }, "Shop.example.org", "a.example.com")
}

// Nobody is sent to where there has only been a failure so far.
func TestANameWhoseCertificateHasFailedToComeIsNotServed(t *testing.T) {
	t.Parallel()
	h, _ := wants(t, nil, "shop.example.org")
	h.mu.Lock()
	o := h.orders["shop.example.org"]
	o.failures = 1
	h.mu.Unlock()
	if h.Serves("shop.example.org") {
		t.Error("it is served")
	}
	h.mu.Lock()
	o.failures = 0 // after an edit, say
	h.mu.Unlock()
	if !h.Serves("shop.example.org") {
		t.Error("it is not")
	}
}

func TestWhatIsOnDemandMayBeAskedForAtAnyDepthAndNothingElse(t *testing.T) {
	t.Parallel()
	h, orders := wants(t, func(c *Config) { c.OnDemand = true }, "*.example.com", "shop.example.org", "*")
	f := func(name string, want bool) {
		t.Helper()
		if got := h.expect(name) != nil; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	f("a.example.com", true)
	f("a.b.example.com", true)
	f("shop.example.org", true)
	f("example.com", false)
	f("a.shop.example.org", false)
	f("example.net", false)
	f("com", false)
	if got, want := orders(), []string{"a.b.example.com", "a.example.com", "shop.example.org"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// What was asked for stays while its host does.
	h.Want([]string{"*.b.example.com"})
	if got, want := orders(), []string{"a.b.example.com"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	h.apply(Settings{Config: DefaultConfig(), HTTPS: ":443"})
	if got, want := orders(), []string{"*.b.example.com never"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamesOnDemandHaveABound(t *testing.T) {
	t.Parallel()
	h, _ := wants(t, func(c *Config) { c.OnDemand = true }, "*.example.com")
	name := func(i int) string {
		return string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + ".example.com"
	}
	for i := range maxDemanded {
		if h.expect(name(i)) == nil {
			t.Fatalf("%s is refused", name(i))
		}
	}
	if h.expect(name(maxDemanded)) != nil {
		t.Error("there is one more than the bound")
	}
	// One that could not be got, and was left alone for long enough, makes room.
	h.orders[name(0)].asked = false
	if h.expect(name(maxDemanded)) == nil || h.orders[name(0)] != nil {
		t.Error("there is no room")
	}
}

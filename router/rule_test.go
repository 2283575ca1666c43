package router

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestACondition(t *testing.T) {
	t.Parallel()
	r := request{
		header: map[string]string{"X-Team": "qa", "Host": "Shop.Example.com:8080", "X-Spaced": "a  b"},
		cookie: map[string]string{"plan": "gold-2025"},
		query:  map[string]string{"try": "yes", "q": ""},
		client: netip.MustParseAddr("10.1.2.3"),
		method: "POST", path: "/beta/x y",
	}
	f := func(text string, want bool) {
		t.Helper()
		c, err := parseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.holds(&Query{Request: r}); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
	f("header:X-Team = qa", true)
	f("header:X-Team = q", false)
	f("header:X-Team = QA", false)
	f("header:X-Team != qa", false)
	f("header:X-Team != q", true)
	f("header:X-Nobody != q", true) // what is not there is not equal
	f("header:X-Team ^= q", true)
	f("header:X-Team ^= a", false)
	f("header:X-Team =~ a", true) // anywhere
	f("header:X-Team =~ ^a", false)
	f("header:X-Team =~ ^(qa|dev)$", true)
	f("header:X-Team =~ (?i)^QA$", true)
	f("header:X-Nobody =~ ^$", true)
	f("header:X-Team", true)
	f("header:X-Nobody", false)
	f("header:X-Team !=", true) // the same
	f("header:X-Nobody !=", false)
	f("  header:X-Team   =   qa  ", true)
	f("header:X-Spaced = a  b", true)
	f("header:X-Spaced = a b", false)
	f("cookie:plan ^= gold", true)
	f("cookie:plan", true)
	f("cookie:other", false)
	f("query:try = yes", true)
	f("query:q", false)
	f("path = /beta/x y", true)
	f("path ^= /beta", true)
	f("path ^= /bet", true) // of the text, not of segments
	f("path =~ ^/beta(/|$)", true)
	f("path ^= /alpha", false)
	f("method = POST", true)
	f("method != GET", true)
	f("host = shop.example.com", true)
	f("host = SHOP.example.com.", true)
	f("host ^= Shop.", true)
	f("host =~ \\.example\\.com$", true)
	f("host != shop.example.com", false)
	f("network = 10.0.0.0/8", true)
	f("network = 10.1.2.3", true)
	f("network = ::ffff:10.1.2.3", true)
	f("network = 10.2.0.0/16", false)
	f("network != 10.2.0.0/16", true)
	f("network != fd00::/8", true)

	r.client = netip.MustParseAddr("::ffff:10.1.2.3")
	f("network = 10.0.0.0/8", true)
	r.client = netip.MustParseAddr("fe80::1%eth0")
	f("network = fe80::/10", true)
	r.client = netip.Addr{} // through a Unix socket, say
	f("network = 0.0.0.0/0", false)
	f("network != 0.0.0.0/0", true)
	r.header["Host"] = "xn--bcher-kva.example"
	f("host = Bücher.example", true)
	r.header["Host"] = "[::1]:80"
	f("host = [::1]", true)
}

func TestWhatIsNoConditionIsExplained(t *testing.T) {
	t.Parallel()
	f := func(text, want string) {
		t.Helper()
		_, err := parseCondition(text)
		if got, _ := strings.CutPrefix(fmt.Sprint(err), fmt.Sprintf("%q is not a condition: ", text)); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
	}
	const (
		subjects = "it begins with header:NAME, cookie:NAME, query:NAME, path, method, host or network"
		spaced   = "compare by = (equal), != (not equal), ^= (begins with) or =~ (regular expression), with spaces around it"
		nothing  = "there is nothing to compare with"
	)
	f("", subjects)
	f("X-Team = qa", subjects)
	f("Header:X-Team = qa", subjects)
	f("ip = 10.0.0.1", subjects)
	f("header = qa", "name what is looked at, as in header:X-Team")
	f("header:", "name what is looked at, as in header:X-Team")
	f("header:a/b = c", "name what is looked at, as in header:X-Team")
	f("path:/a = c", "path takes no name")
	// A condition that is never met, or always, would go unnoticed.
	f("header:X-Team=qa", spaced)
	f("query:try=yes", spaced)
	f("query:try!=no", spaced)
	f("path^=/beta", spaced)
	f("query:try == yes", spaced)
	f("query:try ~ yes", spaced)
	f("query:try yes", spaced)
	f("path", "say what it is compared with, as in path ^= /beta")
	f("query:try =", nothing)
	f("query:try ^=", nothing)
	f("query:try =~ ", nothing)
	f("network ^= 10.", "a network is compared by = or !=")
	f("network", "say what it is compared with, as in path ^= /beta")
	f("network = 10", `"10" is not a network: use 10.0.0.0/8, fd00::/8 or a single address`)
	f("network !=", `"" is not a network: use 10.0.0.0/8, fd00::/8 or a single address`)
	f("query:try =~ (", "error parsing regexp: missing closing ): `(`")
	f("query:try =~ (?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`")
	const host = "a host is equal to one name, such as shop.example.com: compare by =~ for several"
	f("host = shop.example.com:80", host)
	f("host = *.example.com", host)
	f("host != a b", host)
}

func TestValidateSaysWhatIsWrongWithRules(t *testing.T) {
	t.Parallel()
	f := func(rules []Rule, want ...string) {
		t.Helper()
		if want == nil {
			want = []string{"<nil>"}
		}
		if got := fmt.Sprint((&Config{Name: "shop", Rules: rules}).Validate()); got != strings.Join(want, "\n") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, "\n"))
		}
	}
	ok := []string{"path = /"}
	f([]Rule{{"a", "v1", ok}, {"b", "v1@53bff422", ok}})
	f([]Rule{{"a", "v1", ok}, {"", "v1", ok}, {"a b", "v1", ok}, {"a", "v1", ok}},
		`rule[1].name: "" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`,
		`rule[2].name: "a b" is not a name: use 1 to 63 letters, digits, dots, dashes and underscores`,
		`rule[3].name: there are two rules a`)
	f([]Rule{{"a", "", nil}},
		`rule[0].to: it names no version: use a tag, v1, or a tag and the first digits of its image ID, v1@53bff422`,
		`rule[0].if: there is no condition: use one such as "header:X-Team = qa"`)
	f([]Rule{{"a", "v1", []string{"path = /", "path /", "X"}}},
		`rule[0].if: "path /" is not a condition: compare by = (equal), != (not equal), ^= (begins with) or =~ (regular expression), with spaces around it`,
		`rule[0].if: "X" is not a condition: it begins with header:NAME, cookie:NAME, query:NAME, path, method, host or network`)
	many := make([]Rule, maxRules+1)
	for i := range many {
		many[i] = Rule{fmt.Sprint("r", i), "v1", ok}
	}
	f(many[:maxRules])
	f(many, "rule: there are 65 rules: use at most 64")
}

// ruledConfig has rules on top of an even split of v0 and v1; v2 and v3 are dark.
func ruledConfig(rules ...Rule) Config {
	return Config{Weights: map[string]int{"v0": 1}, Rules: rules}
}

func TestTheFirstRuleThatMatchesAndCanBeFollowedDecides(t *testing.T) {
	t.Parallel()
	w := versions(t, 4)
	s := w.service(ruledConfig(
		Rule{"both", "v3", []string{"header:X-Team = qa", "path ^= /beta"}},
		Rule{"nowhere", "v9", []string{"path ^= /"}},
		Rule{"team", "v2", []string{"header:X-Team = qa"}},
		Rule{"beta", "v1", []string{"path ^= /beta"}},
	))
	f := func(team, path, want, name string, index int) {
		t.Helper()
		d := s.Decide(Query{Request: request{header: map[string]string{"X-Team": team}, path: path}})
		reason := map[bool]Reason{true: ByRule, false: ByRequest}[name != ""]
		if tagOf(d) != want || d.Reason != reason || d.RuleName != name || d.Rule != index || d.Sets() {
			t.Errorf("%q %s: got %s by %s, rule %d %q; want %s by %s, rule %d %q", team, path, tagOf(d), d.Reason, d.Rule, d.RuleName, want, reason, index, name)
		}
	}
	f("qa", "/beta", "v3", "both", 0)
	f("qa", "/", "v2", "team", 2)
	f("dev", "/beta", "v1", "beta", 3)
	f("dev", "/", "v0", "", 0)
	// Where the version of one cannot answer the next is asked.
	w.sicken("c3")
	f("qa", "/beta", "v2", "team", 2)
	w.sicken("c2")
	f("qa", "/beta", "v1", "beta", 3)
	w.sicken("c1")
	f("qa", "/beta", "v0", "", 0)
	w.heal("c3")
	f("qa", "/beta", "v3", "both", 0)
	// A rule counts as what it is called, so it must not take another's place.
	if got := fmt.Sprint(s.Rules); got != "[both nowhere team beta]" {
		t.Errorf("the rules are %s", got)
	}
}

func TestARuleNamesAVersionByTagOrDigest(t *testing.T) {
	t.Parallel()
	w := &world{t: t}
	w.start("a", "sha256:aaaa0000", "v0")
	w.start("b", "sha256:53bff422", "v1")
	w.start("c", "sha256:210fe938", "v1")
	f := func(to, want string) {
		t.Helper()
		d := w.service(ruledConfig(Rule{"r", to, []string{"path ^= /"}})).Decide(Query{Request: request{}})
		if d.Version.Name != want {
			t.Errorf("%s: got %s, want %s", to, d.Version.Name, want)
		}
	}
	f("v1@210f", "v1@210fe938")
	f("v1@53bff422", "v1@53bff422")
	f("210fe938", "v1@210fe938")
	f("sha256:210fe938", "v1@210fe938")
	f("v1", "v1@53bff422") // the oldest
	f("210", "v0@aaaa0000")
}

func TestARuleComesAfterAnOverrideAndBeforeAUnit(t *testing.T) {
	t.Parallel()
	w := versions(t, 3)
	c := overridable(unchanged)
	c.Weights, c.Sticky = even, Sticky{By: []string{"cookie"}, Keep: "always"}
	c.Rules = []Rule{{"beta", "v2", []string{"path ^= /beta"}}}
	s := w.service(c)
	b := newcomer(t, s, "v0")
	b.gets(s, "/beta", "v2", ByRule, false)
	b.gets(s, "/beta?divvy-token=another&divvy-version=v1", "v1", ByOverride, true)
	b.gets(s, "/beta", "v1", ByOverride, false)
	b.gets(s, "/beta?divvy-version=none", "v2", ByRule, true)
	b.gets(s, "/", "v0", ByPin, false) // which has not changed meanwhile
}

// FuzzCondition looks for a text that is taken for a condition and cannot be
// matched, or not as it says.
func FuzzCondition(f *testing.F) {
	for _, text := range []string{
		"header:X-Team = qa", "path ^= /beta", "cookie:plan =~ ^gold", "query:try != no", "header:X-Beta", "host = a.b", "method != GET",
		"network = 10.0.0.0/8", "network != ::1", "query:a=b", "query:\x00\xff =~ \xff", "path =~ (", "path =~ (a*)*$", "header: =", "  = ", "host = *.a", "network = ::ffff:1.2.3.4/100",
	} {
		f.Add(text, "qa")
	}
	f.Fuzz(func(t *testing.T, text, found string) {
		c, err := parseCondition(text)
		if err != nil {
			if c := newRules([]Rule{{"r", "v1", []string{text, "path ^= /"}}}); c != nil {
				t.Errorf("a rule was made of %q", text)
			}
			return
		}
		for _, r := range []request{
			{},
			{
				header: map[string]string{c.name: found, "Host": found}, cookie: map[string]string{c.name: found}, query: map[string]string{c.name: found},
				method: found, path: found, client: inside,
			},
		} {
			q := &Query{Request: r}
			got := c.holds(q)
			if c.subject == "network" {
				continue
			}
			value := c.of(q)
			want, ok := map[string]bool{"": value != "", "=": value == c.value, "!=": value != c.value, "^=": strings.HasPrefix(value, c.value), "=~": got}[c.op]
			if got != want || !ok {
				t.Errorf("%q says %v of %q", text, got, value)
			}
		}
	})
}

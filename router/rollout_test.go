package router

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"divvy/testdata/readme"
)

// percents is the candidate's weight at each stage of a rollout that goes all
// the way and is taken back. Stages are an hour apart.
var percents = []int{0, 1, 5, 25, 50, 100, 50, 25, 5, 1, 0}

// everyKind is every kind of unit that is not chance.
var everyKind = []string{"cookie", "header:X-User", "query:user", "ip"}

// rolloutUsers is how many users go through a rollout: fewer where the race
// detector makes everything slow.
func rolloutUsers() int {
	if underRaceDetector() {
		return 10_000
	}
	return 100_000
}

func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestARolloutMovesNoMoreUsersThanItMust(t *testing.T) {
	t.Parallel()
	for _, by := range everyKind {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			users := rolloutUsers()
			isMinimal(t, rollOut(newDivvy(t, users, by, "0s"), users, 2), users)
		})
	}
}

// isMinimal fails unless everybody who moved had to, and the candidate has the
// share that it should.
func isMinimal(t *testing.T, stages []stage, users int) {
	t.Helper()
	was := stages[0]
	for _, is := range stages[1:] {
		// Nobody moves against the tide, so that the number of those who move
		// is the difference of the shares.
		if is.percent > was.percent && is.left > 0 || is.percent < was.percent && is.joined > 0 {
			t.Errorf("from %d to %d %%: %d users joined the candidate, %d left it", was.percent, is.percent, is.joined, is.left)
		}
		least := abs(is.percent - was.percent)
		if p, ok := fits([]int{is.changed, users - is.changed}, []int{least, 100 - least}); !ok {
			t.Errorf("from %d to %d %%: %d users changed version, p = %v", was.percent, is.percent, is.changed, p)
		}
		if p, ok := fits([]int{is.users, users - is.users}, []int{is.percent, 100 - is.percent}); !ok {
			t.Errorf("at %d %%: %d users have the candidate, p = %v", is.percent, is.users, p)
		}
		was = is
	}
}

func TestARolloutLeavesUsersWhereTheyAreForAsLongAsTheyAreKept(t *testing.T) {
	t.Parallel()
	users := rolloutUsers() / 4
	want := rollOut(newTraefikCookie(users), users, 1)
	for _, keep := range []string{"24h", "always"} {
		for _, by := range everyKind {
			t.Run(keep+" "+by, func(t *testing.T) {
				t.Parallel()
				got := rollOut(newDivvy(t, users, by, keep), users, 1)
				if !slices.Equal(got, want) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		}
	}
}

func TestARolloutReachesUsersWhenTheirTimeIsOver(t *testing.T) {
	t.Parallel()
	for _, by := range everyKind {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			const users = 2000
			d := newDivvy(t, users, by, "24h")
			candidates := func(percent int) (n int) {
				d.weigh(percent)
				for user := range users {
					n += count(d.ask(user))
				}
				return n
			}
			candidates(0)
			for hour := 1; hour < 24; hour++ {
				if n := candidates(50); n > 0 {
					t.Fatalf("%d users moved after %d hours", n, hour)
				}
			}
			// From now on they stay for 24 hours with what the hash says today.
			n := candidates(50)
			if p, ok := fits([]int{n, users - n}, []int{1, 1}); !ok {
				t.Errorf("%d of %d users have the candidate after 24 hours, p = %v", n, users, p)
			}
			for hour := 25; hour < 48; hour++ {
				if got := candidates(10); got != n {
					t.Fatalf("%d users have the candidate after %d hours, %d had it before", got, hour, n)
				}
			}
			n = candidates(10)
			if p, ok := fits([]int{n, users - n}, []int{1, 9}); !ok {
				t.Errorf("%d of %d users have the candidate after 48 hours, p = %v", n, users, p)
			}
		})
	}
}

func TestInARolloutNewUsersFollowTheWeightsWhateverIsKept(t *testing.T) {
	t.Parallel()
	const users = 2000
	for _, keep := range []string{"0s", "24h", "always"} {
		for _, by := range everyKind {
			t.Run(keep+" "+by, func(t *testing.T) {
				t.Parallel()
				d := newDivvy(t, users*len(percents), by, keep)
				for n, percent := range percents {
					d.weigh(percent)
					candidates := 0
					for user := range users {
						candidates += count(d.ask(n*users + user))
					}
					if p, ok := fits([]int{candidates, users - candidates}, []int{percent, 100 - percent}); !ok {
						t.Errorf("at %d %% %d of %d new users got the candidate, p = %v", percent, candidates, users, p)
					}
				}
			})
		}
	}
}

// `UPDATE_README=1 go test ./router -run Rollout` writes them.
func TestTheREADMEHasTheNumbersOfARollout(t *testing.T) {
	t.Parallel()
	if underRaceDetector() {
		t.Skip("it takes too many users for the race detector")
	}
	const users, requests = 100_000, 10
	divvy := rollOut(newDivvy(t, users, "cookie", "0s"), users, requests)
	isMinimal(t, divvy, users)
	table := rolloutTable(users, requests, divvy,
		rollOut(newRandomPerRequest(), users, requests),
		rollOut(newTraefikCookie(users), users, requests),
		rollOut(newFlaggerCookie(users), users, requests))
	t.Log("\n" + table)

	readme.Holds(t, "../README.md", "rollout table", table)
}

// rolloutTable has a row for each step of a rollout, and two numbers for each
// system: the users who changed version, and the share of requests that the
// candidate got.
func rolloutTable(users, requests int, systems ...[]stage) string {
	var b strings.Builder
	b.WriteString("| candidate's weight | least possible | divvy | random per request | Traefik's cookie | Flagger's cookie |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|\n")
	for n := 1; n < len(percents); n++ {
		was, is := percents[n-1], percents[n]
		fmt.Fprintf(&b, "| %d → %d %% | %s |", was, is, thousands(users*abs(is-was)/100))
		for _, stages := range systems {
			share := 100 * float64(stages[n].requests) / float64(users*requests)
			fmt.Fprintf(&b, " %s (%.1f %%) |", thousands(stages[n].changed), share)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

func abs(n int) int { return max(n, -n) }

// splitter divides the requests of users between stable and a candidate.
type splitter interface {
	// weigh sets the candidate's weight, in percent; stable has the rest. An
	// hour has passed since the last time.
	weigh(percent int)

	// ask answers one request of a user, and says whether the candidate did.
	ask(user int) (candidate bool)
}

// stage is what became of the users at one stage of a rollout.
type stage struct {
	percent int // the candidate's weight

	// Those who got another version than with their request before, at least
	// once; of these, those who got the candidate then, and those who got stable.
	changed, joined, left int

	users    int // who have the candidate at the end
	requests int // which the candidate got
}

// rollOut takes users through a rollout. At each stage every user makes some
// requests.
func rollOut(s splitter, users, requests int) []stage {
	var stages []stage
	has := make([]bool, users) // the candidate
	for _, percent := range percents {
		s.weigh(percent)
		st := stage{percent: percent}
		for user := range users {
			var joined, left int
			for range requests {
				was := has[user]
				has[user] = s.ask(user)
				switch {
				case has[user] && !was:
					joined = 1
				case was && !has[user]:
					left = 1
				}
				st.requests += count(has[user])
			}
			st.joined += joined
			st.left += left
			st.changed += joined | left
			st.users += count(has[user])
		}
		stages = append(stages, st)
	}
	return stages
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// divvy is a service of two versions, and the users who ask it.
type divvy struct {
	world   *world
	sticky  Sticky
	service *Service
	now     time.Time
	users   []browser
	random  *rand.Rand
	field   []byte
}

// browser is a request that can be recognised by anything. It keeps the cookie
// that divvy sets.
type browser struct {
	request
	name   string // of the user
	client netip.Addr
	cookie string
}

func (b *browser) Header(string) string { return b.name }
func (b *browser) Query(string) string  { return b.name }
func (b *browser) Cookie(string) string { return b.cookie }
func (b *browser) Client() netip.Addr   { return b.client }
func (b *browser) Certificate() string  { return "" }

func newDivvy(t *testing.T, users int, by, keep string) *divvy {
	d := &divvy{
		world:  versions(t, 2),
		sticky: Sticky{By: []string{by}, Keep: keep},
		now:    time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		random: rand.New(rand.NewPCG(1, 1)),
	}
	for i := range users {
		d.users = append(d.users, browser{
			name:   fmt.Sprint("user", i),
			client: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		})
	}
	return d
}

func (d *divvy) weigh(percent int) {
	d.now = d.now.Add(time.Hour)
	d.service = d.world.service(Config{
		Weights: map[string]int{"v0": 100 - percent, "v1": percent},
		Sticky:  d.sticky,
	})
}

func (d *divvy) ask(user int) (candidate bool) {
	b := &d.users[user]
	decision := d.service.Decide(Query{Request: b, Random: d.random.Uint64(), Now: d.now})
	if decision.Sets() {
		d.field = d.service.AppendCookies(d.field[:0], &decision, false)
		value, _, _ := strings.Cut(strings.TrimPrefix(string(d.field), "Set-Cookie: divvy-shop="), ";")
		b.cookie = value
	}
	return tagOf(decision) == "v1"
}

// randomPerRequest draws a version for each request, as Envoy and Istio do unless
// they are told what to hash.
type randomPerRequest struct {
	random  *rand.Rand
	percent int
}

func newRandomPerRequest() *randomPerRequest {
	return &randomPerRequest{random: rand.New(rand.NewPCG(2, 2))}
}

func (r *randomPerRequest) weigh(percent int) { r.percent = percent }
func (r *randomPerRequest) ask(int) bool      { return r.random.IntN(100) < r.percent }

// traefikCookie is Traefik's weighted round robin with a sticky cookie. Who has
// the cookie of a service that has weight gets that service. Everybody else
// gets the one whose turn it is, the earliest deadline first, and its cookie.
type traefikCookie struct {
	weights   [2]float64 // of stable and the candidate
	deadlines [2]float64
	cookies   []int // the service of each user, none at first
}

func newTraefikCookie(users int) *traefikCookie {
	return &traefikCookie{cookies: slices.Repeat([]int{-1}, users)}
}

func (s *traefikCookie) weigh(percent int) {
	s.weights = [2]float64{float64(100 - percent), float64(percent)}
	for i, w := range s.weights {
		s.deadlines[i] = 1 / w // that of a service without weight never comes
	}
}

func (s *traefikCookie) ask(user int) bool {
	if c := s.cookies[user]; c < 0 || s.weights[c] == 0 {
		next := count(s.deadlines[1] < s.deadlines[0])
		s.deadlines[next] += 1 / s.weights[next]
		s.cookies[user] = next
	}
	return s.cookies[user] == 1
}

// flaggerCookie is Flagger's session affinity. Whoever got the canary gets a
// cookie, and with it the canary for as long as that has weight; for everybody
// else a version is drawn for each request. Without weight the cookie is taken
// away.
type flaggerCookie struct {
	randomPerRequest
	cookies []bool
}

func newFlaggerCookie(users int) *flaggerCookie {
	return &flaggerCookie{*newRandomPerRequest(), make([]bool, users)}
}

func (f *flaggerCookie) ask(user int) bool {
	f.cookies[user] = f.percent > 0 && (f.cookies[user] || f.randomPerRequest.ask(user))
	return f.cookies[user]
}

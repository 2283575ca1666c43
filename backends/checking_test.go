package backends

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a fake network of backends that answer checks.
type answers struct {
	mu     sync.Mutex // guards the fields below
	status map[string]int
	asked  map[string]int
	hangs  bool            // all of them
	gone   map[string]bool // these do
	now    int
	most   int
}

func (a *answers) set(addr string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status == nil {
		a.status = map[string]int{}
	}
	a.status[addr] = status
}

func (a *answers) count(addr string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[addr]
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	if a.asked == nil {
		a.asked = map[string]int{}
	}
	a.asked[r.URL.Host+r.URL.Path]++
	a.now++
	a.most = max(a.most, a.now)
	status, hangs := a.status[r.URL.Host], a.hangs || a.gone[r.URL.Host]
	a.mu.Unlock()
	defer func() { a.mu.Lock(); a.now--; a.mu.Unlock() }()
	if hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// looked returns an endpoint that is looked after.
func looked(e Endpoint, change func(*Care)) Endpoint {
	c := DefaultCare()
	c.Health.Path = "/healthz"
	change(&c)
	if err := c.Validate(); err != nil {
		panic(err)
	}
	e.Care = &c
	return e
}

func TestABackendIsReadyOnceItsCheckHasPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net answers
		r := &Registry{Transport: &net}
		e := looked(endpoint("c1", "sha256:aa", "v1", 0), func(*Care) {})
		list := []Endpoint{e}
		r.Replace(list)
		is := func(want State, reason string) {
			t.Helper()
			if got, why := state(t, r, "c1"); got != want || !strings.Contains(why, reason) {
				t.Errorf("it is %s (%s), want %s (%s)", got, why, want, reason)
			}
		}
		run(t, r)
		is(StateStarting, "connection refused")
		net.set("c1:80", 500)
		time.Sleep(200 * time.Millisecond) // it is asked often
		is(StateStarting, "it answered 500")
		net.set("c1:80", 204)
		time.Sleep(time.Second)
		is(StateReady, "")
		n := net.count("c1:80/healthz")
		time.Sleep(time.Minute)
		if more := net.count("c1:80/healthz") - n; more < 5 || more > 7 {
			t.Errorf("asked %d times in a minute, want about 6", more)
		}

		net.set("c1:80", 503)
		time.Sleep(15 * time.Second)
		is(StateReady, "") // fall is 3
		r.Replace(list)    // and nothing is forgotten
		time.Sleep(20 * time.Second)
		is(StateUnhealthy, "GET /healthz: it answered 503")
		r.Replace(list)
		is(StateUnhealthy, "it answered 503")
		net.set("c1:80", 200)
		time.Sleep(8 * time.Second)
		is(StateUnhealthy, "") // rise is 2
		time.Sleep(16 * time.Second)
		is(StateReady, "")

		// Another path is asked for at once.
		r.Replace([]Endpoint{looked(e, func(c *Care) { c.Health.Path = "/ready" })})
		synctest.Wait()
		if net.count("c1:80/ready") != 1 {
			t.Error("the new path was not asked for")
		}
		is(StateReady, "")

		// A paused container is left alone, and is back at once.
		n = net.count("c1:80/ready")
		paused := looked(e, func(c *Care) { c.Health.Path = "/ready" })
		paused.Paused = true
		r.Replace([]Endpoint{paused})
		time.Sleep(time.Minute)
		is(StateUnhealthy, "paused")
		if got := net.count("c1:80/ready"); got != n {
			t.Errorf("asked %d times while it was paused", got-n)
		}
		paused.Paused = false
		r.Replace([]Endpoint{paused})
		is(StateReady, "")
	})
}

func TestWhereACheckAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var net answers
		for _, addr := range []string{"c1:80", "c1:9000", "host:32769", "host:32770"} {
			net.set(addr, 200)
		}
		r := &Registry{Transport: &net}
		run(t, r)
		f := func(port int, checkAddr, want string) {
			t.Helper()
			e := looked(endpoint("c1", "sha256:aa", "v1", 0), func(c *Care) { c.Health.Port = port })
			e.CheckAddr = checkAddr
			r.Replace([]Endpoint{e})
			synctest.Wait()
			if got := net.count(want + "/healthz"); got != 1 {
				t.Errorf("port %d, %q: %s was asked %d times", port, checkAddr, want, got)
			}
			if s, why := state(t, r, "c1"); s != StateReady {
				t.Errorf("it is %s: %s", s, why)
			}
		}
		f(0, "", "c1:80")
		f(9000, "", "c1:9000")
		f(9000, "host:32769", "host:32769")
		f(9000, "host:32770", "host:32770") // it moved
	})
}

func TestChecksAreNeverTooManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		net := answers{hangs: true}
		r := &Registry{Transport: &net}
		var list []Endpoint
		for i := range 10 * attemptsOfLane {
			list = append(list, looked(endpoint(fmt.Sprintf("c%d", i), "sha256:aa", "v1", 0), func(*Care) {}))
		}
		r.Replace(list)
		run(t, r)
		time.Sleep(time.Minute)
		net.mu.Lock()
		most := net.most
		net.mu.Unlock()
		if most != attemptsOfLane {
			t.Errorf("%d at once, want %d", most, attemptsOfLane)
		}
		if _, why := state(t, r, "c0"); !strings.Contains(why, "no answer within 2s") {
			t.Errorf("got %q", why)
		}
	})
}

func TestBackendsThatHangDelayNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		net := answers{gone: map[string]bool{}}
		r := &Registry{Transport: &net}
		var list []Endpoint
		add := func(id, service, host string) {
			e := looked(endpoint(id, "sha256:"+id[:1], "v1", 0), func(*Care) {})
			e.Service, e.Host = service, host
			list = append(list, e)
		}
		for i := range 1000 {
			add(fmt.Sprintf("dead%d", i), "shop", "vanished")
			net.gone[fmt.Sprintf("dead%d:80", i)] = true
		}
		readyWithin := func(id, service string, limit time.Duration) {
			t.Helper()
			net.set(id+":80", 200)
			r.Replace(list)
			time.Sleep(limit)
			for _, m := range r.Members(service) {
				for _, s := range r.Backends(m.Pool) {
					if s.ID == id && s.State != StateReady {
						t.Errorf("%s is %s after %v: %s", id, s.State, limit, s.Reason)
					}
				}
			}
		}
		run(t, r)
		add("other", "other", "vanished")
		readyWithin("other", "other", time.Millisecond) // although nothing is known of the dead yet
		add("near", "shop", "here")
		readyWithin("near", "shop", time.Millisecond)
		time.Sleep(time.Minute)
		add("late", "shop", "vanished") // which may be back
		readyWithin("late", "shop", time.Millisecond)

		// Nor the checks that follow.
		n := net.count("late:80/healthz")
		time.Sleep(time.Minute)
		if more := net.count("late:80/healthz") - n; more < 5 {
			t.Errorf("asked %d times in a minute, want about 6", more)
		}
		if net.count("dead0:80/healthz") < 2 {
			t.Error("the dead are not asked again")
		}
	})
}

func TestWhatACheckAsks(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/long", http.StatusFound)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20)+"end")
		case "/echo":
			fmt.Fprintf(w, "%s %s %s %q", r.Method, r.Host, r.URL.RawQuery, r.UserAgent())
		}
	}))
	defer s.Close()
	r := &Registry{client: checkClient(nil)}
	f := func(change func(*Check), want string) {
		t.Helper()
		c := defaultCheck()
		change(&c)
		if err := (&Care{Health: c}).Validate(); err != nil {
			t.Error(err)
		}
		if err := r.ask(context.Background(), &question{Check: &c, addr: s.Listener.Addr().String()}); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v, want %s", &c, err, want)
		}
	}
	f(func(c *Check) { c.Path = "/" }, "<nil>")
	f(func(c *Check) { c.Path, c.Status = "/", []string{"204", "300-399"} }, "it answered 200")
	f(func(c *Check) { c.Path, c.Status = "/moved", []string{"302"} }, "<nil>") // it is not followed
	f(func(c *Check) {
		c.Path, c.Host, c.Text = "/echo?a=b", "shop.test", `GET shop.test a=b "divvy (health check)"`
	}, "<nil>")
	f(func(c *Check) { c.Path, c.Method = "/echo", "HEAD" }, "<nil>")
	f(func(c *Check) { c.Path, c.Text = "/long", "xxx" }, "<nil>")
	f(func(c *Check) { c.Path, c.Text = "/long", "end" }, `"end" is not in its answer`) // it is too far away
	f(func(c *Check) { c.TCP = true }, "<nil>")
}

func TestChecksAreComparedByEachOfTheirFields(t *testing.T) {
	t.Parallel()
	one := defaultCheck()
	same := defaultCheck()
	if !one.equal(&same) {
		t.Error("two defaults are not equal")
	}
	for i := range reflect.TypeFor[Check]().NumField() {
		other := defaultCheck()
		switch f := reflect.ValueOf(&other).Elem().Field(i); f.Kind() {
		case reflect.String:
			f.SetString("other")
		case reflect.Bool:
			f.SetBool(!f.Bool())
		case reflect.Int, reflect.Int64:
			f.SetInt(f.Int() + 1)
		default:
			f.Set(reflect.ValueOf([]string{"204"}))
		}
		if one.equal(&other) {
			t.Errorf("a difference of %s is none", reflect.TypeFor[Check]().Field(i).Name)
		}
	}
}

func TestWhatIsWrongWithCare(t *testing.T) {
	t.Parallel()
	f := func(change func(*Care), want string) {
		t.Helper()
		c := DefaultCare()
		change(&c)
		if got := fmt.Sprint(c.Validate()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(func(*Care) {}, "<nil>")
	f(func(c *Care) { *c = Care{} }, "<nil>")
	f(func(c *Care) { c.Health.Path = "healthz" }, `health.path: "healthz" is not a path: it begins with /`)
	f(func(c *Care) { c.Health.Status = []string{"2xx", "399-200"} },
		`health.status: "2xx" is not a status: use 204, or a range such as 200-399`+"\n"+
			`health.status: "399-200" is not a status: use 204, or a range such as 200-399`)
	f(func(c *Care) { c.Health.Path, c.Health.TCP = "/", true }, "health.tcp: a connection asks for no path: use tcp or path")
	f(func(c *Care) {
		c.Health = Check{TCP: true, Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}
	}, "<nil>")
	f(func(c *Care) { c.Health.TCP, c.Health.Text = true, "ok" },
		"health.text: tcp makes a connection and no request: use path in place of tcp, or no text")
	f(func(c *Care) {
		c.Health.TCP, c.Health.Method, c.Health.Host, c.Health.Status = true, "HEAD", "a.example", []string{"204"}
	}, "health.method: tcp makes a connection and no request: use path in place of tcp, or no method\n"+
		"health.host: tcp makes a connection and no request: use path in place of tcp, or no host\n"+
		"health.status: tcp makes a connection and no request: use path in place of tcp, or no status")
	f(func(c *Care) { c.Health.GRPC, c.Health.GRPCService, c.Health.Host = true, "shop", "a.example" }, "<nil>")
	f(func(c *Care) { c.Health.GRPC, c.Health.TCP = true, true }, "health.grpc: a connection asks nothing: use tcp or grpc")
	f(func(c *Care) { c.Health.GRPC, c.Health.Path = true, "/" }, "health.grpc: the health protocol of gRPC asks for no path: use grpc or path")
	f(func(c *Care) { c.Health.GRPC, c.Health.Text = true, "ok" },
		"health.text: grpc has a request of its own: use path in place of grpc, or no text")
	f(func(c *Care) { c.Health.Path, c.Health.GRPCService = "/", "shop" },
		"health.grpc_service: it is asked for by the health protocol of gRPC only: set grpc = true, or no grpc_service")
	f(func(c *Care) { c.Health.Path, c.Health.Method = "/", "HEAD" }, "<nil>")
	f(func(c *Care) { c.Health.Path, c.Health.Method, c.Health.Text = "/", "HEAD", "ok" },
		`health.text: an answer to HEAD has no body to find it in: use method = "GET", or no text`)
	f(func(c *Care) { c.Health.Path, c.Health.Interval, c.Health.Fall = "/", 0, 0 },
		"health.interval: 0s is too short: use 100ms or more\nhealth.fall: 0 is out of range: use 1 or more")
	f(func(c *Care) { c.Eject.Slow, c.Eject.MaxShare, c.Eject.MaxTime = 1, 101, time.Second },
		"eject.slow: 1 is out of range: use a number above 1, or 0 for never\neject.max_share: 101 is out of range: use 0 to 100\n"+
			"eject.max_time: 1s is less than eject.time (10s)")
	f(func(c *Care) { c.SlowStart, c.DrainTimeout = -1, -1 },
		"slow_start: -1ns is out of range: use up to 1h, or 0s for none\ndrain_timeout: -1ns is negative: use a duration such as \"30s\", or 0s for no bound")
}

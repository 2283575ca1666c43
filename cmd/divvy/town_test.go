package main

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"divvy/backends/docker"
	"divvy/cmd/internal/config"

	"gonum.org/v1/gonum/stat/distuv"
)

// fits reports whether counts may have come from shares: a chi-square test that
// refuses one right split in a million.
func fits(counts map[string]int, shares map[string]float64) (p float64, ok bool) {
	n, x, df := 0, 0.0, -1.0
	for _, c := range counts {
		n += c
	}
	for version, c := range counts {
		if shares[version] == 0 && c > 0 {
			return 0, false
		}
	}
	for version, share := range shares {
		want := share * float64(n)
		x += (float64(counts[version]) - want) * (float64(counts[version]) - want) / want
		df++
	}
	p = distuv.ChiSquared{K: df}.Survival(x)
	return p, p > 1e-6
}

func TestFitsRefusesAWrongSplit(t *testing.T) {
	t.Parallel()
	shares := map[string]float64{"v1": 0.9, "v2": 0.1}
	f := func(v1, v2, v3 int, want bool) {
		t.Helper()
		if p, ok := fits(map[string]int{"v1": v1, "v2": v2, "v3": v3}, shares); ok != want {
			t.Errorf("%d, %d, %d: passed is %v, p = %v", v1, v2, v3, ok, p)
		}
	}
	f(1802, 198, 0, true)
	f(1700, 300, 0, false)
	f(1900, 100, 0, false)
	f(1800, 199, 1, false)
}

func TestVersionsGetTheirShares(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, v := range []string{"v1", "v2", "v3"} {
		w.image(t, v, v)
		w.start(t, v, v, nil)
	}
	w.open(t, w.config(func(s *config.Service) {
		s.Weights = map[string]int{"v1": 90, "v2": 10}
		s.Override.Networks = []string{"127.0.0.1"}
	}))
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1, "v3": 1})

	client := newClient(t)
	counts := map[string]int{}
	for range 2000 {
		counts[w.get(t, client)]++
	}
	if p, ok := fits(counts, map[string]float64{"v1": 0.9, "v2": 0.1}); !ok {
		t.Errorf("got %v for 90 and 10, p = %v", counts, p)
	}

	// The third is dark: nobody gets it, and whoever may name it does.
	if got := w.get(t, client, "Divvy-Version: v3"); got != "v3" {
		t.Errorf("the override reached %s", got)
	}
	digest := strings.TrimPrefix(w.versions()["v3"].ImageID, "sha256:")
	if got := w.get(t, client, "Divvy-Version: "+digest[:12]); got != "v3" {
		t.Errorf("the override by digest reached %s", got)
	}

	// An edit of the weights holds from the next request on.
	w.edit(t, func(s *config.Service) { s.Weights = map[string]int{"v3": 1} })
	for range 50 {
		if got := w.get(t, client); got != "v3" {
			t.Fatalf("got %s after all weight went to v3", got)
		}
	}
	observed := w.seen.observations()
	last := observed[len(observed)-1]
	if last.Version != w.versions()["v3"].Name || last.ImageID != w.versions()["v3"].ImageID || len(last.Container) != 64 || last.Status != 200 {
		t.Errorf("the answer cannot be traced: %+v", last)
	}
}

// edit changes the configuration while divvy runs.
func (w *town) edit(t *testing.T, change func(*config.Service)) {
	t.Helper()
	c := *w.program.config
	s := c.Services[0]
	change(&s)
	c.Services = []config.Service{s}
	if err := w.program.apply(&c, ""); err != nil {
		t.Fatal(err)
	}
}

func TestAMovedTagMakesTwoVersions(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "old")
	w.start(t, "old", "v1", nil)
	w.open(t, w.config(func(s *config.Service) { s.Weights = map[string]int{"v1": 1} }))
	w.awaitReady(t, map[string]int{"v1": 1})
	w.image(t, "v1", "new") // the tag moves while the old image's container runs
	w.start(t, "new", "v1", nil)

	names := map[string]bool{}
	await(t, "both versions", func() bool {
		ready := 0
		for _, v := range w.service("shop") {
			names[v.Name] = true
			if len(v.Backends) == 1 && v.Backends[0].State == "ready" && v.Tags[0] == "v1" {
				ready++
			}
		}
		return ready == 2
	})
	for name := range names {
		if !strings.HasPrefix(name, "v1@") || len(name) != len("v1@53bff422") {
			t.Errorf("a version is called %s", name)
		}
	}
	client := newClient(t)
	for range 100 {
		if got := w.get(t, client); got != "old" {
			t.Fatalf("%s took the weight of the tag", got)
		}
	}
	await(t, "the move to be told", func() bool {
		return strings.Contains(strings.Join(w.program.status().Problems, "\n"), "service shop: the tag v1 has moved: ")
	})
}

func TestStoppingABackendUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "v1")
	a := w.start(t, "a", "v1", nil)
	w.start(t, "b", "v1", nil)
	w.open(t, w.config(nil))
	w.awaitReady(t, map[string]int{"v1": 2})

	stop := w.load(t)
	await(t, "traffic", func() bool { return w.seen.count() > 500 })
	if err := w.Stop(t.Context(), a, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	after := w.seen.count()
	await(t, "more traffic", func() bool { return w.seen.count() > after+500 })
	sent, failed := stop()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first with: %s", len(failed), sent, failed[0])
	}
	for _, o := range w.seen.observations()[after+100:] {
		if o.Container == a {
			t.Fatal("a request went to the container after it was stopped")
		}
	}
	w.awaitReady(t, map[string]int{"v1": 1})
}

func TestALostEngineLosesNothing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "v1")
	w.image(t, "v2", "v2")
	w.start(t, "a", "v1", nil)
	r := newRelay(t)
	c := w.config(nil)
	c.Docker.Hosts = []docker.Host{{Name: "cut", Endpoint: "unix://" + r.path}}
	w.open(t, c)
	w.awaitReady(t, map[string]int{"v1": 1})

	stop := w.load(t)
	up := func() bool { return w.program.status().Docker[0].Up }
	r.cut()
	await(t, "the loss to be noticed", func() bool { return !up() })
	w.start(t, "b", "v2", nil)
	before := w.seen.count()
	await(t, "traffic without the engine", func() bool { return w.seen.count() > before+500 })
	r.join(t)
	await(t, "the engine to be found again", up)
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1}) // what happened meanwhile is known
	if sent, failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first with: %s", len(failed), sent, failed[0])
	}
}

func TestAUserStays(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, v := range []string{"v1", "v2"} {
		w.image(t, v, v)
		w.start(t, v, v, nil)
	}
	weights := func(v1, v2 int) func(*config.Service) {
		return func(s *config.Service) {
			s.Weights = map[string]int{"v1": v1, "v2": v2}
			s.Sticky.By = []string{"cookie"}
		}
	}
	w.open(t, w.config(weights(80, 20)))
	w.awaitReady(t, map[string]int{"v1": 1, "v2": 1})

	users := make([]*http.Client, 100)
	was := make([]string, len(users))
	got := map[string]int{}
	for i := range users {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		users[i] = newClient(t)
		users[i].Jar = jar
		was[i] = w.get(t, users[i])
		got[was[i]]++
		for range 3 {
			if is := w.get(t, users[i]); is != was[i] {
				t.Fatalf("user %d went from %s to %s", i, was[i], is)
			}
		}
	}
	if len(got) != 2 {
		t.Fatalf("all users got the same version: %v", got)
	}
	// A raise moves users only towards the raised version.
	w.edit(t, weights(50, 50))
	moved := 0
	for i := range users {
		is := w.get(t, users[i])
		if is != was[i] {
			moved++
		}
		if was[i] == "v2" && is != "v2" {
			t.Errorf("user %d was moved off the version that was raised", i)
		}
	}
	if moved == 0 {
		t.Error("nobody moved: from 20 % to 50 % about 30 of 100 should")
	}
}

func TestAComposeProjectNeedsNoFile(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.image(t, "v1", "v1")
	w.image(t, "v2", "v2")
	name := w.Repository() // unlike the services of others on this engine
	labels := func(weight string) map[string]string {
		return map[string]string{"divvy.service": name, "divvy.hosts": name + ".example", "divvy.port": "8080", "divvy.weight": weight, "com.docker.compose.project": name}
	}
	w.start(t, "v1", "v1", labels("90"))
	w.start(t, "v2", "v2", labels("10"))
	stranger := labels("50")
	stranger["com.docker.compose.project"] = "stranger"
	w.start(t, "stranger", "v2", stranger)
	w.open(t, quiet())

	await(t, "the service", func() bool {
		vs := w.service(name)
		return len(vs) == 2 && vs[0].Share == 0.9 && vs[1].Share == 0.1
	})
	client := newClient(t)
	request := func(host string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := request(name + ".example"); got != 200 {
		t.Errorf("the service's host: %d", got)
	}
	if got := request("other.example"); got != 404 {
		t.Errorf("another host: %d", got)
	}
	want := fmt.Sprintf("the label divvy.service=%s is taken by containers of Compose project %s", name, name)
	await(t, "the stranger to be reported", func() bool {
		for _, v := range w.service(name) {
			for _, b := range v.Backends {
				if b.Name == name+"-stranger" {
					return b.State == "invalid" && strings.HasPrefix(b.Reason, want)
				}
			}
		}
		return false
	})
}

// Package demo is what `divvy demo` shows: an application in several versions,
// users who visit it, and a table of how each version does.
package demo

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// App is one version of the application.
type App struct {
	Version string
	Delay   time.Duration // mean of what it takes to answer
	Failing float64       // share of requests that it answers with 500
}

// Versions returns the three versions of the demonstration: one that is in
// production, one that is a little slower, and one that fails now and then.
func Versions() []App {
	return []App{
		{Version: "v1", Delay: 5 * time.Millisecond},
		{Version: "v2", Delay: 12 * time.Millisecond},
		{Version: "v3", Delay: 5 * time.Millisecond, Failing: 0.02},
	}
}

// Args returns the arguments with which divvy runs the application.
func (a App) Args() []string {
	return []string{"demo-app", "--version", a.Version, "--delay", a.Delay.String(), "--failing", fmt.Sprint(a.Failing)}
}

// colour returns the colour in which the version answers.
func (a App) colour() string {
	colours := map[string]string{"v1": "#2563eb", "v2": "#059669", "v3": "#d97706"}
	if c := colours[a.Version]; c != "" {
		return c
	}
	return "#6b7280"
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{.Version}}</title>
<style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: {{.Colour}}; color: #fff; font: 1.1rem system-ui, sans-serif }
h1 { font-size: 22vmin; margin: 0; line-height: 1 } p { opacity: .85; text-align: center }
</style>
<main><h1>{{.Version}}</h1><p>answered by {{.Host}}<br>reload: you stay with {{.Version}}</p></main>
</html>
`))

// ServeHTTP answers with a page in the version's colour, or with a line of
// text for those who do not ask for a page.
func (a App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.Delay > 0 {
		// Most answers are near the mean, a few take much longer, as in life.
		wait := time.Duration(float64(a.Delay) * (0.5 + rand.ExpFloat64()/2))
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
	}
	if rand.Float64() < a.Failing {
		http.Error(w, a.Version+" has a bug", http.StatusInternalServerError)
		return
	}
	host, err := os.Hostname()
	if err != nil {
		host = "somebody"
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		fmt.Fprintf(w, "%s from %s\n", a.Version, host)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Whoever reads the page may be gone by now, which concerns nobody else.
	_ = page.Execute(w, struct {
		Version, Host string
		Colour        template.CSS
	}{a.Version, host, template.CSS(a.colour())})
}

// Serve answers on l until ctx ends, and lets requests in flight finish.
func (a App) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: a, ReadHeaderTimeout: 5 * time.Second}
	stopped := make(chan struct{})
	context.AfterFunc(ctx, func() {
		defer close(stopped)
		late, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		if server.Shutdown(late) != nil {
			server.Close()
		}
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("demo application %s: %w", a.Version, err)
	}
	<-stopped
	return nil
}

// Command app is the application that the tests run in containers: it serves
// HTTP on port 8080, or that in PORT, each answer after the time in DELAY, and with
// FAILING=n every n-th of them an error. It checks its own health as "app check". As "app write PATH TEXT", and at its
// start if WRITE is a path, it writes a file. When it is asked to stop it ends
// what it has begun, unless ABRUPT is set: then it is gone.
package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	run := serve
	if len(os.Args) > 1 && os.Args[1] == "check" {
		run = check
	}
	if len(os.Args) > 3 && os.Args[1] == "write" {
		run = func() error { return write(os.Args[2], os.Args[3]) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func serve() error {
	signal.Ignore(syscall.SIGHUP)
	delay, _ := time.ParseDuration(os.Getenv("DELAY"))
	if path := os.Getenv("WRITE"); path != "" {
		if err := write(path, "written"); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGQUIT)
	defer stop()
	server := &http.Server{Addr: ":" + cmp.Or(os.Getenv("PORT"), "8080"), Handler: answer(delay)}
	drained := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		if os.Getenv("ABRUPT") != "" {
			os.Exit(1)
		}
		drained <- server.Shutdown(context.Background())
	})
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return <-drained
}

func answer(delay time.Duration) http.HandlerFunc {
	host, _ := os.Hostname()
	failing, _ := strconv.ParseInt(os.Getenv("FAILING"), 10, 64)
	var answers atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(delay)
		if failing > 0 && answers.Add(1)%failing == 0 {
			http.Error(w, "one of so many fails", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, os.Getenv("VERSION"), host)
	}
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func check() error {
	resp, err := http.Get("http://127.0.0.1:8080/healthz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("health check: %s", resp.Status)
	}
	return nil
}

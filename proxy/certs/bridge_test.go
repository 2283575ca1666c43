package certs

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
)

func TestWhatTheLibraryLogsIsInOurLog(t *testing.T) {
	t.Parallel()
	f := func(level slog.Level, write func(*zap.Logger), want string) {
		t.Helper()
		var b bytes.Buffer
		write(newBridge(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: level})), new(wait)))
		_, got, _ := strings.Cut(strings.TrimSpace(b.String()), " ") // without the time
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f(slog.LevelInfo, func(l *zap.Logger) { l.Info("a"); l.Warn("a"); l.Debug("a") }, "")
	f(slog.LevelInfo, func(l *zap.Logger) {
		l.Named("obtain").With(zap.String("host", "a")).Error("it failed", zap.Error(errors.New("why")), zap.Int("n", 1))
	}, `level=INFO msg="certmagic: it failed" host=a error=why n=1 logger=obtain`)
	f(slog.LevelDebug, func(l *zap.Logger) { l.Info("a", zap.Strings("names", []string{"b"})) }, `level=DEBUG msg="certmagic: a" names=[b]`)
	f(slog.LevelDebug, func(l *zap.Logger) { l.Error("will retry", zap.Duration("retrying_in", time.Minute)) }, "")
}

func TestHowLongAnAuthorityWantsToBeLeftAloneIsLearnt(t *testing.T) {
	t.Parallel()
	f := func(status int, value string, want time.Duration) {
		t.Helper()
		w := new(wait)
		l := slog.New(zapslog.NewHandler(newBridge(slog.New(slog.DiscardHandler), w).Core())) // as the library does
		l.Debug("http request", "url", "https://a/", "response_headers", http.Header{"Retry-After": {value}}, "status_code", status)
		var got time.Duration
		if end := w.end(); !end.IsZero() {
			got = time.Until(end).Round(time.Minute)
		}
		if got != want {
			t.Errorf("%d with %q: got %v, want %v", status, value, got, want)
		}
	}
	f(429, "120", 2*time.Minute)
	f(503, "120", 2*time.Minute)
	f(200, "120", 0) // polling has its own
	f(429, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), time.Hour)
	f(429, "99999999", longestWait)
	f(429, "-1", 0)
	f(429, "soon", 0)
	f(429, "", 0)
}

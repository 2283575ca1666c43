package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/libdns/libdns"
	"go.uber.org/zap"
)

// What a hook is told to do.
const (
	present = "present"
	cleanup = "cleanup"
)

// maxComplaint bounds what is kept of what a hook says when it fails, in bytes.
const maxComplaint = 1 << 10

// hook puts records into the DNS by a command or a webhook. It is a
// certmagic.DNSProvider.
type hook struct{ DNS }

// solver returns what answers DNS-01 by the hook.
func (d DNS) solver(log *zap.Logger) *certmagic.DNS01Solver {
	s := &certmagic.DNS01Solver{}
	s.DNSProvider, s.Resolvers, s.Logger = hook{d}, d.Resolvers, log
	if s.PropagationTimeout = d.Propagation; d.Propagation == 0 {
		s.PropagationTimeout = -1 // zero would be its default
	}
	return s
}

// AppendRecords implements libdns.RecordAppender.
func (h hook) AppendRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return h.all(ctx, present, zone, records)
}

// DeleteRecords implements libdns.RecordDeleter.
func (h hook) DeleteRecords(ctx context.Context, zone string, records []libdns.Record) ([]libdns.Record, error) {
	return h.all(ctx, cleanup, zone, records)
}

func (h hook) all(ctx context.Context, what, zone string, records []libdns.Record) ([]libdns.Record, error) {
	for _, r := range records {
		rr := r.RR()
		fqdn := strings.TrimSuffix(libdns.AbsoluteName(rr.Name, zone), ".") + "."
		if err := h.tell(ctx, what, fqdn, rr.Data); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (h hook) tell(ctx context.Context, what, fqdn, value string) error {
	ctx, stop := context.WithTimeout(ctx, h.Timeout)
	defer stop()
	var err error
	if len(h.Command) > 0 {
		err = h.run(ctx, what, fqdn, value)
	} else {
		err = h.post(ctx, what, fqdn, value)
	}
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("DNS hook: %s %s: it took longer than tls.dns.timeout (%v)", what, fqdn, h.Timeout)
	}
	if err != nil {
		return fmt.Errorf("DNS hook: %s %s: %w", what, fqdn, err)
	}
	return nil
}

func (h hook) run(ctx context.Context, what, fqdn, value string) error {
	args := slices.Concat(h.Command[1:], []string{what, fqdn, value})
	cmd := exec.CommandContext(ctx, h.Command[0], args...)
	cmd.WaitDelay = time.Second // what it started may hold its output open
	complaint := &tail{max: maxComplaint}
	cmd.Stderr = complaint
	err := cmd.Run()
	if text := strings.TrimSpace(complaint.String()); err != nil && text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

func (h hook) post(ctx context.Context, what, fqdn, value string) error {
	body, err := json.Marshal(map[string]string{"fqdn": fqdn, "value": value})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(h.Webhook, "/")+"/"+what, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxComplaint))
	if res.StatusCode/100 != 2 {
		return errors.New(strings.TrimSpace("it answers " + res.Status + " " + string(text)))
	}
	return err
}

// tail keeps the end of what is written.
type tail struct {
	max  int
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.max; over > 0 {
		t.kept = slices.Delete(t.kept, 0, over)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.kept) }

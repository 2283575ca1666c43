package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Client asks a running divvy.
type Client struct {
	// Addr is its admin listener, "host:port" or ":port".
	Addr string
}

// clientTime bounds one question.
const clientTime = 5 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Status returns what the running divvy says of itself.
func (c Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	err := c.get(ctx, "/api/v1/status", func(r io.Reader) error { return json.NewDecoder(r).Decode(&s) })
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// Healthy returns nil if divvy runs.
func (c Client) Healthy(ctx context.Context) error {
	return c.get(ctx, "/healthz", func(io.Reader) error { return nil })
}

func (c Client) get(ctx context.Context, path string, read func(io.Reader) error) error {
	host, port, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("admin listener %q: %w", c.Addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // what listens everywhere listens here
	}
	ctx, stop := context.WithTimeout(ctx, clientTime)
	defer stop()
	addr := net.JoinHostPort(host, port)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		return fmt.Errorf("admin listener %s: %w", addr, err)
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy, whatever the environment says
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("asking the divvy at %s: %w (is it running, with admin.listen set?)", addr, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the divvy at %s: it answers %s", addr, res.Status)
	}
	if err := read(io.LimitReader(res.Body, maxAnswer)); err != nil {
		return fmt.Errorf("asking the divvy at %s: %w", addr, err)
	}
	return nil
}

package admin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"divvy/router/state"
)

// Client asks a running divvy.
type Client struct {
	// Addr is its admin listener, "host:port" or ":port", with "https://"
	// before it if it speaks TLS.
	Addr string

	// Token is sent along, if there is one.
	Token string

	// CA is a PEM file of the authorities to believe, "" for those of the
	// system; Cert and Key are PEM files to say who is asking.
	CA, Cert, Key string

	// Pinned is a PEM file with the very certificate that the listener must show,
	// if CA is "": then nobody has to vouch for it.
	Pinned string
}

// clientTime bounds one question.
const clientTime = 35 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Refused is an answer that says no.
type Refused struct {
	Status  int
	Text    string
	Present *Split // as it is, where an edit was based on another
}

// Error implements error.
func (e *Refused) Error() string { return e.Text }

// Status returns what the running divvy says of itself.
func (c Client) Status(ctx context.Context) (*Status, error) {
	return ask[Status](ctx, c, http.MethodGet, "/api/v1/status", nil)
}

// Healthy returns nil if divvy runs.
func (c Client) Healthy(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, clientTime)
	defer stop()
	res, err := c.do(ctx, http.MethodGet, "/healthz", nil)
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// Service returns a service, its versions and their backends.
func (c Client) Service(ctx context.Context, name string) (*Service, error) {
	return ask[Service](ctx, c, http.MethodGet, pathOf(name, ""), nil)
}

// Split returns who gets what of a service.
func (c Client) Split(ctx context.Context, service string) (*Split, error) {
	return ask[Split](ctx, c, http.MethodGet, pathOf(service, "/split"), nil)
}

// History returns the edits of a service, the latest first.
func (c Client) History(ctx context.Context, service string) ([]state.Entry, error) {
	all, err := ask[[]state.Entry](ctx, c, http.MethodGet, pathOf(service, "/history"), nil)
	if err != nil {
		return nil, err
	}
	return *all, nil
}

// Decide asks which version would answer a request.
func (c Client) Decide(ctx context.Context, service string, q Question) (*Explanation, error) {
	return ask[Explanation](ctx, c, http.MethodPost, pathOf(service, "/decide"), q)
}

// Edit makes an edit of a kind.
func (c Client) Edit(ctx context.Context, service string, kind state.Kind, change Change) (*Edited, error) {
	method, path := http.MethodPost, "/"+string(kind)
	switch kind {
	case state.Weights:
		method, path = http.MethodPatch, "/split"
	case state.Replace:
		method, path = http.MethodPut, "/split"
	}
	return ask[Edited](ctx, c, method, pathOf(service, path), change)
}

// RotateKey asks for a new key for cookies.
func (c Client) RotateKey(ctx context.Context, forget bool) error {
	_, err := ask[struct{}](ctx, c, http.MethodPost, "/api/v1/keys/rotate", Rotation{Forget: forget})
	return err
}

// Events calls f for what changes, until ctx ends or f returns an error. When the
// stream ends it is opened anew, and goes on where it was; an event "lost" says
// that some may be missing.
func (c Client) Events(ctx context.Context, f func(any) error) error {
	last := ""
	for first := true; ; first = false {
		err := c.stream(ctx, &last, f)
		refused := new(Refused)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errListener), errors.As(err, &refused) && refused.Status < 500, err != nil && first:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// errListener is an error of whoever listens.
var errListener = errors.New("passing on an event")

// stream reads events after the last one until the stream ends.
func (c Client) stream(ctx context.Context, last *string, f func(any) error) error {
	res, err := c.do(ctx, http.MethodGet, "/api/v1/events", nil, "Last-Event-ID", *last)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			*last = id
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var e Event
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return fmt.Errorf("reading events of the divvy at %s: %w", c.Addr, err)
		}
		if err := f(e); err != nil {
			return fmt.Errorf("%w: %w", errListener, err)
		}
	}
	return nil
}

func pathOf(service, rest string) string {
	return "/api/v1/services/" + url.PathEscape(service) + rest
}

// ask sends a question and reads the answer.
func ask[T any](ctx context.Context, c Client, method, path string, body any) (*T, error) {
	ctx, stop := context.WithTimeout(ctx, clientTime)
	defer stop()
	res, err := c.do(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := new(T)
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return nil, fmt.Errorf("asking the divvy at %s: %w", c.Addr, err)
	}
	return out, nil
}

// do sends a question and returns the answer, which says yes.
func (c Client) do(ctx context.Context, method, path string, body any, header ...string) (*http.Response, error) {
	base, addr, err := c.base()
	if err != nil {
		return nil, err
	}
	var data []byte
	if body != nil {
		if data, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("asking the divvy at %s: %w", addr, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("admin listener %s: %w", addr, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy, whatever the environment says
	if transport.TLSClientConfig, err = c.tls(); err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the divvy at %s: %w (is it running, with admin.listen set?)", addr, unwrapURL(err))
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.refused(res, addr)
}

// base returns the beginning of every address that is asked, and what stands
// for it in errors.
func (c Client) base() (base, addr string, err error) {
	scheme := "http://"
	addr, secure := strings.CutPrefix(c.Addr, "https://")
	if secure {
		scheme = "https://"
	}
	addr = strings.TrimSuffix(strings.TrimPrefix(addr, "http://"), "/")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", "", fmt.Errorf("admin listener %q: %w", c.Addr, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // what listens everywhere listens here
	}
	addr = net.JoinHostPort(host, port)
	return scheme + addr, addr, nil
}

// unwrapURL leaves out what is said anyway: the method and the address.
func unwrapURL(err error) error {
	if e := new(url.Error); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func (c Client) tls() (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pool, err := readPool(c.CA)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		out.RootCAs = pool
	}
	if c.CA == "" && c.Pinned != "" {
		data, err := os.ReadFile(c.Pinned)
		if err != nil {
			return nil, fmt.Errorf("certificate of the admin listener: %w", err)
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("certificate of the admin listener: %s holds no certificate in PEM", c.Pinned)
		}
		out.InsecureSkipVerify = true // by the usual rules: it is compared instead
		out.VerifyConnection = func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, block.Bytes) {
				return fmt.Errorf("it shows another certificate than that in %s", c.Pinned)
			}
			return nil
		}
	}
	if c.Cert != "" || c.Key != "" {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s and key %s: %w", c.Cert, c.Key, err)
		}
		out.Certificates = []tls.Certificate{cert}
	}
	return out, nil
}

// refused returns an answer that says no as an error.
func (c Client) refused(res *http.Response, addr string) error {
	var p problem
	data, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if strings.Contains(string(data), "HTTP request to an HTTPS server") {
		return fmt.Errorf("asking the divvy at %s: it speaks TLS: use https://%s", addr, addr)
	}
	if json.Unmarshal(data, &p) != nil || p.Error == "" {
		p.Error = fmt.Sprintf("asking the divvy at %s: it answers %s", addr, res.Status)
	}
	return &Refused{Status: res.StatusCode, Text: p.Error, Present: p.Present}
}

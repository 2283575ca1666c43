package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/docker/docker/client"
)

// A connection to a machine that has vanished ends after 25 seconds without an
// answer, so that nobody goes on reading events from it.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// dialTimeout bounds how long it takes to connect.
const dialTimeout = 10 * time.Second

// dial returns a client that has not agreed on a version with the engine yet.
func (h Host) dial() (*client.Client, error) {
	endpoint, err := parseEndpoint(h.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("docker host %s: endpoint: %w", h, err)
	}
	secure, err := h.tls(endpoint)
	if err != nil {
		return nil, fmt.Errorf("docker host %s: %w", h, err)
	}
	transport := &http.Transport{
		MaxIdleConns:        6, // as the library has it
		IdleConnTimeout:     30 * time.Second,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: dialTimeout,
	}
	opts := []client.Opt{
		client.WithUserAgent(userAgent),
		client.WithVersionFromEnv(),
		client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect}),
	}
	api, err := client.NewClientWithOpts(append(opts, h.route(endpoint)...)...)
	if err != nil {
		return nil, fmt.Errorf("docker host %s: %w", h, err)
	}
	if endpoint.Scheme == "ssh" {
		transport.Proxy = nil // the way is ssh's business
	}
	return api, nil
}

// route returns the options that lead to the endpoint.
func (h Host) route(endpoint *url.URL) []client.Opt {
	switch {
	case endpoint.Scheme == "ssh":
		program := sshArgs(endpoint)
		return []client.Opt{
			client.WithHost("http://docker.example.com"), // as the docker command does; nobody looks it up
			client.WithDialContext(func(context.Context, string, string) (net.Conn, error) { return dialProgram(program) }),
		}
	case h.overTCP():
		dialer := &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: keepAlive}
		return []client.Opt{client.WithHost(h.Endpoint), client.WithDialContext(dialer.DialContext)}
	default:
		return []client.Opt{client.WithHost(h.Endpoint)}
	}
}

// base returns what the URLs of the engine's API begin with, for requests that
// the library has no method for. Its own client finds the way.
func (h Host) base() (*url.URL, error) {
	endpoint, err := parseEndpoint(h.Endpoint)
	switch {
	case err != nil:
		return nil, err
	case !h.overTCP():
		return &url.URL{Scheme: "http", Host: client.DummyHost}, nil
	case h.secure(endpoint):
		return &url.URL{Scheme: "https", Host: endpoint.Host, Path: endpoint.Path}, nil
	}
	return &url.URL{Scheme: "http", Host: endpoint.Host, Path: endpoint.Path}, nil
}

// secure reports whether TLS is spoken with the engine.
func (h Host) secure(endpoint *url.URL) bool {
	return h.CA != "" || h.Cert != "" || endpoint.Scheme == "https"
}

// tls returns how to speak TLS with the engine, nil if not at all. The files are
// read each time, so that new certificates count from the next connection on.
func (h Host) tls(endpoint *url.URL) (*tls.Config, error) {
	if !h.secure(endpoint) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: h.insecure}
	if h.CA != "" && !h.insecure {
		text, err := os.ReadFile(h.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("ca: there is no certificate in %s: use a PEM file", h.CA)
		}
	}
	if h.Cert != "" {
		pair, err := tls.LoadX509KeyPair(h.Cert, h.Key)
		var notFound *os.PathError
		switch {
		case errors.As(err, &notFound) && notFound.Path == h.Key:
			return nil, fmt.Errorf("key: %w", err)
		case err != nil:
			return nil, fmt.Errorf("cert: %s", strings.TrimPrefix(err.Error(), "tls: "))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

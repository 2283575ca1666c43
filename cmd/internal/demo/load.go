package demo

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Load is users who visit the application. It is bounded in rate, in what is
// under way at once, and in total.
type Load struct {
	URL   string
	Users int           // each keeps its cookies
	Every time.Duration // from one request to the next
	Total int           // requests, after which it ends
}

// maxAtOnce bounds the requests that are under way.
const maxAtOnce = 32

// Run sends requests until ctx ends or there were enough, and returns when the
// last has ended. What becomes of them is for the proxy to tell.
func (l *Load) Run(ctx context.Context) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: maxAtOnce}}
	defer client.CloseIdleConnections()
	users := make([]visitor, l.Users)
	room := make(chan struct{}, maxAtOnce)
	tick := time.NewTicker(l.Every)
	defer tick.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range l.Total {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		select {
		case room <- struct{}{}:
		default:
			continue // the proxy is behind: do not add to it
		}
		u := &users[rand.IntN(len(users))]
		wg.Go(func() {
			defer func() { <-room }()
			u.visit(ctx, client, l.URL)
		})
	}
	<-ctx.Done()
	return nil
}

// visitor is one user and the cookies that it was given.
type visitor struct {
	mu      sync.Mutex // guards cookies
	cookies []*http.Cookie
}

func (v *visitor) visit(ctx context.Context, client *http.Client, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	v.mu.Lock()
	for _, c := range v.cookies {
		req.AddCookie(c)
	}
	v.mu.Unlock()
	res, err := client.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	if c := res.Cookies(); len(c) > 0 {
		v.mu.Lock()
		v.cookies = c
		v.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
}

package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// Bounds of one look at what a container has written into its own layer.
const (
	changesTime  = 5 * time.Second
	maxListing   = 4 << 20 // bytes of the engine's answer, some 50,000 paths
	maxChanges   = 100     // changes that are kept
	maxQuestions = 16      // changed paths of which it is asked whether they are folders
)

// Change is a path of a container that differs from its image.
type Change struct {
	Path string
	Kind string    // "added", "changed" or "deleted"
	Seen time.Time // when it was found first
}

// String says what differs.
func (c Change) String() string { return c.Kind + " " + plain(c.Path) }

// kinds are the kinds of change as the engine counts them.
var kinds = [...]string{
	container.ChangeModify: "changed",
	container.ChangeAdd:    "added",
	container.ChangeDelete: "deleted",
}

// Changes is what a look has found.
type Changes struct {
	Found []Change // by path, at most maxChanges

	// Unsure are paths that were changed, of which the engine, or a proxy before
	// it, does not say whether they are folders: then they may count for nothing.
	Unsure []Change

	// Partial means that there may be others.
	Partial bool
}

// Changes looks at what a container has written into its own layer. What counts
// for nothing is left out: folders in which only something else has changed, and
// the paths of ignore.
//
// The library would read an answer of any length, and a container may have
// written a million files, so this reads the answer itself.
func (c *Client) Changes(ctx context.Context, id string, ignore Ignore) (Changes, error) {
	ctx, stop := context.WithTimeout(ctx, changesTime)
	defer stop()
	fail := func(err error) (Changes, error) {
		return Changes{}, fmt.Errorf("container %.12s: reading what it has changed: %w", id, err)
	}
	api, err := c.negotiated(ctx)
	if err != nil {
		return fail(err)
	}
	body, err := c.host.raw(ctx, api, "/containers/"+id+"/changes")
	if err != nil {
		return fail(err)
	}
	defer body.Close()
	list, whole, err := decodeChanges(body, maxListing)
	if err != nil {
		return fail(err)
	}
	isFolder := func(p string) (folder, known bool) {
		stat, err := api.ContainerStatPath(ctx, id, p)
		return err == nil && stat.Mode.IsDir(), err == nil
	}
	out := evidence(list, ignore, isFolder)
	out.Partial = out.Partial || !whole
	return out, nil
}

// raw asks the engine for a path and returns the answer's body.
func (h Host) raw(ctx context.Context, api *client.Client, path string) (io.ReadCloser, error) {
	at, err := h.base()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.JoinPath("v"+api.ClientVersion(), path).String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := api.HTTPClient().Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return res.Body, nil
	case http.StatusNotFound:
		err = ErrGone
	default:
		err = fmt.Errorf("the engine answers %s", res.Status)
	}
	_ = res.Body.Close()
	return nil, err
}

// decodeChanges reads a list of changes up to a number of bytes, and reports
// whether that was all. An engine that has none answers null.
func decodeChanges(r io.Reader, limit int64) (list []container.FilesystemChange, whole bool, err error) {
	bounded := &io.LimitedReader{R: r, N: limit}
	d := json.NewDecoder(bounded)
	t, err := d.Token()
	if err != nil || t == nil {
		return nil, true, err
	}
	if t != json.Delim('[') {
		return nil, false, errors.New("the engine's answer is no list")
	}
	for d.More() {
		var c container.FilesystemChange
		if err := d.Decode(&c); err != nil {
			if bounded.N <= 0 {
				return list, false, nil
			}
			return nil, false, err
		}
		list = append(list, c)
	}
	if _, err := d.Token(); err != nil && bounded.N > 0 {
		return nil, false, err
	} else if err != nil {
		return list, false, nil
	}
	return list, true, nil
}

// evidence returns those of a list that count, by path. The engine lists a
// folder whenever something in it has changed, which is no change of its own, and
// does not say what is a folder: one in which nothing is listed was changed by
// what is gone again, so isFolder is asked about it. It answers whether that is
// known, too: what nobody knows is no evidence.
func evidence(list []container.FilesystemChange, ignore Ignore, isFolder func(path string) (folder, known bool)) Changes {
	var out Changes
	asked := 0
	for _, c := range candidates(list, ignore) {
		if len(out.Found) == maxChanges {
			out.Partial = true
			break
		}
		folder, known := false, true
		if c.Kind == kinds[container.ChangeModify] {
			if asked == maxQuestions {
				out.Partial = true
				continue
			}
			asked++
			folder, known = isFolder(c.Path)
		}
		switch {
		case !known:
			out.Unsure = append(out.Unsure, c)
		case !folder:
			out.Found = append(out.Found, c)
		}
	}
	return out
}

// candidates returns those of a list that may count, by path: those in which
// nothing else is listed, and that are not ignored.
func candidates(list []container.FilesystemChange, ignore Ignore) []Change {
	parents := map[string]bool{}
	for _, c := range list {
		for p := path.Dir(c.Path); p != "/" && p != "." && !parents[p]; p = path.Dir(p) {
			parents[p] = true
		}
	}
	var all []Change
	for _, c := range list {
		if parents[c.Path] || c.Path == "/" || int(c.Kind) >= len(kinds) || ignore.Path(c.Path) {
			continue
		}
		all = append(all, Change{Path: c.Path, Kind: kinds[c.Kind]})
	}
	slices.SortFunc(all, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// MadeByMounts reports whether the engine made a path to mount something there.
func MadeByMounts(p string, mounts []Mount) bool {
	return slices.ContainsFunc(mounts, func(m Mount) bool {
		return m.Destination == p || strings.HasPrefix(m.Destination, strings.TrimRight(p, "/")+"/")
	})
}

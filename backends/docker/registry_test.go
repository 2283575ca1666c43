package docker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/image"
)

// registry is a registry of the test's own. An image that was built has no
// digest to be started by, nor has one that nobody serves.
type registry struct {
	host string // and its port

	mu    sync.Mutex
	blobs map[string][]byte // by digest, and manifests by tag, too
}

// newRegistry serves on l until the test ends.
func newRegistry(t *testing.T, l net.Listener) *registry {
	t.Helper()
	r := &registry{host: l.Addr().String(), blobs: map[string][]byte{}}
	server := &http.Server{Handler: r}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return r
}

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	blob, ok := r.blobs[path.Base(req.URL.Path)]
	r.mu.Unlock()
	if req.URL.Path != "/v2/" && !ok {
		http.NotFound(w, req)
		return
	}
	if strings.Contains(req.URL.Path, "/manifests/") {
		w.Header().Set("Content-Type", manifestType)
		w.Header().Set("Docker-Content-Digest", digestOf(blob))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(blob)))
	_, _ = w.Write(blob)
}

// push makes an image that runs program with config, names it tag in every
// repository, and returns its digest.
func (r *registry) push(t *testing.T, tag string, program []byte, config map[string]any) string {
	t.Helper()
	layer, diff := compress(t, program)
	image := encode(t, map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{diff}},
	})
	manifest := encode(t, map[string]any{
		"schemaVersion": 2,
		"mediaType":     manifestType,
		"config":        descriptor("application/vnd.docker.container.image.v1+json", image),
		"layers":        []any{descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)},
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range [][]byte{layer, image, manifest} {
		r.blobs[digestOf(b)] = b
	}
	r.blobs[tag] = manifest
	return digestOf(manifest)
}

// pull has the engine of l pull an image that runs program by digest, and
// returns the reference.
func pull(t *testing.T, l *Lab, program []byte) string {
	t.Helper()
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t, listener)
	digest := r.push(t, "v1", program, map[string]any{
		"Entrypoint":   []string{"/app"},
		"ExposedPorts": map[string]any{"8080/tcp": struct{}{}},
		"Labels":       map[string]string{LabelLab: l.name},
	})
	ref := r.host + "/" + l.name + "@" + digest
	progress, err := l.api.ImagePull(t.Context(), ref, image.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer progress.Close()
	if err := loadResult(progress); err != nil {
		t.Fatal(err)
	}
	return ref
}

// compress returns a layer with program as /app, and the digest of what is in it.
func compress(t *testing.T, program []byte) (layer []byte, diff string) {
	t.Helper()
	plain, err := pack([]entry{{name: "app", mode: 0o755, data: program}})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	diff = digestOf(plain.Bytes())
	if _, err := io.Copy(z, plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes(), diff
}

func descriptor(kind string, blob []byte) map[string]any {
	return map[string]any{"mediaType": kind, "size": len(blob), "digest": digestOf(blob)}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

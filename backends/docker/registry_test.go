package docker

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
)

// pull serves an image that runs program from a registry of its own, has the
// engine of l pull it by digest, and returns the reference. An image that was
// built has no digest to be started by.
func pull(t *testing.T, l *Lab, program []byte) string {
	t.Helper()
	layer, diff := compress(t, program)
	config := encode(t, map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config": map[string]any{
			"Entrypoint":   []string{"/app"},
			"ExposedPorts": map[string]any{"8080/tcp": struct{}{}},
			"Labels":       map[string]string{LabelLab: l.name},
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{diff}},
	})
	const kind = "application/vnd.docker.distribution.manifest.v2+json"
	manifest := encode(t, map[string]any{
		"schemaVersion": 2,
		"mediaType":     kind,
		"config":        descriptor("application/vnd.docker.container.image.v1+json", config),
		"layers":        []any{descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer)},
	})
	blobs := map[string][]byte{}
	for _, b := range [][]byte{layer, config, manifest} {
		blobs[digestOf(b)] = b
	}
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		blob, ok := blobs[digest]
		if r.URL.Path != "/v2/" && !ok {
			http.NotFound(w, r)
			return
		}
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Content-Type", kind)
		}
		_, _ = w.Write(blob)
	}))
	defer registry.Close()

	ref := strings.TrimPrefix(registry.URL, "http://") + "/" + l.name + "@" + digestOf(manifest)
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

package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
)

// ImageSpec says what an image consists of. It has no parent.
type ImageSpec struct {
	Files      map[string]File // by absolute path
	Entrypoint []string
	Cmd        []string
	Env        map[string]string
	Expose     []int // TCP ports
	Labels     map[string]string
	Health     *HealthCheck
	StopSignal string
	User       string
}

// File is a file of an image: either Data, or a copy of the file at Source.
type File struct {
	Source string
	Data   []byte
	Mode   fs.FileMode // zero stands for 0644
}

// HealthCheck is a command that the engine runs in the container to find out
// whether it is healthy. Zero durations and numbers stand for the engine's
// defaults.
type HealthCheck struct {
	Command     []string
	Interval    time.Duration
	Timeout     time.Duration
	StartPeriod time.Duration
	Retries     int
}

// Image makes an image, names it Repository():tag, and returns its ID. In one
// lab the same contents always make the same image.
//
// The image is written here and loaded in one request. A builder would take a
// container for each line of its file, differs from engine to engine, and may
// want a session; importing a file system cannot set a stop signal.
func (l *Lab) Image(ctx context.Context, tag string, spec ImageSpec) (string, error) {
	var id string
	err := l.making(ctx, "image "+tag, func(ctx context.Context) error {
		name := l.name + ":" + tag
		archive, err := spec.archive(name, l.name)
		if err != nil {
			return err
		}
		answer, err := l.api.ImageLoad(ctx, archive, client.ImageLoadWithQuiet(true))
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if err := loadResult(answer.Body); err != nil {
			return err
		}
		made, err := l.api.ImageInspect(ctx, name)
		id = made.ID
		return err
	})
	return id, err
}

// loadResult reads what the engine says to the end: it answers 200 before it
// knows whether it will succeed.
func loadResult(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var message struct{ Error string }
		err := d.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the engine's answer: %w", err)
		case message.Error != "":
			return errors.New(strings.TrimSpace(message.Error))
		}
	}
}

// archive returns what "docker save" would write of the image. It depends on
// the contents alone, not on the time, and so does the image's ID.
//
//	manifest.json   the names of the image, and which file is what
//	config.json     how to run it; refers to the layer by digest
//	layer.tar       its files
func (spec *ImageSpec) archive(name, lab string) (io.Reader, error) {
	layer, err := spec.layer()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       spec.config(lab),
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{digestOf(layer)}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal([]map[string]any{
		{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}},
	})
	if err != nil {
		return nil, err
	}
	return pack([]entry{
		{name: "config.json", data: config},
		{name: "layer.tar", data: layer},
		{name: "manifest.json", data: manifest},
	})
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func (spec *ImageSpec) config(lab string) *container.Config {
	c := &container.Config{
		Entrypoint:   spec.Entrypoint,
		Cmd:          spec.Cmd,
		Labels:       map[string]string{LabelLab: lab},
		StopSignal:   spec.StopSignal,
		User:         spec.User,
		ExposedPorts: nat.PortSet{},
	}
	maps.Copy(c.Labels, spec.Labels)
	c.Env = environment(spec.Env)
	for _, port := range spec.Expose {
		c.ExposedPorts[nat.Port(strconv.Itoa(port)+"/tcp")] = struct{}{}
	}
	if h := spec.Health; h != nil {
		c.Healthcheck = &container.HealthConfig{
			Test:        append([]string{"CMD"}, h.Command...),
			Interval:    h.Interval,
			Timeout:     h.Timeout,
			StartPeriod: h.StartPeriod,
			Retries:     h.Retries,
		}
	}
	return c
}

// environment returns "NAME=value" for each variable, by name.
func environment(env map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		all = append(all, name+"="+env[name])
	}
	return all
}

// layer returns the archive of the image's files and their directories. To
// those that it does not find there the engine would let only root in.
func (spec *ImageSpec) layer() ([]byte, error) {
	var entries []entry
	made := map[string]bool{"/": true}
	for _, name := range slices.Sorted(maps.Keys(spec.Files)) {
		file := spec.Files[name]
		name = path.Clean("/" + name)
		var parents []entry
		for dir := path.Dir(name); !made[dir]; dir = path.Dir(dir) {
			made[dir] = true
			parents = append(parents, entry{name: dir + "/", mode: 0o755})
		}
		slices.Reverse(parents)
		data := file.Data
		if file.Source != "" {
			var err error
			if data, err = os.ReadFile(file.Source); err != nil {
				return nil, err
			}
		}
		entries = append(append(entries, parents...), entry{name: name, mode: file.Mode, data: data})
	}
	r, err := pack(entries)
	if err != nil {
		return nil, err
	}
	return r.Bytes(), nil
}

// entry is a file of an archive, or a directory if its name ends in a slash.
type entry struct {
	name string
	mode fs.FileMode // zero stands for 0644
	data []byte
}

func pack(entries []entry) (*bytes.Buffer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, e := range entries {
		if e.mode == 0 {
			e.mode = 0o644
		}
		h := &tar.Header{Name: strings.TrimPrefix(e.name, "/"), Mode: int64(e.mode.Perm()), Size: int64(len(e.data))}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	return &archive, w.Close()
}

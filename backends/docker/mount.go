package docker

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// Mount is something that is mounted into a container.
type Mount struct {
	Destination string // where, in the container

	// Lasting means that it is of the host or a volume, so that what is written
	// into it outlives the container and may come from another.
	Lasting  bool
	Writable bool

	what string // for people
}

// String says what is mounted where.
func (m Mount) String() string { return m.what + " at " + plain(m.Destination) }

// decodeMounts returns the mounts of an inspection, by destination.
func decodeMounts(in *container.InspectResponse) []Mount {
	var all []Mount
	for _, m := range in.Mounts {
		d := Mount{Destination: m.Destination, Writable: m.RW, Lasting: m.Type != mount.TypeTmpfs}
		switch {
		case m.Type == mount.TypeBind:
			d.what = "the host's " + plain(m.Source)
		case m.Type == mount.TypeVolume && m.Name != "" && !anonymous.MatchString(m.Name):
			d.what = "the volume " + plain(m.Name)
		default:
			d.what = "a " + plain(string(m.Type))
		}
		all = append(all, d)
	}
	if in.HostConfig != nil {
		for to := range in.HostConfig.Tmpfs {
			all = append(all, Mount{Destination: to, Writable: true, what: "a tmpfs"})
		}
	}
	slices.SortFunc(all, func(a, b Mount) int { return strings.Compare(a.Destination, b.Destination) })
	return all
}

// decodeCheck returns the command of the container's health check as the events
// have it that tell of each run: the words with a blank between them. It is ""
// if there is none.
func decodeCheck(in *container.Config) string {
	if in.Healthcheck == nil || len(in.Healthcheck.Test) == 0 {
		return ""
	}
	kind, words := in.Healthcheck.Test[0], in.Healthcheck.Test[1:]
	switch kind {
	case "CMD":
	case "CMD-SHELL":
		shell := []string(in.Shell)
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		words = slices.Concat(shell, words)
	default:
		return ""
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

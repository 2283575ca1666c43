package docker

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"divvy/backends"
)

// Fingerprint is what shapes a container's behaviour beside its image. Each part
// is a keyed hash, made where the engine's answer is read, so that nothing that
// may be secret goes any further. Only fingerprints of one key can be compared.
//
// Ports and networks are no part of it: they say where a container answers, not
// what. Limits are: who compares the times of two versions must know that their
// containers get the same. So is what a process may do, which decides what works.
type Fingerprint struct {
	env   map[string]string // by variable
	parts map[string]string // by the name of the part, for people
	short string            // of all that, with nothing ignored
}

// perContainer are variables that differ between containers by their nature.
var perContainer = []string{"HOSTNAME"}

// anonymous is the name of a volume that was made for one container.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// fingerprint reads an inspection.
func fingerprint(key []byte, in *container.InspectResponse) Fingerprint {
	f := Fingerprint{env: map[string]string{}, parts: map[string]string{}}
	sum := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // what has been read from JSON can be written as such
		}
		h := hmac.New(sha256.New, key)
		h.Write(text)
		return string(h.Sum(nil)[:16])
	}
	for _, entry := range in.Config.Env {
		name, _, _ := strings.Cut(entry, "=")
		if !slices.Contains(perContainer, name) {
			f.env[name] = sum(entry)
		}
	}
	f.parts["entrypoint"] = sum(append([]string{}, in.Config.Entrypoint...))
	f.parts["command"] = sum(append([]string{}, in.Config.Cmd...))
	f.parts["working directory"] = sum(in.Config.WorkingDir)
	f.parts["user"] = sum(in.Config.User)
	f.parts["mounts"] = sum(mountsOf(in))
	if h := in.HostConfig; h != nil {
		f.parts["limits"] = sum(limitsOf(&h.Resources))
		f.parts["privileges"] = sum([]any{
			h.Privileged, h.ReadonlyRootfs, sorted(h.CapAdd), sorted(h.CapDrop), sorted(h.SecurityOpt),
		})
	}
	f.short = f.digits(nil)
	return f
}

// mountsOf returns what is mounted where, in the order of the places.
func mountsOf(in *container.InspectResponse) []string {
	var all []string
	for _, m := range in.Mounts {
		source := m.Source
		if m.Name != "" {
			source = m.Name // whose place on the host says nothing
		}
		if anonymous.MatchString(source) {
			source = ""
		}
		all = append(all, fmt.Sprint(m.Destination, "\x00", m.Type, "\x00", source, "\x00", m.RW))
	}
	if in.HostConfig != nil {
		for to, options := range in.HostConfig.Tmpfs {
			all = append(all, fmt.Sprint(to, "\x00tmpfs\x00", options))
		}
	}
	return sorted(all)
}

// limitsOf returns what bounds the resources of a container.
func limitsOf(r *container.Resources) []any {
	pids := int64(0)
	if r.PidsLimit != nil {
		pids = max(*r.PidsLimit, 0) // -1 is none, too
	}
	var ulimits []string
	for _, u := range r.Ulimits {
		ulimits = append(ulimits, u.String())
	}
	return []any{r.Memory, r.NanoCPUs, r.CPUQuota, r.CPUPeriod, r.CPUShares, r.CpusetCpus, pids, sorted(ulimits)}
}

// sorted returns a list in order, and an empty one for none.
func sorted[S ~[]string](list S) []string {
	return append([]string{}, slices.Sorted(slices.Values(list))...)
}

// Short returns a few digits that are the same for containers that are
// configured alike, but for the variables that are ignored; "" if nothing is
// known.
func (f *Fingerprint) Short(ignore Ignore) string {
	if f.short == "" || !ignore.hasVariables() {
		return f.short
	}
	return f.digits(ignore)
}

func (f *Fingerprint) digits(ignore Ignore) string {
	h := sha256.New()
	for _, kind := range []map[string]string{f.parts, f.env} {
		for _, name := range slices.Sorted(maps.Keys(kind)) {
			if !ignore.Variable(name) {
				fmt.Fprintf(h, "%s=%x\n", name, kind[name])
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}

// Differences names the parts by which two containers are configured
// differently, the variables of the environment among them.
func (f *Fingerprint) Differences(o *Fingerprint, ignore Ignore) []string {
	var all, variables []string
	for _, name := range union(f.env, o.env) {
		if f.env[name] != o.env[name] && !ignore.Variable(name) {
			variables = append(variables, plain(name))
		}
	}
	if len(variables) > 0 {
		all = append(all, "environment ("+backends.Enumerate(variables)+")")
	}
	for _, name := range union(f.parts, o.parts) {
		if f.parts[name] != o.parts[name] {
			all = append(all, name)
		}
	}
	return all
}

// union returns the keys of both maps, in order.
func union(a, b map[string]string) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

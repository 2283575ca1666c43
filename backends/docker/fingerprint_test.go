package docker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
)

// configured returns the inspection of a container after a change.
func configured(change func(*container.InspectResponse)) *container.InspectResponse {
	in := &container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{}},
		Config: &container.Config{
			Env: []string{"PATH=/bin", "SECRET=hunter2", "HOSTNAME=a"}, Cmd: []string{"serve"}, WorkingDir: "/", User: "app",
		},
		Mounts: []container.MountPoint{{Type: mount.TypeVolume, Name: "data", Destination: "/data", RW: true}},
	}
	if change != nil {
		change(in)
	}
	return in
}

func TestAFingerprintTellsWhatDiffers(t *testing.T) {
	t.Parallel()
	key := []byte("key")
	plain := fingerprint(key, configured(nil))
	f := func(want string, change func(*container.InspectResponse)) {
		t.Helper()
		other := fingerprint(key, configured(change))
		if got := strings.Join(plain.Differences(&other, nil), ", "); got != want {
			t.Errorf("differs in %q, want %q", got, want)
		}
		if same := plain.Short(nil) == other.Short(nil); same != (want == "") {
			t.Errorf("%q: the fingerprints are %s and %s", want, plain.Short(nil), other.Short(nil))
		}
	}
	f("", nil)
	f("", func(in *container.InspectResponse) {
		in.Config.Env = []string{"SECRET=hunter2", "PATH=/bin", "HOSTNAME=b"}
	})
	f("", func(in *container.InspectResponse) { in.Config.Entrypoint = []string{} })
	f("", func(in *container.InspectResponse) { in.Config.Hostname, in.Name = "b", "/b" })
	f("", func(in *container.InspectResponse) { in.Mounts[0].Source = "/var/lib/docker/volumes/elsewhere" })
	f("environment (SECRET)", func(in *container.InspectResponse) { in.Config.Env[1] = "SECRET=hunter3" })
	f("environment (DEBUG)", func(in *container.InspectResponse) { in.Config.Env = append(in.Config.Env, "DEBUG=") })
	f("environment (A, B, C and others)", func(in *container.InspectResponse) {
		in.Config.Env = append(in.Config.Env, "C=1", "A=1", "D=1", "B=1")
	})
	f("command", func(in *container.InspectResponse) { in.Config.Cmd = []string{"serve", "--fast"} })
	f("entrypoint", func(in *container.InspectResponse) { in.Config.Entrypoint = []string{"sh"} })
	f("user, working directory", func(in *container.InspectResponse) { in.Config.User, in.Config.WorkingDir = "root", "/app" })
	f("mounts", func(in *container.InspectResponse) { in.Mounts[0].RW = false })
	f("mounts", func(in *container.InspectResponse) { in.HostConfig.Tmpfs = map[string]string{"/tmp": ""} })
	f("limits", func(in *container.InspectResponse) { in.HostConfig.Memory = 1 << 30 })
	f("privileges", func(in *container.InspectResponse) { in.HostConfig.ReadonlyRootfs = true })

	// A volume without a name has another in each container.
	anonymous := func(digit string) Fingerprint {
		return fingerprint(key, configured(func(in *container.InspectResponse) { in.Mounts[0].Name = strings.Repeat(digit, 64) }))
	}
	a, b := anonymous("a"), anonymous("b")
	if a.Short(nil) != b.Short(nil) {
		t.Error("volumes without names differ")
	}
}

func TestAFingerprintLeavesOutWhatIsIgnored(t *testing.T) {
	t.Parallel()
	of := func(slot string) Fingerprint {
		return fingerprint(nil, configured(func(in *container.InspectResponse) { in.Config.Env[0] = "TASK_SLOT=" + slot }))
	}
	a, b, ignore := of("1"), of("2"), Ignore{"env:TASK_*"}
	if got := a.Differences(&b, ignore); got != nil || a.Short(ignore) != b.Short(ignore) || a.Short(nil) == b.Short(nil) {
		t.Errorf("differs in %q", got)
	}
}

// Whoever sees a fingerprint must not be able to try what the secret is.
func TestAFingerprintGivesNothingAway(t *testing.T) {
	t.Parallel()
	one, other := fingerprint([]byte("one"), configured(nil)), fingerprint([]byte("other"), configured(nil))
	if one.Short(nil) == other.Short(nil) {
		t.Error("it does not depend on the key")
	}
	if len(one.Short(nil)) != 8 {
		t.Errorf("it is shown as %s", one.Short(nil))
	}
	if text := fmt.Sprintf("%+v %#v", one, one); strings.Contains(text, "hunter2") {
		t.Errorf("it holds the secret: %s", text)
	}
	if none := new(Fingerprint); none.Short(nil) != "" {
		t.Errorf("what is not known is shown as %q", none.Short(nil))
	}
}

func TestDecodeMounts(t *testing.T) {
	t.Parallel()
	in := configured(func(in *container.InspectResponse) {
		in.HostConfig.Tmpfs = map[string]string{"/scratch": "size=1m"}
		in.Mounts = append(in.Mounts,
			container.MountPoint{Type: mount.TypeBind, Source: "/srv/app\n", Destination: "/app"},
			container.MountPoint{Type: mount.TypeVolume, Name: strings.Repeat("0", 64), Destination: "/cache", RW: true},
			container.MountPoint{Type: mount.TypeTmpfs, Destination: "/mem", RW: true},
		)
	})
	var got []string
	for _, m := range decodeMounts(in) {
		got = append(got, fmt.Sprint(m, " ", m.Lasting, " ", m.Writable))
	}
	want := []string{
		`the host's "/srv/app\n" at /app true false`, "a volume at /cache true true", "the volume data at /data true true",
		"a tmpfs at /mem false true", "a tmpfs at /scratch false true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDecodeCheck(t *testing.T) {
	t.Parallel()
	f := func(want string, shell []string, test ...string) {
		t.Helper()
		if got := decodeCheck(&container.Config{Shell: shell, Healthcheck: &container.HealthConfig{Test: test}}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("/app check", nil, "CMD", "/app", "check")
	f("/app", nil, "CMD", "/app")
	f("/bin/sh -c curl -f localhost || exit 1", nil, "CMD-SHELL", "curl -f localhost || exit 1")
	f("/bin/bash -e curl localhost", []string{"/bin/bash", "-e"}, "CMD-SHELL", "curl localhost")
	f("", nil, "NONE")
	f("", nil)
}

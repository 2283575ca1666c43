package metrics

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

var example = Snapshot{
	Versions: []VersionStatus{
		{
			Service: "shop", Version: "v1.4.2@210fe938", Tag: "v1.4.2", ImageID: "sha256:210fe938",
			Revision: "8c1f", Created: "2025-05-01T10:00:00Z",
			Weight: 95, Share: 1, Backends: map[string]int{"ready": 3, "draining": 1}, Mutable: 1,
			Ejections: map[string]uint64{"connect": 0, "failures": 2},
		},
		{
			Service: "shop", Version: "v1.5.0@53bff422", Tag: "v1.5.0", ImageID: "sha256:53bff422",
			Weight: 5, Share: 0, Backends: nil,
		},
	},
	Certificates: []CertificateStatus{
		{Host: "shop.example.com", Expiry: time.Unix(1_750_000_000, 0), Failures: 1}, {Host: "new.example.com", Failures: 3},
	},
	Hosts:      []HostStatus{{Name: "h1", Up: true, Errors: 2}, {Name: "h2"}},
	ConfigOK:   true,
	ConfigTime: time.UnixMilli(1_746_000_000_250),
	LogDropped: 7,
}

func TestSnapshotIsReadAtScrapeTime(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Version, p.Revision = "v0.1.0", "abc123"
	now := example
	p.Watch(func() Snapshot { return now })

	want := `divvy_access_log_dropped_total 7
divvy_backend_ejections_total{reason="connect",service="shop",version="v1.4.2@210fe938"} 0
divvy_backend_ejections_total{reason="failures",service="shop",version="v1.4.2@210fe938"} 2
divvy_backends{service="shop",state="draining",version="v1.4.2@210fe938"} 1
divvy_backends{service="shop",state="draining",version="v1.5.0@53bff422"} 0
divvy_backends{service="shop",state="ejected",version="v1.4.2@210fe938"} 0
divvy_backends{service="shop",state="ejected",version="v1.5.0@53bff422"} 0
divvy_backends{service="shop",state="invalid",version="v1.4.2@210fe938"} 0
divvy_backends{service="shop",state="invalid",version="v1.5.0@53bff422"} 0
divvy_backends{service="shop",state="ready",version="v1.4.2@210fe938"} 3
divvy_backends{service="shop",state="ready",version="v1.5.0@53bff422"} 0
divvy_backends{service="shop",state="starting",version="v1.4.2@210fe938"} 0
divvy_backends{service="shop",state="starting",version="v1.5.0@53bff422"} 0
divvy_backends{service="shop",state="unhealthy",version="v1.4.2@210fe938"} 0
divvy_backends{service="shop",state="unhealthy",version="v1.5.0@53bff422"} 0
divvy_build_info{goversion="` + runtime.Version() + `",revision="abc123",version="v0.1.0"} 1
divvy_certificate_expiry_seconds{host="shop.example.com"} 1.75e+09
divvy_certificate_failures_total{host="new.example.com"} 3
divvy_certificate_failures_total{host="shop.example.com"} 1
divvy_config_last_reload_successful 1
divvy_config_last_reload_timestamp_seconds 1.74600000025e+09
divvy_docker_errors_total{host="h1"} 2
divvy_docker_errors_total{host="h2"} 0
divvy_docker_up{host="h1"} 1
divvy_docker_up{host="h2"} 0
divvy_version_info{created="",image_id="sha256:53bff422",revision="",service="shop",tag="v1.5.0",version="v1.5.0@53bff422"} 1
divvy_version_info{created="2025-05-01T10:00:00Z",image_id="sha256:210fe938",revision="8c1f",service="shop",tag="v1.4.2",version="v1.4.2@210fe938"} 1
divvy_version_mutable{service="shop",version="v1.4.2@210fe938"} 1
divvy_version_mutable{service="shop",version="v1.5.0@53bff422"} 0
divvy_version_share{service="shop",version="v1.4.2@210fe938"} 1
divvy_version_share{service="shop",version="v1.5.0@53bff422"} 0
divvy_version_weight{service="shop",version="v1.4.2@210fe938"} 95
divvy_version_weight{service="shop",version="v1.5.0@53bff422"} 5
`
	if got := scrape(t, p, "divvy_"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	now = Snapshot{}
	want = `divvy_access_log_dropped_total 0
divvy_config_last_reload_successful 0
divvy_config_last_reload_timestamp_seconds 0
`
	if got := scrape(t, p, "divvy_a", "divvy_c", "divvy_v"); got != want {
		t.Errorf("later: got\n%s\nwant\n%s", got, want)
	}
}

// Anybody can write anything into the labels of an image.
func TestHostileImageLabelsAreExported(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	p.Watch(func() Snapshot {
		return Snapshot{Versions: []VersionStatus{{
			Service: "s", Version: "v", Revision: "\xff\"} 1\ndivvy_version_info 2", Created: strings.Repeat("long", 1000),
		}}}
	})
	want := `divvy_version_info{created="` + strings.Repeat("long", maxLabel/4) +
		`",image_id="",revision="\"} 1\ndivvy_version_info 2",service="s",tag="",version="v"} 1` + "\n"
	if got := scrape(t, p, "divvy_version_info"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGoAndProcessAreExported(t *testing.T) {
	t.Parallel()
	p := New(DefaultConfig())
	for _, name := range []string{"go_goroutines ", "process_start_time_seconds ", "divvy_build_info{"} {
		if scrape(t, p, name) == "" {
			t.Errorf("no %s", name)
		}
	}
}

package metrics

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Snapshot is what is read when Prometheus asks: what is, as opposed to what
// happened.
type Snapshot struct {
	Versions []VersionStatus // every version that exists, each once
	Hosts    []HostStatus    // every Docker host, each once

	Comparisons []ComparisonStatus // every candidate of a service, each once

	Certificates []CertificateStatus // every host that has or wants one, each once

	ConfigOK   bool      // the last reload succeeded
	ConfigTime time.Time // when the running configuration was loaded

	LogDropped uint64 // see [AccessLog.Dropped]
}

// VersionStatus is the present state of one version.
type VersionStatus struct {
	Service, Version       string // as in [Key]
	Tag, ImageID, Revision string
	Created                string            // when the image was built, as the image says
	Weight                 float64           // as set
	Share                  float64           // effective now, 0..1
	Backends               map[string]int    // how many, by state; a state that is missing has none
	Ejections              map[string]uint64 // so far, by reason
	Mutable                int               // how many may be something else than the image says
}

// HostStatus is the present state of the connection to one Docker host.
type HostStatus struct {
	Name   string
	Up     bool
	Errors uint64 // since the start of divvy
}

// CertificateStatus is the present state of the certificate of one host.
type CertificateStatus struct {
	Host     string
	Expiry   time.Time // zero if there is none yet
	Failures uint64    // to get or renew it, since the start of divvy
}

// states are the states of a backend. Every version exports all of them, so
// that a graph shows zero and not a gap.
var states = [...]string{"starting", "ready", "ejected", "unhealthy", "draining", "invalid"}

// status exports the snapshot and what divvy itself is.
type status struct {
	p           *Prometheus
	comparisons *comparisons

	weight, share, backends, ejections, info *prometheus.Desc
	dockerUp, dockerErrors                   *prometheus.Desc
	reloadOK, reloadTime, dropped            *prometheus.Desc
	build                                    *prometheus.Desc
	mutable                                  *prometheus.Desc
	expiry, certFailures                     *prometheus.Desc
}

func newStatus(p *Prometheus) *status {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &status{
		p: p, comparisons: newComparisons(),
		weight: desc("divvy_version_weight", "Weight of the version as set.", "service", "version"),
		share:  desc("divvy_version_share", "Share of the requests that the version is given now, 0 to 1.", "service", "version"),
		backends: desc("divvy_backends", "Backends of the version by state.",
			"service", "version", "state"),
		ejections: desc("divvy_backend_ejections_total", "Times that a backend of the version was taken out of rotation for what requests saw, by reason.",
			"service", "version", "reason"),
		mutable: desc("divvy_version_mutable", "Backends of the version that may be something else than its image says.",
			"service", "version"),
		info: desc("divvy_version_info", "What the version is; always 1.",
			"service", "version", "tag", "image_id", "revision", "created"),
		dockerUp:     desc("divvy_docker_up", "Whether the Docker host answers.", "host"),
		dockerErrors: desc("divvy_docker_errors_total", "Calls to the Docker host that failed.", "host"),
		reloadOK:     desc("divvy_config_last_reload_successful", "Whether the last reload of the configuration succeeded."),
		reloadTime: desc("divvy_config_last_reload_timestamp_seconds",
			"When the running configuration was loaded, in seconds since 1970."),
		expiry: desc("divvy_certificate_expiry_seconds",
			"When the certificate of the host ends, in seconds since 1970.", "host"),
		certFailures: desc("divvy_certificate_failures_total",
			"Times that the certificate of the host could not be got, renewed or read.", "host"),
		dropped: desc("divvy_access_log_dropped_total", "Lines of the access log that were not written."),
		build:   desc("divvy_build_info", "What divvy itself is; always 1.", "version", "revision", "goversion"),
	}
}

func (s *status) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		s.weight, s.share, s.backends, s.ejections, s.mutable, s.info, s.dockerUp, s.dockerErrors, s.expiry, s.certFailures, s.reloadOK, s.reloadTime, s.dropped, s.build,
	} {
		ch <- d
	}
	s.comparisons.describe(ch)
}

func (s *status) Collect(ch chan<- prometheus.Metric) {
	export := func(d *prometheus.Desc, t prometheus.ValueType, value float64, labels ...string) {
		for i := range labels {
			labels[i] = label(labels[i])
		}
		ch <- prometheus.MustNewConstMetric(d, t, value, labels...)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue

	version, revision := s.release()
	export(s.build, gauge, 1, version, revision, runtime.Version())

	s.p.mu.Lock()
	take := s.p.snapshot
	s.p.mu.Unlock()
	if take == nil {
		return
	}
	now := take()
	for _, v := range now.Versions {
		export(s.weight, gauge, v.Weight, v.Service, v.Version)
		export(s.share, gauge, v.Share, v.Service, v.Version)
		export(s.info, gauge, 1, v.Service, v.Version, v.Tag, v.ImageID, v.Revision, v.Created)
		export(s.mutable, gauge, float64(v.Mutable), v.Service, v.Version)
		for _, state := range states {
			export(s.backends, gauge, float64(v.Backends[state]), v.Service, v.Version, state)
		}
		for reason, n := range v.Ejections {
			export(s.ejections, counter, float64(n), v.Service, v.Version, reason)
		}
	}
	for i := range now.Comparisons {
		s.comparisons.export(&now.Comparisons[i], export)
	}
	for _, h := range now.Hosts {
		export(s.dockerUp, gauge, number(h.Up), h.Name)
		export(s.dockerErrors, counter, float64(h.Errors), h.Name)
	}
	for _, c := range now.Certificates {
		if !c.Expiry.IsZero() {
			export(s.expiry, gauge, float64(c.Expiry.Unix()), c.Host)
		}
		export(s.certFailures, counter, float64(c.Failures), c.Host)
	}
	export(s.reloadOK, gauge, number(now.ConfigOK))
	var loaded float64
	if !now.ConfigTime.IsZero() {
		loaded = float64(now.ConfigTime.UnixMilli()) / 1000
	}
	export(s.reloadTime, gauge, loaded)
	export(s.dropped, counter, float64(now.LogDropped))
}

// release returns version and revision of divvy.
func (s *status) release() (version, revision string) {
	version, revision = s.p.Version, s.p.Revision
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if version == "" {
		version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if revision == "" && setting.Key == "vcs.revision" {
			revision = setting.Value
		}
	}
	return version, revision
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

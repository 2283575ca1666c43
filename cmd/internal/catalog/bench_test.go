package catalog

import (
	"fmt"
	"testing"

	"divvy/backends/docker"
	"divvy/cmd/internal/config"
)

// BenchmarkCombine combines 10,000 containers of a thousand services, as each
// event does.
func BenchmarkCombine(b *testing.B) {
	var file []config.Service
	var all []docker.Container
	for i := range 1000 {
		name := fmt.Sprintf("s%d", i)
		file = append(file, service(name, name))
		for j := range 10 {
			all = append(all, container(10*i+j, name, fmt.Sprintf("v%d", j%2)))
		}
	}
	for b.Loop() {
		if c := combine(file, all...); len(c.Endpoints) != len(all) {
			b.Fatalf("%d endpoints", len(c.Endpoints))
		}
	}
}

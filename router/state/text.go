package state

import (
	"fmt"
	"slices"
	"strings"

	"divvy/router"
)

// Text returns the split as it is written on the command line, with the image of a
// name where another split has a different image for it.
func (s Split) Text(other Split) string {
	name := func(name string) string {
		image, was := s.Holders[name], other.Holders[name]
		if _, digest, ok := strings.Cut(image, ":"); ok && was != "" && was != image {
			return strings.TrimSuffix(name, router.First) + "@" + digest[:min(8, len(digest))]
		}
		return name
	}
	if len(s.Weights) == 0 {
		return "(first" + strings.TrimPrefix(name(router.First), router.First) + ")"
	}
	var parts []string
	for version, w := range s.Weights {
		parts = append(parts, fmt.Sprintf("%s=%d", name(version), w))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

package compare

import (
	"slices"

	"divvy/router"
)

// choice is who is compared with whom.
type choice struct {
	stable     router.Holding
	candidates []router.Holding // the heaviest first
}

// choose says who is compared with whom among the versions that have weight, ordered
// by age. Before is the image that was stable until now, "" if none was.
//
// Stable is the version that the configuration names, or else the one that was
// stable before, or else the heaviest, of equals the older. So a comparison does not
// turn around when its candidate passes one half, as it must in every rollout.
func choose(c router.Compare, holdings []router.Holding, before string) (all choice, ok bool) {
	stable := stableAmong(c, holdings, before)
	if c.Off || stable < 0 {
		return choice{}, false
	}
	all.stable = holdings[stable]
	for i, h := range holdings {
		if i != stable && named(c.Candidates, h.Version) {
			all.candidates = append(all.candidates, h)
		}
	}
	slices.SortStableFunc(all.candidates, byWeight)
	all.candidates = all.candidates[:min(len(all.candidates), router.MaxCandidates)]
	return all, len(all.candidates) > 0
}

// stableAmong returns which of the versions is stable, below zero if none can be.
func stableAmong(c router.Compare, holdings []router.Holding, before string) int {
	heaviest := -1
	for i, h := range holdings {
		switch {
		case c.Stable == "" && before != "" && h.Version.Key() != before:
		case c.Stable != "" && !h.Version.Is(c.Stable):
		case heaviest < 0 || h.Weight > holdings[heaviest].Weight:
			heaviest = i
		}
	}
	return heaviest
}

// named reports whether one of the names is that of v; no names are everybody's.
func named(names []string, v *router.Version) bool {
	return len(names) == 0 || slices.ContainsFunc(names, v.Is)
}

func byWeight(a, b router.Holding) int { return int(b.Weight) - int(a.Weight) }

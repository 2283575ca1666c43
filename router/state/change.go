package state

import (
	"maps"
	"slices"
	"strings"

	"divvy/router"
)

// change is an edit under way: what it starts from, and what it has come to.
type change struct {
	Edit
	World
	service  Service
	input    router.Input      // the service, as far as its split depends on it
	running  []*router.Version // the oldest first
	before   []*router.Version // those that have weight
	from, to Split

	lifted []string // rolled-back images that it gives weight
	undone uint64   // the revision that it goes back on
}

func newChange(s Service, e Edit, w World) *change {
	c := &change{Edit: e, World: w, service: s, from: s.Current(w.Labels)}
	if e.Kind == Label {
		c.from = s.Current(e.Weights)
	}
	c.to = c.from.clone()
	c.input.Name, c.input.OnTagMove, c.input.Members = w.Input.Name, w.Input.OnTagMove, w.Input.Members
	for _, v := range router.NewService(c.input).Versions {
		if v.Pool.Present() {
			c.running = append(c.running, v)
		}
	}
	c.before = weighing(c.apply(c.from, s.Images()))
	return c
}

func (c *change) make() error {
	if c.Version == "" && slices.Contains([]Kind{Promote, Drain, Adopt}, c.Kind) {
		return invalid("no version is named: there are %s", listed(namesOf(c.running)))
	}
	switch c.Kind {
	case Weights, Replace:
		return c.setWeights()
	case Promote:
		return c.promote()
	case Drain:
		return c.drain()
	case Adopt:
		return c.adopt()
	case Rollback:
		return c.rollback()
	case File:
		return c.takeFile()
	case Label:
		c.relabel()
		return nil
	case Takeover:
		c.to.Holders = maps.Clone(c.Edit.Holders)
		return nil
	}
	return invalid("%q is no kind of edit: use weights, replace, promote, drain, adopt or rollback", c.Kind)
}

// setWeights is Weights and Replace.
func (c *change) setWeights() error {
	if len(c.Weights) == 0 {
		return invalid("no weights are given: use VERSION=WEIGHT, such as v2=10")
	}
	c.to = c.spelledOut()
	before := maps.Clone(c.to.Weights)
	if c.Kind == Replace {
		clear(c.to.Weights)
	}
	for name := range c.Weights {
		c.dropSpellings(name)
	}
	maps.Copy(c.to.Weights, c.Weights)
	if err := validateWeights(c.to.Weights); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Weights)) {
		if _, known := before[name]; !known && !c.Absent && len(c.versions(name)) == 0 {
			return c.unknown(name)
		}
	}
	return c.give(weighted(c.Weights))
}

// promote gives everything to one version. The others that run stay named, with
// the weight zero: whether they keep the users whose session began there is up
// to the service.
func (c *change) promote() error {
	if len(c.versions(c.Version)) == 0 && !c.Absent {
		return c.unknown(c.Version)
	}
	c.to = c.spelledOut()
	c.dropSpellings(c.Version)
	for name := range c.to.Weights {
		c.to.Weights[name] = 0
		if len(c.versions(name)) == 0 {
			delete(c.to.Weights, name)
		}
	}
	c.to.Weights[c.Version] = 100
	if err := validateWeights(c.to.Weights); err != nil {
		return err
	}
	return c.give([]string{c.Version})
}

// drain takes every name out of the split that means the version.
func (c *change) drain() error {
	drained := c.versions(c.Version)
	stays := func(v *router.Version) bool { return !slices.Contains(drained, v) }
	c.to = c.spelledOut()
	found := false
	for name := range c.to.Weights {
		meant := c.versions(name)
		if name == c.Version || len(meant) > 0 && !slices.ContainsFunc(meant, stays) {
			delete(c.to.Weights, name)
			found = true
		}
	}
	switch {
	case !found && len(drained) == 0:
		return c.unknown(c.Version)
	case !found && c.weighs(drained):
		return invalid("%s has the weight of a tag that others run under, too: give one of them weight by its digest, or the tag's with adopt, and then drain it", c.Version)
	case !found:
		c.to = c.from // it is dark
		return nil
	case len(weighted(c.to.Weights)) == 0:
		return invalid("%s has all the weight: give another version weight first", c.Version)
	}
	return c.leavesSomebody()
}

// adopt gives the weight of a tag to the newest image that runs under it, or to
// the one that a digest names.
func (c *change) adopt() error {
	tag := tagOf(c.Version)
	candidates := c.meant(tag, c.from.Weights)
	fitting := slices.DeleteFunc(slices.Clone(candidates), func(v *router.Version) bool { return !v.Is(c.Version) })
	name := tag
	if len(c.from.Weights) == 0 {
		name = router.First
	} else if _, named := c.from.Weights[tag]; !named {
		return invalid("%s is not in the split, so it has no weight to give: the split has %s", tag, listed(slices.Sorted(maps.Keys(c.from.Weights))))
	}
	switch {
	case len(c.versions(c.Version)) == 0:
		return c.unknown(c.Version)
	case c.input.OnTagMove == router.Follow:
		return invalid("the weight of a tag that moved goes to the newest image by itself: on_tag_move is %q", router.Follow)
	case name == router.First && !c.weighs(candidates):
		return invalid("%s has no weight to give: the version that came first has it all", tag)
	case len(fitting) == 0:
		return invalid("the split names %s by its digest, so it has a weight of its own", c.Version)
	case len(candidates) == 1 && c.weighs(candidates):
		return invalid("the tag %s has not moved: one image runs under it, and has its weight", tag)
	}
	if i := slices.IndexFunc(candidates, c.good); i >= 0 && c.from.Holders[name] == "" {
		c.from.setHolder(name, candidates[i].Key()) // to go back to
	}
	newest := fitting[len(fitting)-1].Key()
	c.to.setHolder(name, newest)
	c.lifted = []string{newest}
	return nil
}

// takeFile takes what the file says, and what the labels say if it says
// nothing. Who has the weight of a tag that moved is not for either to say.
func (c *change) takeFile() error {
	if err := validateWeights(c.Weights); err != nil {
		return err
	}
	c.to.Weights = maps.Clone(c.Weights)
	if len(c.Weights) == 0 {
		c.to.Weights = maps.Clone(c.World.Labels)
	}
	for _, name := range weighted(c.Weights) {
		if c.service.File[name] != c.Weights[name] { // or it is not about this version
			c.lift(name)
		}
	}
	return nil
}

// relabel takes over what labels say another weight for than they did. It is
// nothing new if another proxy has recorded it.
func (c *change) relabel() {
	var names []string
	for name, w := range c.World.Labels {
		was, said := c.Weights[name]
		recorded, known := c.service.Labels[name]
		if said && was != w && !(known && recorded == w) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	c.to = c.service.Current(c.World.Labels)
	for _, name := range names {
		if c.World.Labels[name] > 0 {
			c.lift(name)
		}
	}
}

// give says that the edit wants these names to have weight: somebody must have
// it then.
func (c *change) give(names []string) error {
	for _, name := range names {
		if all := c.versions(name); len(all) > 0 && len(c.meant(name, c.to.Weights)) == 0 {
			return invalid("all that runs under %s has weights by digest in the split: use %s", name, listed(namesOf(all)))
		}
		c.lift(name)
	}
	return c.leavesSomebody()
}

// lift lets an image that was rolled back have weight again, as a name says so.
// A tag says so only of the newest, and only if it means no other: who gives
// weight to a tag under which a better image runs by now does not mean the bad
// one.
func (c *change) lift(name string) {
	meant := c.meant(name, c.to.Weights)
	if len(meant) > 0 && !slices.ContainsFunc(meant, c.good) {
		c.lifted = append(c.lifted, meant[len(meant)-1].Key())
	}
}

// hold lets a tag's weight stay where it is, though a bad image that runs under
// the tag, too, may have weight again, and be the older one.
func (c *change) hold() {
	for name, is := range c.apply(c.from, c.service.Images()).Holders() {
		_, named := c.to.Weights[name]
		_, said := c.to.Holders[name]
		lifted := func(v *router.Version) bool { return slices.Contains(c.lifted, v.Key()) && v.Key() != is.Image }
		if named && !said && slices.ContainsFunc(c.versions(name), lifted) {
			c.to.setHolder(name, is.Image)
		}
	}
}

// leavesSomebody refuses an edit after which nobody would be answered, though
// somebody is.
func (c *change) leavesSomebody() error {
	if c.Absent || len(c.before) == 0 || len(weighing(c.apply(c.to, c.stillRolledBack()))) > 0 {
		return nil
	}
	return invalid("nobody would be answered: the weight would be with %s, and there are %s", listed(weighted(c.to.Weights)), listed(namesOf(c.running)))
}

// spelledOut returns a copy of the split before the edit with weights: where
// there are none, the version that came first has them all.
func (c *change) spelledOut() Split {
	out := c.from.clone()
	if len(out.Weights) > 0 {
		return out
	}
	out = Split{Weights: map[string]int{}, Holders: map[string]string{}}
	for _, v := range c.before {
		out.Weights[v.Tags[0]] = 100
		out.Holders[v.Tags[0]] = v.Key()
	}
	return out
}

// dropSpellings takes other names of what a name means out of the split: v1
// where v1@53bff422 is all that runs under v1, or the reverse. Other tags of the
// same image stay, for they may mean something else tomorrow.
func (c *change) dropSpellings(name string) {
	meant := c.versions(name)
	maps.DeleteFunc(c.to.Weights, func(other string, _ int) bool {
		_, given := c.Weights[other]
		return !given && other != name && tagOf(other) == tagOf(name) && len(meant) > 0 && slices.Equal(c.versions(other), meant)
	})
}

// versions returns the versions that run under a name, the oldest first.
func (c *change) versions(name string) []*router.Version {
	return slices.DeleteFunc(slices.Clone(c.running), func(v *router.Version) bool { return !v.Is(name) })
}

// meant returns those of them that may have the weight of the name in a split:
// a digest takes its version away from the tag.
func (c *change) meant(name string, weights map[string]int) []*router.Version {
	all := c.versions(name)
	if strings.Contains(name, "@") {
		return all
	}
	return slices.DeleteFunc(all, func(v *router.Version) bool {
		for other := range weights {
			if strings.Contains(other, "@") && v.Is(other) {
				return true
			}
		}
		return false
	})
}

// good reports whether a version was not rolled back.
func (c *change) good(v *router.Version) bool { return !slices.Contains(c.service.Images(), v.Key()) }

// weighs reports whether one of the versions has weight before the edit.
func (c *change) weighs(versions []*router.Version) bool {
	keys := keysOf(versions)
	return slices.ContainsFunc(c.before, func(v *router.Version) bool { return slices.Contains(keys, v.Key()) })
}

// apply returns the service as it would be with a split.
func (c *change) apply(s Split, rolledBack []string) *router.Service {
	return Apply(c.input, s, rolledBack)
}

// unknown is the error for a name that means nothing.
func (c *change) unknown(name string) error {
	return invalid("%s names no version that runs: there are %s", name, listed(namesOf(c.running)))
}

// weighing returns the versions that have weight.
func weighing(s *router.Service) []*router.Version {
	var all []*router.Version
	for i, share := range s.Shares() {
		if share.Weight > 0 {
			all = append(all, s.Versions[i])
		}
	}
	return all
}

// weighted returns the names with weight.
func weighted(weights map[string]int) []string {
	names := slices.Sorted(maps.Keys(weights))
	return slices.DeleteFunc(names, func(name string) bool { return weights[name] == 0 })
}

func validateWeights(weights map[string]int) error {
	if err := router.ValidateWeights(weights); err != nil {
		return &InvalidError{strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	return nil
}

func namesOf(versions []*router.Version) []string {
	var all []string
	for _, v := range versions {
		all = append(all, v.Name)
	}
	return all
}

func keysOf(versions []*router.Version) []string {
	var all []string
	for _, v := range versions {
		all = append(all, v.Key())
	}
	return all
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func tagOf(name string) string {
	tag, _, _ := strings.Cut(name, "@")
	return tag
}

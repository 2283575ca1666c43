package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"divvy/cmd/internal/config"
	"divvy/router"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var s source
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate a configuration file and print what it means",
		Long: `Read a configuration file, report everything that is wrong with it, and print the
services and splits that it describes. Nothing is started and nobody is asked.`,
		Example: `  divvy check
  divvy check -c /etc/divvy/divvy.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.file = cmp.Or(s.file, defaultFile)
			c, err := s.load()
			if err != nil {
				return err
			}
			return describe(cmd.OutOrStdout(), s.file, c)
		},
	}
	s.flags(cmd)
	return cmd
}

// describe prints what a configuration means.
func describe(w io.Writer, name string, c *config.Config) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s is valid.\n\nlisten\t%s\nadmin\t%s\nstate\t%s\ndocker\t%s\n", name,
		strings.Join(c.Server.Listens(), ", "), adminText(c.Admin), c.State.Folder(), dockerText(c.Docker))
	for i := range c.Services {
		s := &c.Services[i]
		fmt.Fprintf(t, "\nservice %s\n", s.Name)
		fmt.Fprintf(t, "  answers\t%s\n", strings.Join(claims(s), ", "))
		if s.Image != "" {
			fmt.Fprintf(t, "  image\t%s\n", s.Image)
		}
		fmt.Fprintf(t, "  assigned by\t%s\n", cmp.Or(strings.Join(s.Sticky.By, ", "), "request"))
		if s.Health.Enabled() {
			fmt.Fprintf(t, "  checked by\t%s every %v\n", &s.Health, s.Health.Interval)
		}
		if s.Protocol != "" {
			fmt.Fprintf(t, "  spoken to in\t%s\n", s.Protocol)
		}
		if keep := keepText(s.Sticky); keep != "" {
			fmt.Fprintf(t, "  kept\t%s\n", keep)
		}
		if may := slices.Concat(s.Override.Networks, s.Override.Tokens); len(may) > 0 {
			fmt.Fprintf(t, "  override by\t%s\n", strings.Join(may, ", "))
		}
		for _, r := range s.Rules {
			fmt.Fprintf(t, "  rule %s\tto %s if %s\n", r.Name, r.To, strings.Join(r.If, " and "))
		}
		if s.Immutable == config.Require || s.Immutable == config.Off {
			fmt.Fprintf(t, "  immutable\t%s\n", s.Immutable)
		}
		fmt.Fprintf(t, "  split\t%s\n", splitText(s.Weights))
		for _, b := range s.Backends {
			fmt.Fprintf(t, "  backend\t%s at %s\n", b.Version, b.Address)
		}
	}
	if len(c.Services) == 0 {
		fmt.Fprint(t, "\nno services: those of container labels alone\n")
	}
	return t.Flush()
}

// adminText says where the admin listener is, and who may use the API.
func adminText(a config.Admin) string {
	switch {
	case a.Listen == "":
		return "off"
	case a.Token != "" || a.ReadToken != "" || a.ClientCA != "":
		return a.Listen + ", for those who have a token or a certificate"
	default:
		return a.Listen + ", for this machine"
	}
}

// keepText says how users stay with their version, "" if the hash alone does.
func keepText(s router.Sticky) string {
	var parts []string
	if keep := cmp.Or(s.Keep, "0s"); keep != "0s" {
		parts = append(parts, keep)
	}
	if s.OnZero == "keep" {
		parts = append(parts, "at weight zero too")
	}
	if len(s.RebalanceOn) > 0 {
		parts = append(parts, "until a request to "+strings.Join(s.RebalanceOn, " or "))
	}
	return strings.Join(parts, ", ")
}

func dockerText(d config.Docker) string {
	switch {
	case !d.Enabled:
		return "off"
	case len(d.Hosts) == 0:
		return "DOCKER_HOST, or the usual socket"
	default:
		var all []string
		for _, h := range d.Hosts {
			all = append(all, h.Name+" at "+h.Endpoint)
		}
		return strings.Join(all, ", ")
	}
}

// claims returns the hosts and paths that a service answers.
func claims(s *config.Service) []string {
	hosts, paths := s.Hosts, s.Paths
	if len(hosts) == 0 {
		hosts = []string{"(any host)"}
	}
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	var all []string
	for _, h := range hosts {
		for _, p := range paths {
			all = append(all, h+p)
		}
	}
	return all
}

// splitText returns weights as shares, the largest first.
func splitText(weights map[string]int) string {
	total := 0
	for _, w := range weights {
		total += w
	}
	if total == 0 {
		return "everything to the version that came first"
	}
	names := slices.SortedFunc(maps.Keys(weights), func(a, b string) int {
		return cmp.Or(weights[b]-weights[a], strings.Compare(a, b))
	})
	var parts []string
	for _, n := range names {
		parts = append(parts, fmt.Sprintf("%s %s", n, percent(float64(weights[n])/float64(total))))
	}
	return strings.Join(parts, ", ")
}

// percent returns a share for people: 0.05 is "5 %".
func percent(share float64) string {
	return fmt.Sprintf("%.3g %%", 100*share)
}

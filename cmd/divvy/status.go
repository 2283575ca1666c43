package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"divvy/cmd/internal/admin"

	"github.com/spf13/cobra"
)

func statusCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask the running divvy for services, versions and backends",
		Long: `Print what the running divvy knows: services, versions with their weights and
effective shares, backends with their states and the reasons for them.`,
		Example: `  divvy status
  divvy status --json | jq '.services[].versions[] | {name, share}'
  divvy status --admin 10.0.0.5:9900`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.open()
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), status, func(w io.Writer) error { return printStatus(w, status, time.Now()) })
		},
	}
	r.flags(cmd)
	r.printsJSON(cmd)
	return cmd
}

func healthCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:     "health",
		Short:   "Exit with 0 if divvy runs, for a container's HEALTHCHECK",
		Example: "  divvy health --admin 127.0.0.1:9900",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.open()
			if err != nil {
				return err
			}
			return client.Healthy(cmd.Context())
		},
	}
	r.flags(cmd)
	return cmd
}

// printStatus prints a status for people.
func printStatus(w io.Writer, s *admin.Status, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "divvy %s, up %s, configuration %s\n", s.Version, age(now, s.Started), cmp.Or(s.Config.Path, "by labels alone"))
	if s.Config.Error != "" {
		fmt.Fprintf(t, "%s\n", s.Config.Error)
	}
	for _, h := range s.Docker {
		state := "up"
		if !h.Up {
			state = "down"
		}
		fmt.Fprintf(t, "docker %s: %s", h.Name, state)
		if h.Error != "" {
			fmt.Fprintf(t, " (%s)", h.Error)
		}
		fmt.Fprintln(t)
	}
	for _, service := range s.Services {
		printService(t, &service, now)
	}
	printCertificates(t, s.Certificates, now)
	if len(s.Problems) > 0 {
		fmt.Fprintf(t, "\nproblems\n")
		for _, p := range s.Problems {
			fmt.Fprintf(t, "  %s\n", p)
		}
	}
	return t.Flush()
}

func printService(t *tabwriter.Writer, s *admin.Service, now time.Time) {
	where := cmp.Or(strings.Join(s.Hosts, " "), "any host")
	if len(s.Paths) > 0 {
		where += " at " + strings.Join(s.Paths, " ")
	}
	fmt.Fprintf(t, "\n%s  (%s, assigned by %s)\n", s.Name, where, cmp.Or(strings.Join(s.Sticky, ", "), "request"))
	if len(s.Versions) == 0 {
		fmt.Fprintf(t, "  no version runs\n")
		return
	}
	fmt.Fprintf(t, "  VERSION\tWEIGHT\tSHARE\tBACKEND\tADDRESS\tSTATE\tSINCE\tIN FLIGHT\n")
	for _, v := range s.Versions {
		weight := weightText(v.Weight)
		switch {
		case v.RolledBack:
			weight = "rolled back"
		case v.Weight == 0:
			weight = "dark"
		}
		name, share := v.Name, percent(v.Share)
		for _, b := range v.Backends {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", name, weight, share, b.Name, b.Addr, b.State, age(now, b.Since), b.InFlight)
			name, weight, share = "", "", ""
		}
	}
	for _, v := range s.Versions {
		for _, b := range v.Backends {
			if b.Reason != "" {
				fmt.Fprintf(t, "  %s is %s: %s\n", b.Name, b.State, b.Reason)
			}
		}
	}
}

// age returns how long ago something was, for people.
func age(now, then time.Time) string {
	d := now.Sub(then)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

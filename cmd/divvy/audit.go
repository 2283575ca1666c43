package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"divvy/backends"
	"divvy/cmd/internal/admin"

	"github.com/spf13/cobra"
)

func auditCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "audit [SERVICE]",
		Short: "Look whether what runs is what was built",
		Long: `Look, now, whether every container of a service, or of all services, is what its
image says: whether files in it were changed, whether somebody started a process
in it or copied files into it, whether it may write into what outlives it, and
whether all containers of an image are configured alike.

Exit codes: 0 everything is what was built, 1 something is not, or could not be
looked at. Backends that are no containers do not count.`,
		Example: `  divvy audit shop
  divvy audit --json | jq '.[] | select(.clean | not)'
  divvy audit shop && divvy promote shop v2 --yes`,
		Args: arguments(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.open()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				status, err := client.Status(cmd.Context())
				if err != nil {
					return err
				}
				for _, s := range status.Services {
					args = append(args, s.Name)
				}
			}
			audits, dirty := []*admin.Audit{}, []string{}
			for _, service := range args {
				a, err := client.Audit(cmd.Context(), service)
				if err != nil {
					return err
				}
				audits = append(audits, a)
				if !a.Clean {
					dirty = append(dirty, service)
				}
			}
			err = r.print(cmd.OutOrStdout(), audits, func(w io.Writer) error { return printAudits(w, audits) })
			if err == nil && len(dirty) > 0 {
				err = &exitError{exitFailed, errors.New("not everything is known to be what was built: " + strings.Join(dirty, ", "))}
			}
			return err
		},
	}
	r.flags(cmd)
	r.printsJSON(cmd)
	return cmd
}

// printAudits prints audits for people.
func printAudits(w io.Writer, audits []*admin.Audit) error {
	var out strings.Builder
	for i, a := range audits {
		if i > 0 {
			fmt.Fprintln(&out)
		}
		fmt.Fprintf(&out, "%s  (immutable is %q)\n", a.Service, a.Immutable)
		if len(a.Versions) == 0 {
			fmt.Fprintln(&out, "  no version runs")
		}
		older := false
		for _, v := range a.Versions {
			fmt.Fprintf(&out, "  %s  %s of the traffic, %s\n", v.Version, percent(v.Share), verdict(&v))
			printMutations(&out, "    ", v.Mutations)
			for _, b := range v.Backends {
				printAudited(&out, &b)
				older = older || !b.Started.IsZero() && b.Started.Before(a.EventsSince)
			}
		}
		if older {
			fmt.Fprintf(&out, "  What was done by hand before divvy began to listen, at %s, is not known.\n", a.EventsSince.Local().Format("2006-01-02 15:04"))
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// verdict returns how many containers a version has, and what they are together.
func verdict(v *admin.AuditVersion) string {
	containers := number(len(v.Backends), "container")
	switch {
	case !v.Clean:
		return containers + ": NOT known to be what was built"
	case slices.ContainsFunc(v.Backends, func(b admin.AuditBackend) bool { return b.Static }):
		return staticVerdict // a version is the one or the other
	}
	return containers + ": what was built"
}

// staticVerdict is what is said of backends that are no containers.
const staticVerdict = "static: nothing to audit"

// printAudited prints what is said of one backend.
func printAudited(out *strings.Builder, b *admin.AuditBackend) {
	if b.Static {
		fmt.Fprintf(out, "    %s, %s: %s\n", b.Name, b.State, staticVerdict)
		return
	}
	says := "nothing speaks against it"
	if len(b.Mutations) > 0 {
		says = "it may not be what its image says"
	}
	if b.ReadOnly {
		says += ", its root is read-only"
	}
	fmt.Fprintf(out, "    %s, %s: %s\n", b.Name, b.State, says)
	printMutations(out, "      ", b.Mutations)
	if b.Unknown != "" {
		fmt.Fprintf(out, "      unknown: %s\n", b.Unknown)
	}
}

func printMutations(out *strings.Builder, indent string, all []backends.Mutation) {
	for _, m := range all {
		fmt.Fprintf(out, "%s%s: %s\n", indent, m.Kind, m.Detail)
	}
}

// number counts things for people.
func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

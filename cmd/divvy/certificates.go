package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"divvy/metrics"
	"divvy/proxy/certs"
	"divvy/router"
	"divvy/router/state"

	"github.com/spf13/cobra"
)

// hostsOf returns the hosts of all services, each once.
func hostsOf(services []router.Config) []string {
	var hosts []string
	for _, s := range services {
		hosts = append(hosts, s.Hosts...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// certificates returns what Prometheus reads of certificates. A host with several
// has the time at which the first ends.
func certificates(all []certs.Status) []metrics.CertificateStatus {
	var out []metrics.CertificateStatus
	for _, c := range all { // in the order of the hosts
		if len(out) == 0 || out[len(out)-1].Host != c.Host {
			out = append(out, metrics.CertificateStatus{Host: c.Host})
		}
		last := &out[len(out)-1]
		last.Failures += c.Failures
		if c.NotAfter != nil && (last.Expiry.IsZero() || c.NotAfter.Before(last.Expiry)) {
			last.Expiry = *c.NotAfter
		}
	}
	return out
}

// printCertificates prints the certificates, and what is wrong with them.
func printCertificates(t *tabwriter.Writer, all []certs.Status, now time.Time) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(t, "\ncertificates\n  HOST\tSOURCE\tISSUER\tENDS\n")
	for _, c := range all {
		ends := "none yet"
		if c.NotAfter != nil {
			ends = in(now, *c.NotAfter)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", c.Host, c.Source, c.Issuer, ends)
	}
	for _, c := range all {
		if c.Error == "" {
			continue
		}
		next := ""
		if c.Next != nil {
			next = fmt.Sprintf("; tried again %s", in(now, *c.Next))
		}
		fmt.Fprintf(t, "  %s: %s%s\n", c.Host, c.Error, next)
	}
}

// in returns how far off a moment is, for people.
func in(now, then time.Time) string {
	if then.Before(now) {
		return age(now, then) + " ago"
	}
	return "in " + age(then, now)
}

func tlsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tls",
		Short: "See to the internal authority",
		Long:  "See to the authority that divvy has of its own, where issuer is \"internal\".",
	}
	cmd.AddCommand(trustCommand())
	return cmd
}

func trustCommand() *cobra.Command {
	var s source
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Print the root certificate of the internal authority",
		Long: `Print the root certificate of the internal authority in PEM, for those who are to
trust what divvy serves. It is read from the directory of the state; divvy need
not run.`,
		Example: `  divvy tls trust > divvy-root.pem
  curl --cacert divvy-root.pem https://shop.test/`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.find()
			c, err := s.load()
			if err != nil {
				return err
			}
			return printRoot(cmd.Context(), cmd.OutOrStdout(), c.State.Folder())
		},
	}
	s.flags(cmd)
	return cmd
}

func printRoot(ctx context.Context, w io.Writer, folder string) error {
	root, err := certs.Root(ctx, &state.Directory{Path: folder})
	if err != nil {
		return fmt.Errorf("state directory %s: %w", folder, err)
	}
	_, err = w.Write(root)
	return err
}

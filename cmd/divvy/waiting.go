package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"divvy/backends"
	"divvy/cmd/internal/admin"
	"divvy/router"
	"divvy/router/state"

	"github.com/spf13/cobra"
)

// askEvery is how often it is asked whether what is waited for has happened.
const askEvery = 200 * time.Millisecond

// waitFor asks until done returns true, or the time is over.
func waitFor(ctx context.Context, client admin.Client, service string, limit time.Duration, done func(*admin.Service) (bool, string)) error {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	missing := "nobody could be asked"
	for {
		s, err := client.Service(ctx, service)
		refused := new(admin.Refused)
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
			if ok, _ := done(&admin.Service{}); ok {
				return nil
			}
			missing = err.Error()
		case errors.As(err, &refused) && refused.Status < 500:
			return err
		case err != nil && ctx.Err() == nil:
			missing = err.Error() // divvy may be starting
		case err == nil:
			var ok bool
			if ok, missing = done(s); ok {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return &exitError{exitInVain, fmt.Errorf("waited %v in vain: %s", limit, missing)}
		case <-tick.C:
		}
	}
}

// named returns the versions that a name fits.
func named(s *admin.Service, name string) []admin.Version {
	var all []admin.Version
	for _, v := range s.Versions {
		if router.Fits(name, v.Tags, backends.Version{ImageID: v.ImageID}.Digest()) {
			all = append(all, v)
		}
	}
	return all
}

func drainCommand() *cobra.Command {
	e := editor{kind: state.Drain}
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "drain SERVICE VERSION",
		Short: "Take a version out of the split and wait for its requests to end",
		Long: `Take a version out of the split, whatever keeps users with it, and wait until its
requests in flight have ended: then its containers can be stopped. Requests that
name the version, or that a rule sends there, still reach it.
` + exitCodes,
		Example: "  divvy drain shop v1 --yes && docker stop shop-v1",
		Args:    arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			service, name := args[0], args[1]
			e.change.Version = name
			if _, err := e.run(cmd, service); err != nil || e.dry {
				return err
			}
			client, err := e.open()
			if err != nil {
				return err
			}
			return waitFor(cmd.Context(), client, service, limit, func(s *admin.Service) (bool, string) {
				n := 0
				for _, v := range named(s, name) {
					for _, b := range v.Backends {
						n += b.InFlight
					}
				}
				return n == 0, fmt.Sprintf("%s has %d requests in flight", name, n)
			})
		},
	}
	e.flags(cmd)
	cmd.Flags().DurationVar(&limit, "timeout", 5*time.Minute, "how long to wait for requests in flight")
	return cmd
}

func waitCommand() *cobra.Command {
	var r remote
	var healthy, gone bool
	var count int
	var limit time.Duration
	cmd := &cobra.Command{
		Use:   "wait SERVICE VERSION",
		Short: "Wait until a version can answer, or runs no more",
		Long: `Wait until a version has a backend that is ready (--healthy, the default; --count
for more of them), or until it has no backend at all (--gone).
` + exitCodes,
		Example: `  docker run -d registry.example.com/shop:v2 && divvy wait shop v2 --healthy
  divvy wait shop v2 --count 3 --timeout 1m
  docker stop shop-v1 && divvy wait shop v1 --gone`,
		Args: arguments(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if healthy && gone {
				return errors.New("--healthy and --gone exclude each other")
			}
			client, err := r.open()
			if err != nil {
				return err
			}
			return waitFor(cmd.Context(), client, args[0], limit, func(s *admin.Service) (bool, string) {
				if gone {
					return isGone(s, args[1])
				}
				return isHealthy(s, args[1], count)
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&healthy, "healthy", false, "until it can answer")
	cmd.Flags().BoolVar(&gone, "gone", false, "until it runs no more")
	cmd.Flags().IntVar(&count, "count", 1, "how many backends are to be ready")
	cmd.Flags().DurationVar(&limit, "timeout", 5*time.Minute, "how long to wait")
	return cmd
}

func isHealthy(s *admin.Service, name string, count int) (bool, string) {
	versions := named(s, name)
	if len(versions) == 0 {
		return false, name + " names no version that runs"
	}
	ready, missing := 0, ""
	for _, v := range versions {
		for _, b := range v.Backends {
			if b.State == backends.StateReady {
				ready++
			} else if b.Reason != "" {
				missing = fmt.Sprintf("; %s is %s: %s", b.Name, b.State, b.Reason)
			}
		}
	}
	return ready >= count, fmt.Sprintf("%s has %d backends that are ready%s", name, ready, missing)
}

func isGone(s *admin.Service, name string) (bool, string) {
	n := 0
	for _, v := range named(s, name) {
		n += len(v.Backends)
	}
	return n == 0, fmt.Sprintf("%s has %d backends", name, n)
}

func explainCommand() *cobra.Command {
	var r remote
	var q admin.Question
	var headers []string
	cmd := &cobra.Command{
		Use:   "explain SERVICE [PATH]",
		Short: "Say which version would answer a request, and why",
		Long: `Say which version would answer a request, and why: by an override, a rule, a pin in
the cookie, the hash of its unit, or chance. No request is sent.`,
		Example: `  divvy explain shop -H 'X-User-ID: 7'
  divvy explain shop '/cart?divvy-version=v2' --client 10.1.2.3
  divvy explain shop -H 'Cookie: divvy-shop=0123456789abcdef' --json`,
		Args: arguments(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				q.Path = args[1]
			}
			q.Headers = map[string]string{}
			for _, h := range headers {
				name, value, ok := strings.Cut(h, ":")
				if !ok {
					return fmt.Errorf("%q is not a header: use 'Name: value'", h)
				}
				name = http.CanonicalHeaderKey(strings.TrimSpace(name))
				if _, twice := q.Headers[name]; twice {
					return fmt.Errorf("the header %s is there twice", name)
				}
				q.Headers[name] = strings.TrimSpace(value)
			}
			client, err := r.open()
			if err != nil {
				return err
			}
			e, err := client.Decide(cmd.Context(), args[0], q)
			if err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), e, func(w io.Writer) error {
				_, err := fmt.Fprintln(w, e.Sentence)
				return err
			})
		},
	}
	r.flags(cmd)
	r.printsJSON(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&headers, "header", "H", nil, "a header of the request, 'Name: value'; may be repeated")
	f.StringVarP(&q.Method, "request", "X", "", "the method (default GET)")
	f.StringVar(&q.Host, "host", "", "the host that is asked")
	f.StringVar(&q.Client, "client", "", "the address that it comes from")
	return cmd
}

func eventsCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what changes, as it does, one line of JSON each",
		Long: `Print edits, backends that change their state, configurations that are applied or
refused, and problems, as they come, until interrupted. When divvy is started anew
it is waited for; an event "lost" says that some may be missing.`,
		Example: "  divvy events | jq -c 'select(.kind == \"edit\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.open()
			if err != nil {
				return err
			}
			return client.Events(cmd.Context(), json.NewEncoder(cmd.OutOrStdout()).Encode)
		},
	}
	r.flags(cmd)
	return cmd
}

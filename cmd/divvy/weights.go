package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"divvy/router/state"

	"github.com/spf13/cobra"
)

func weightsCommand() *cobra.Command {
	e := editor{kind: state.Weights}
	var only bool
	cmd := &cobra.Command{
		Use:   "weights SERVICE [VERSION=WEIGHT...]",
		Short: "Show or edit the weights of a service",
		Long: `Without weights, print the split. With some, print what each version gets before
and after, ask, and set them. Versions that are not named keep their weights, so
that their shares change in proportion. A weight holds from the next request on.

A version is named by its tag, v2, or by tag and image ID, v2@53bff422.
` + exitCodes,
		Example: `  divvy weights shop
  divvy weights shop v2=10
  divvy weights shop v1=90 v2=10 --yes --why "5 % looked fine for an hour"
  divvy weights shop v2=50 --dry-run --json`,
		Args: arguments(1, 1000),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return e.showSplit(cmd, args[0])
			}
			var err error
			if e.change.Weights, err = parseWeights(args[1:]); err != nil {
				return err
			}
			if only {
				e.kind = state.Replace
			}
			_, err = e.run(cmd, args[0])
			return err
		},
	}
	e.flags(cmd)
	cmd.Flags().BoolVar(&only, "only", false, "take the weight of all versions that are not named")
	cmd.Flags().BoolVar(&e.change.Absent, "absent", false, "versions need not run yet")
	return cmd
}

// parseWeights reads VERSION=WEIGHT.
func parseWeights(args []string) (map[string]int, error) {
	weights := map[string]int{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		w, err := strconv.Atoi(text)
		if !ok || err != nil || name == "" {
			return nil, fmt.Errorf("%q is not a weight: use VERSION=WEIGHT, such as v2=10", arg)
		}
		if _, twice := weights[name]; twice {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		weights[name] = w
	}
	return weights, nil
}

// showSplit prints the split of a service.
func (e *editor) showSplit(cmd *cobra.Command, service string) error {
	client, err := e.open()
	if err != nil {
		return err
	}
	split, err := client.Split(cmd.Context(), service)
	if err != nil {
		return err
	}
	return e.print(cmd.OutOrStdout(), split, func(w io.Writer) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "%s\tWEIGHT\tSHARE\n", strings.ToUpper(service))
		for _, s := range split.Shares {
			note := ""
			if !s.Runs {
				note = "\tdoes not run"
			}
			fmt.Fprintf(t, "%s\t%s\t%s%s\n", s.Version, weightText(s.Weight), percent(s.Share), note)
		}
		for _, r := range split.RolledBack {
			fmt.Fprintf(t, "%s was rolled back at %s\n", r.Name, r.Time.Local().Format("2006-01-02 15:04:05"))
		}
		return t.Flush()
	})
}

// weightText returns a weight as it is written in a file.
func weightText(w float64) string { return strconv.FormatFloat(w, 'f', -1, 64) }

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"divvy/cmd/internal/admin"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// The exit codes of compare, but for 0: no worse. They differ from those of other
// commands because a pipeline goes by the first three.
const (
	exitWorse      = 1 // some candidate is certainly worse by more than is allowed
	exitCannotTell = 2 // there is no telling: not yet, or not any more
	exitNoAnswer   = 3 // nobody could be asked, or the question makes no sense
)

// defaultWait is how long is waited for a verdict unless a flag says otherwise.
const defaultWait = 30 * time.Minute

// comparer is the command that compares candidates with the stable version.
type comparer struct {
	remote
	service, candidate string // "" for all candidates
	watch              bool
	until              string // "" for no waiting
	limit              time.Duration
}

func compareCommand() *cobra.Command {
	var c comparer
	cmd := &cobra.Command{
		Use:   "compare SERVICE [VERSION]",
		Short: "Say whether a candidate is worse than the stable version",
		Long: `Compare a candidate, or all of them, with the stable version of a service: error
rate, latency and goals, each with the range that the truth is in, what is allowed,
and a verdict. The verdicts are right however often you look.

--until decided waits until every candidate is no worse, or one is worse; --until
worse goes on to the end of --timeout unless one is worse before, as for a time of
probation. A divvy that is started anew is waited for. What is waited for are the
images that were compared at first: if one is gone for 30 seconds, or another one
takes its place, there is no telling any more.

--watch draws anew on a terminal; elsewhere it prints what changes. With --json
that is one line each.

Exit codes: 0 no worse, 1 worse, 2 cannot tell (not yet, or not any more), 3 no
answer: divvy cannot be asked, there is nothing to compare, or the command is not
understood. Of several candidates the worst counts.`,
		Example: `  divvy compare shop
  divvy compare shop v2 --watch
  divvy compare shop v2 --until decided --timeout 30m && divvy promote shop v2 --yes
  divvy compare shop --json | jq '.[] | {version: .candidate.version, verdict}'`,
		Args: func(cmd *cobra.Command, args []string) error { return unanswered(arguments(1, 2)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			c.service = args[0]
			if len(args) > 1 {
				c.candidate = args[1]
			}
			return unanswered(c.run(cmd))
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return unanswered(err) })
	c.flags(cmd)
	c.printsJSON(cmd)
	f := cmd.Flags()
	f.BoolVarP(&c.watch, "watch", "w", false, "go on, and show what changes")
	f.StringVar(&c.until, "until", "", "wait until the verdict is in: decided, or worse")
	f.DurationVar(&c.limit, "timeout", 0, "how long to wait or watch (default 30m with --until, without end otherwise)")
	return cmd
}

// unanswered gives an error the code of a question without an answer, unless it
// has one of its own.
func unanswered(err error) error {
	if err == nil || errors.As(err, new(*exitError)) {
		return err
	}
	return &exitError{exitNoAnswer, err}
}

// validate says what is wrong with the flags, and fills in what was left out.
func (c *comparer) validate(limited bool) error {
	if c.until != "" && c.until != untilDecided && c.until != untilWorse {
		return fmt.Errorf("--until: %q is nothing to wait for: use %s or %s", c.until, untilDecided, untilWorse)
	}
	switch {
	case limited && c.until == "" && !c.watch:
		return errors.New("--timeout: there is nothing to wait for: use it with --until or --watch")
	case limited && c.limit <= 0:
		return fmt.Errorf("--timeout: %v is no time to wait: use a duration such as 30m", c.limit)
	case c.until != "" && !limited:
		c.limit = defaultWait
	}
	return nil
}

func (c *comparer) run(cmd *cobra.Command) error {
	if err := c.validate(cmd.Flags().Changed("timeout")); err != nil {
		return err
	}
	client, err := c.open()
	if err != nil {
		return err
	}
	ask := func(ctx context.Context) ([]admin.Comparison, error) {
		return askComparisons(ctx, client, c.service, c.candidate)
	}
	out := cmd.OutOrStdout()
	if c.until == "" && !c.watch {
		all, err := ask(cmd.Context())
		if err != nil {
			return err
		}
		if err := c.printAll(out, all); err != nil {
			return err
		}
		return outcome(admin.Worst(all), all, "")
	}
	w := &watch{ask: ask, until: c.until, limit: c.limit, show: func([]admin.Comparison, string) error { return nil }}
	if c.watch {
		f, ok := out.(*os.File)
		d := &display{out: out, notes: cmd.ErrOrStderr(), json: c.json, terminal: ok && term.IsTerminal(int(f.Fd()))}
		w.show = d.show
	}
	result := w.run(cmd.Context())
	if err := c.printLast(out, result.all); err != nil {
		return err
	}
	return result.err
}

// askComparisons returns the comparisons of a service, or the one of a candidate.
// That there is none is an error.
func askComparisons(ctx context.Context, client admin.Client, service, candidate string) ([]admin.Comparison, error) {
	if candidate != "" {
		one, err := client.Comparison(ctx, service, candidate)
		if err != nil {
			return nil, err
		}
		return []admin.Comparison{*one}, nil
	}
	all, err := client.Comparisons(ctx, service)
	if err != nil || len(all) > 0 {
		return all, err
	}
	split, err := client.Split(ctx, service)
	if err != nil {
		return nil, err
	}
	return nil, &admin.NoCandidate{Text: split.Uncompared()}
}

// printAll prints comparisons for people or scripts.
func (c *comparer) printAll(out io.Writer, all []admin.Comparison) error {
	return c.print(out, all, func(w io.Writer) error {
		_, err := io.WriteString(w, comparisonsText(all, time.Now()))
		return err
	})
}

// printLast prints what it came to after waiting or watching.
func (c *comparer) printLast(out io.Writer, all []admin.Comparison) error {
	f, ok := out.(*os.File)
	switch {
	case len(all) == 0:
		return nil
	case c.watch && c.json:
		return printLine(out, all)
	case c.watch && ok && term.IsTerminal(int(f.Fd())):
		return nil // it stands there
	default:
		return c.printAll(out, all)
	}
}

// outcome returns what several comparisons come to, as an error with the exit code
// that stands for it. Why says why there is no telling, if it is not the
// comparisons themselves.
func outcome(v admin.Verdict, all []admin.Comparison, why string) error {
	if v == admin.NoWorse {
		return nil
	}
	code, says := exitCannotTell, "cannot tell"
	if v == admin.Worse {
		code, says = exitWorse, "worse"
	}
	for _, c := range all {
		if why == "" && (c.Verdict == v || v == admin.CannotTell && c.Verdict != admin.NoWorse) {
			why = fmt.Sprintf("%s against %s: %s", c.Candidate.Version, c.Stable.Version, c.Reason)
		}
	}
	return &exitError{code, fmt.Errorf("%s: %s", says, why)}
}

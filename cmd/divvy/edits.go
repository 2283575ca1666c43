package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"divvy/cmd/internal/admin"
	"divvy/router/state"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// editor is a command that edits a split: it shows what the edit would do, asks,
// and makes it.
type editor struct {
	remote
	kind   state.Kind
	change admin.Change
	yes    bool
	dry    bool
}

func (e *editor) flags(cmd *cobra.Command) {
	e.remote.flags(cmd)
	e.printsJSON(cmd)
	f := cmd.Flags()
	f.BoolVarP(&e.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&e.dry, "dry-run", false, "print what would happen, and do nothing")
	f.StringVar(&e.change.Why, "why", "", "what the history says of it")
	f.StringVar(&e.change.Who, "who", "", "who the history says it was (default user@host)")
}

// run previews and makes the edit, and returns what it did.
func (e *editor) run(cmd *cobra.Command, service string) (*admin.Edited, error) {
	client, err := e.open()
	if err != nil {
		return nil, err
	}
	e.change.Who = cmp.Or(e.change.Who, whoami())
	e.change.Via = "command line"
	split, err := client.Split(cmd.Context(), service)
	if err != nil {
		return nil, err
	}
	preview := e.change
	preview.DryRun, preview.Revision = true, &split.Revision
	would, err := client.Edit(cmd.Context(), service, e.kind, preview)
	if err != nil {
		return nil, err
	}
	out := cmd.OutOrStdout()
	if e.dry {
		return would, e.print(out, would, func(w io.Writer) error { return printEdited(w, service, would) })
	}
	if !e.json {
		if err := printEdited(out, service, would); err != nil {
			return nil, err
		}
	}
	if !would.Changed {
		return would, e.print(out, would, func(io.Writer) error { return nil })
	}
	if err := e.confirm(cmd); err != nil {
		return nil, err
	}
	change := e.change
	change.Revision = &split.Revision
	did, err := client.Edit(cmd.Context(), service, e.kind, change)
	if err != nil {
		return nil, err
	}
	return did, e.print(out, did, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "done, revision %d\n", did.Revision)
		return err
	})
}

// confirm asks whether to go on.
func (e *editor) confirm(cmd *cobra.Command) error {
	if e.yes {
		return nil
	}
	in := cmd.InOrStdin()
	if f, ok := in.(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		return &exitError{exitNo, errors.New("nobody is there to ask: use --yes, or --dry-run to look only")}
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Do it? [y/N] ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &exitError{exitNo, errors.New("nothing was changed")}
	}
	return nil
}

// printEdited prints shares before and after.
func printEdited(w io.Writer, service string, e *admin.Edited) error {
	if !e.Changed {
		_, err := fmt.Fprintf(w, "%s: nothing to change\n", service)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\tWEIGHT\tSHARE\n", strings.ToUpper(service))
	for _, name := range sharers(e.Before, e.After) {
		was, is := shareOf(e.Before, name), shareOf(e.After, name)
		fmt.Fprintf(t, "%s\t%s → %s\t%s → %s", name, weightText(was.Weight), weightText(is.Weight), percent(was.Share), percent(is.Share))
		if !is.Runs && !was.Runs {
			fmt.Fprint(t, "\tdoes not run")
		}
		fmt.Fprintln(t)
	}
	if len(e.RolledBack) > 0 {
		fmt.Fprintf(t, "%s gets no weight by itself again, under any tag, until an edit gives it some\n", strings.Join(e.RolledBack, ", "))
	}
	return t.Flush()
}

// sharers returns the names in either list, in their order.
func sharers(lists ...[]admin.Share) []string {
	var names []string
	for _, list := range lists {
		for _, s := range list {
			if !slices.Contains(names, s.Version) {
				names = append(names, s.Version)
			}
		}
	}
	return names
}

func shareOf(list []admin.Share, name string) admin.Share {
	for _, s := range list {
		if s.Version == name {
			return s
		}
	}
	return admin.Share{}
}

// command completes a command whose arguments are a service and, if there are two,
// a version.
func (e *editor) command(n int, cmd *cobra.Command) *cobra.Command {
	cmd.Args = arguments(n, n)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if n > 1 {
			e.change.Version = args[1]
		}
		_, err := e.run(cmd, args[0])
		return err
	}
	e.flags(cmd)
	return cmd
}

func promoteCommand() *cobra.Command {
	e := editor{kind: state.Promote}
	return e.command(2, &cobra.Command{
		Use:   "promote SERVICE VERSION",
		Short: "Give everything to one version",
		Long: `Give all of a service's weight to one version. The others keep running, and go to
zero: divvy rollback brings them back with the next request.
` + exitCodes,
		Example: "  divvy promote shop v2\n  divvy promote shop v2 --yes --why \"verdict: no worse\"",
	})
}

func rollbackCommand() *cobra.Command {
	e := editor{kind: state.Rollback}
	return e.command(1, &cobra.Command{
		Use:   "rollback SERVICE",
		Short: "Go back to the split before the last edit",
		Long: `Go back to the split before the last edit, and, repeated, further through the
history. What loses all of its weight by that is taken for bad: it gets none by
itself again, under any tag, until an edit gives it some.
` + exitCodes,
		Example: "  divvy rollback shop\n  divvy rollback shop --yes --why \"checkout fails on v2\"",
	})
}

func adoptCommand() *cobra.Command {
	e := editor{kind: state.Adopt}
	return e.command(2, &cobra.Command{
		Use:   "adopt SERVICE TAG",
		Short: "Give the weight of a tag that moved to its newest image",
		Long: `When a tag is moved to another image while the one before runs, the weight stays
where it was. This gives it to the newest image that runs under the tag, or to
the one that is named by tag and image ID.
` + exitCodes,
		Example: "  divvy adopt shop v1\n  divvy adopt shop v1@210fe938 --yes",
	})
}

func historyCommand() *cobra.Command {
	var r remote
	var limit int
	cmd := &cobra.Command{
		Use:     "history SERVICE",
		Short:   "Show the edits of a service's split, the latest first",
		Example: "  divvy history shop\n  divvy history shop --json | jq '.[0]'",
		Args:    arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := r.open()
			if err != nil {
				return err
			}
			entries, err := client.History(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if limit > 0 {
				entries = entries[:min(limit, len(entries))]
			}
			return r.print(cmd.OutOrStdout(), entries, func(w io.Writer) error { return printHistory(w, args[0], entries) })
		},
	}
	r.flags(cmd)
	r.printsJSON(cmd)
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "how many edits; 0 for all that are remembered")
	return cmd
}

func printHistory(w io.Writer, service string, entries []state.Entry) error {
	if len(entries) == 0 {
		_, err := fmt.Fprintf(w, "%s: no edits\n", service)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "REVISION\tTIME\tWHAT\tFROM\tTO\tWHO\tVIA\tWHY\n")
	for _, e := range entries {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Revision, e.Time.Local().Format("2006-01-02 15:04:05"), e.Kind,
			e.From.Text(e.To), e.To.Text(e.From), e.Who, e.Via, e.Why)
	}
	return t.Flush()
}

func rotateKeyCommand() *cobra.Command {
	var r remote
	var forget bool
	cmd := &cobra.Command{
		Use:   "rotate-key",
		Short: "Make a new key for the cookies that divvy signs",
		Long: `Make a new key for the cookies that divvy signs, as it does by itself each month.
What was signed before stays good, unless the key got into wrong hands: then
--forget makes it worthless, and users are assigned by the hash alone.`,
		Example: "  divvy rotate-key\n  divvy rotate-key --forget",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := r.open()
			if err != nil {
				return err
			}
			return client.RotateKey(cmd.Context(), forget)
		},
	}
	r.flags(cmd)
	cmd.Flags().BoolVar(&forget, "forget", false, "what was signed before is good no more")
	return cmd
}

// Divvy is a reverse proxy that divides traffic between immutable versions of
// a service, each a Docker image.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "divvy:", err)
		os.Exit(exitCode(err))
	}
}

// run is the program: main is the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:   "divvy",
		Short: "Divide traffic between versions of a service",
		Long: `divvy is a reverse proxy that divides traffic between immutable versions of a
service. A version is a Docker image: divvy finds the containers that run it,
gives each version its share of requests or of users, and reports what every
version did.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(
		runCommand(), checkCommand(), statusCommand(), healthCommand(), demoCommand(), demoAppCommand(), versionCommand(),
		weightsCommand(), promoteCommand(), rollbackCommand(), historyCommand(), drainCommand(), waitCommand(), adoptCommand(),
		explainCommand(), auditCommand(), compareCommand(), reportCommand(), eventsCommand(), rotateKeyCommand(), tlsCommand(),
	)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of divvy",
		Example: "  divvy version",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "divvy", version())
			return err
		},
	}
}

// buildVersion is set by the linker when a release is built.
var buildVersion string

// version returns the version of this program: what the build said, or what
// the Go tool wrote into it.
func version() string {
	if buildVersion != "" {
		return buildVersion
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	if v == "" || v == "(devel)" {
		return "development"
	}
	return v
}

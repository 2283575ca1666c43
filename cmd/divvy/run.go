package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"divvy/cmd/internal/config"
	"divvy/proxy/sockets"

	"github.com/spf13/cobra"
)

// defaultFile is the configuration file that is read if none is named. It need
// not exist.
const defaultFile = "divvy.toml"

// source is where the configuration comes from: a file, and flags that
// override what it says.
type source struct {
	file  string // "" for the default one, if it exists
	http  string
	admin string
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.file, "config", "c", "", "configuration file (default divvy.toml, if there is one)")
}

// find settles which file is read, for as long as the program runs: a file that
// goes away later is a mistake, not a change of mind.
func (s *source) find() {
	if _, err := os.Stat(defaultFile); s.file == "" && !errors.Is(err, fs.ErrNotExist) {
		s.file = defaultFile
	}
}

// load reads the configuration: that of the file or, without one, the default.
func (s *source) load() (*config.Config, error) {
	c := config.Default()
	if s.file != "" {
		var err error
		if c, err = config.Load(s.file); err != nil {
			return nil, err
		}
	}
	c.Server.HTTP = cmp.Or(s.http, c.Server.HTTP)
	c.Admin.Listen = cmp.Or(s.admin, c.Admin.Listen)
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func runCommand() *cobra.Command {
	var s source
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the proxy",
		Long: `Run the proxy until it is told to stop (SIGTERM, SIGINT), which lets requests in
flight finish. An edit of the file takes effect by itself; SIGHUP reads it too,
and reopens the access log. An edit with mistakes changes nothing. SIGUSR2 starts
the program anew, which may be another by now, and lets it take over.

Without a file, services are described by the labels of their containers alone.`,
		Example: `  divvy run                            # divvy.toml, or labels alone
  divvy run -c /etc/divvy/divvy.toml
  divvy run --http :8080 --admin :9900`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), &s, cmd.ErrOrStderr())
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&s.http, "http", "", "address to listen on, instead of the file's server.http")
	cmd.Flags().StringVar(&s.admin, "admin", "", "address of the admin listener, instead of the file's admin.listen")
	return cmd
}

// serve is `divvy run`.
func serve(ctx context.Context, s *source, stderr io.Writer) error {
	// A reader of the logs that goes away must not take the proxy with it.
	signal.Ignore(syscall.SIGPIPE)
	given, predecessor, err := sockets.Given()
	if err != nil {
		return err
	}
	err = serveOn(ctx, s, stderr, given, predecessor)
	if err != nil && predecessor != nil {
		fmt.Fprintln(predecessor, oneLine(err)) // in vain if it has gone
	}
	return err
}

// serveOn is serve with the sockets that the process was given, and a channel to
// the divvy that it is to replace; nil if there is none.
func serveOn(ctx context.Context, s *source, stderr io.Writer, given *sockets.Set, predecessor *os.File) error {
	s.find()
	c, err := s.load()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	p := newProgram(newLogger(stderr, c.Log.Format, level), level, c)
	p.give(given)
	running, stop := context.WithCancel(ctx)
	defer stop()
	r, h := newReloader(s, p), newReplacer(p, ctx, stop)
	if err := p.open(ctx); err != nil {
		return err
	}
	u := newUsher(p, predecessor)
	if err := p.apply(c, s.file); err != nil {
		return err
	}
	return p.run(running, u.Run, r.Run, h.Run)
}

func newLogger(w io.Writer, format string, level *slog.LevelVar) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

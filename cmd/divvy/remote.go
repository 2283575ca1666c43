package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/user"
	"strings"

	"divvy/cmd/internal/admin"
	"divvy/cmd/internal/config"

	"github.com/spf13/cobra"
)

// remote is a running divvy that a command speaks to, and how it prints.
type remote struct {
	source
	client admin.Client
	json   bool
}

// flags adds what all commands have that speak to a running divvy.
func (r *remote) flags(cmd *cobra.Command) {
	r.source.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.admin, "admin", "", "address of the admin listener, instead of the file's; https://… for TLS")
	f.StringVar(&r.client.CA, "ca", "", "PEM file of the authorities that vouch for the admin listener")
	f.StringVar(&r.client.Cert, "cert", "", "PEM file of the certificate to show to it")
	f.StringVar(&r.client.Key, "key", "", "PEM file of the certificate's key")
}

// printsJSON adds the flag for scripts.
func (r *remote) printsJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
}

// open finds out where the running divvy of this configuration answers, and with
// what it lets in. A token in $DIVVY_TOKEN comes first.
func (r *remote) open() (admin.Client, error) {
	c := r.client
	c.Token = os.Getenv("DIVVY_TOKEN")
	if c.Addr = r.admin; c.Addr != "" && c.Token != "" {
		return c, nil
	}
	r.find()
	file, err := config.AdminOf(r.file)
	if c.Token == "" {
		c.Token = cmp.Or(file.Secrets.Token, file.Secrets.ReadToken)
	}
	if c.Token == "" && err != nil {
		return c, fmt.Errorf("reading the token that the admin listener wants: %w", err)
	}
	if c.Addr == "" {
		if file.Listen == "" {
			return c, fmt.Errorf("%s switches the admin listener off (admin.listen): nobody can be asked", r.file)
		}
		if c.Addr = file.Listen; file.Cert != "" {
			c.Addr = "https://" + c.Addr
			c.Pinned = file.Cert // whoever vouches for it, and for whatever name
		}
	}
	return c, nil
}

// print prints v for scripts if that is wanted, or else by text.
func (r *remote) print(w io.Writer, v any, text func(io.Writer) error) error {
	if !r.json {
		return text(w)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// arguments wants a number of them, and says which where they are not there.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return fmt.Errorf("%d arguments do not fit here: use %s", len(args), strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		return nil
	}
}

// The exit codes of the commands, but for 0: done.
const (
	exitFailed  = 1 // it did not work, or was not understood
	exitRefused = 3 // divvy refused: stale, or it makes no sense
	exitInVain  = 4 // what was waited for did not happen in time
	exitNo      = 5 // whoever was asked said no
)

const exitCodes = `
Exit codes: 0 done, 1 failed, 3 refused by divvy, 4 waited in vain, 5 not confirmed.`

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitCode returns the exit code that an error stands for.
func exitCode(err error) int {
	if e := new(exitError); errors.As(err, &e) {
		return e.code
	}
	if e := new(admin.Refused); errors.As(err, &e) && e.Status != http.StatusUnauthorized && e.Status < 500 {
		return exitRefused
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return exitInVain
	}
	return exitFailed
}

// whoami names the person who runs a command.
func whoami() string {
	name := cmp.Or(os.Getenv("SUDO_USER"), os.Getenv("USER"))
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return cmp.Or(name, fmt.Sprint("uid ", os.Getuid())) + "@" + cmp.Or(host, "unknown")
}

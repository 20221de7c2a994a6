package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"turnpike/pkg/config"
	"turnpike/relay"
)

// serveFile serves as a configuration file says.
func serveFile(c *cobra.Command, file string, sig *signals) error {
	configured, s, warnings, err := load(file)
	if err != nil {
		if _, missing := os.Stat(file); errors.Is(missing, fs.ErrNotExist) && !c.Flags().Changed("config") {
			err = badConfig{fmt.Errorf("%w\nto try the server without any file: turnpike serve --dev", err)}
		}
		return err
	}
	s.File, s.Configured = file, configured
	var level slog.Level
	if err := level.UnmarshalText([]byte(configured.Log.Level)); err != nil {
		return err
	}
	log := newLogs(c.ErrOrStderr(), configured.Log.Format, level)
	defer log.close()
	for _, w := range warnings {
		log.Warn("configuration", "warning", w.String())
	}
	if limit, err := fileLimit(); err == nil {
		fitFiles(log.Logger, s, limit)
	}
	return run(s, sig, log, func(context.Context, *up) error { return nil })
}

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration without running anything",
		Long: "Read the configuration and every file it names, and tell all that is wrong with it,\n" +
			"each fault as file:line:column, reason and cure. Exit code 0: it can be served, 78: not.\n" +
			"It opens no port and asks nobody.",
		Aliases: []string{"validate", "configtest"},
		Args:    cobra.NoArgs,
	}
	file := configFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, s, warnings, err := load(*file)
		if err != nil {
			return err
		}
		silent := newLogs(io.Discard, "json", slog.LevelError)
		defer silent.close()
		if _, err := build(s, s.assumed(), silent); err != nil {
			return badConfig{err}
		}
		return report(c.OutOrStdout(), *file, s, warnings)
	}
	return c
}

// assumed are the relay pools, with the bind address in place of a public one
// that has to be asked for.
func (s *settings) assumed() (pools []relay.Pool) {
	for _, r := range s.Relays {
		if r.Source == "" {
			r.Public = r.Bind
		}
		pools = append(pools, r.Pool)
	}
	return pools
}

// report tells what a good configuration leaves to be known.
func report(w io.Writer, file string, s *settings, warnings []config.Warning) error {
	for _, warning := range warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	for _, r := range s.Relays {
		public := r.Public.String() + " (" + r.Source + ")"
		if r.Source == "" {
			public = "what a STUN server sees at start"
		}
		fmt.Fprintf(w, "relay address %s, public %s\n", r.Bind, public)
	}
	if s.ACME != nil {
		for _, state := range s.ACME.States() {
			if state.NotAfter.IsZero() {
				fmt.Fprintf(w, "certificate for %s: asked for at start\n", state.Host)
			} else {
				fmt.Fprintf(w, "certificate for %s: kept, valid until %s\n", state.Host, state.NotAfter.UTC().Format(time.DateTime))
			}
		}
	}
	_, err := fmt.Fprintln(w, file+": good")
	return err
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Show the configuration and its schema", Args: cobra.NoArgs}
	c.AddCommand(showCommand(), schemaCommand())
	return c
}

func schemaCommand() *cobra.Command {
	var policy bool
	c := &cobra.Command{Use: "schema", Short: "Print the JSON Schema of the configuration file", Args: cobra.NoArgs}
	c.Flags().BoolVar(&policy, "policy", false, "that of a policy file")
	c.RunE = func(c *cobra.Command, _ []string) error {
		of := config.Schema
		if policy {
			of = config.PolicySchema
		}
		schema, err := of()
		if err != nil {
			return err
		}
		_, err = c.OutOrStdout().Write(schema)
		return err
	}
	return c
}

func showCommand() *cobra.Command {
	var effective bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration in force, secrets redacted",
		Long: "Print every key with the value in force: from the file, the environment or the default.\n" +
			"Secrets are redacted, so the output can be shown to others.",
		Args: cobra.NoArgs,
	}
	file := configFlag(c)
	c.Flags().BoolVar(&effective, "effective", true, "with defaults and environment; there is no other form")
	c.RunE = func(c *cobra.Command, _ []string) error {
		configured, _, err := config.Load(config.Options{Path: *file, Environ: os.Environ()})
		if err != nil {
			return badConfig{err}
		}
		text, err := configured.Effective()
		if err != nil {
			return err
		}
		_, err = c.OutOrStdout().Write(text)
		return err
	}
	return c
}

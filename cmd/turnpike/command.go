package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// command is the tree of subcommands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "turnpike",
		Short:         "A hardened TURN and STUN relay server",
		SilenceErrors: true, // main prints them, once
		SilenceUsage:  true,
	}
	root.AddCommand(serveCommand(), versionCommand())
	return root
}

func serveCommand() *cobra.Command {
	var dev, asJSON bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server until SIGINT or SIGTERM.\n\n" +
			"With --dev it needs nothing: loopback only, fresh secrets in memory, limits in\n" +
			"this process. It prints what to paste into an application, then serves.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !dev {
				return errors.New("serve: this version has no configuration file; run `turnpike serve --dev`")
			}
			settings, err := devSettings()
			if err != nil {
				return err
			}
			announce := announceText
			if asJSON {
				announce = announceJSON
			}
			return run(c.Context(), settings, newLogger(c.ErrOrStderr()), func(ctx context.Context, u *up) error {
				return announce(ctx, c.OutOrStdout(), u)
			})
		},
	}
	c.Flags().BoolVar(&dev, "dev", false, "development server: loopback, fresh secrets, no files")
	c.Flags().BoolVar(&asJSON, "json", false, "print how to use the server as one line of JSON once everything listens")
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprintln(c.OutOrStdout(), "turnpike", version()) },
	}
}

// version is the module's version, or that of the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + "+" + s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}

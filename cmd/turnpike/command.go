package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"turnpike/pkg/probe"
)

// defaultConfig is where the configuration is if nobody says otherwise.
const defaultConfig = "/etc/turnpike/turnpike.yaml"

// command is the tree of subcommands.
func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "turnpike",
		Short:         "A hardened TURN and STUN relay server",
		SilenceErrors: true, // main prints them, once
		SilenceUsage:  true,
	}
	root.AddCommand(serveCommand(), checkCommand(), configCommand(), policyCommand(), secretCommand(), credentialsCommand(), apiKeyCommand(), snippetCommand(),
		healthCommand(), reloadCommand(), revokeCommand(), usageCommand(), loadCommand(), versionCommand())
	return root
}

// configFlag is the flag of every command that reads the configuration.
func configFlag(c *cobra.Command) *string {
	return c.Flags().StringP("config", "c", defaultConfig, "configuration `FILE`")
}

func serveCommand() *cobra.Command {
	var dev, asJSON bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server.\n\n" +
			"SIGTERM or SIGINT drains it: no new allocations, the running ones go on, and it ends\n" +
			"when there are none or the configured time is over. A second signal ends it now.\n" +
			"SIGHUP reads the configuration and the certificate files again (see turnpike reload).\n\n" +
			"With --dev it needs nothing: loopback only, fresh secrets in memory, limits in\n" +
			"this process. It prints what to paste into an application, then serves.",
		Args: cobra.NoArgs,
	}
	file := configFlag(c)
	c.Flags().BoolVar(&dev, "dev", false, "development server: loopback, fresh secrets, no files")
	c.Flags().BoolVar(&asJSON, "json", false, "with --dev: print how to use the server as one line of JSON once everything listens")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if dev && c.Flags().Changed("config") {
			return errors.New("serve: --dev reads no configuration; leave out --dev or --config")
		}
		sig, stop := catchSignals(c.Context())
		defer stop()
		if !dev {
			if asJSON {
				return errors.New("serve: --json is for --dev")
			}
			return serveFile(c, *file, sig)
		}
		announce := announceText
		if asJSON {
			announce = announceJSON
		}
		log := newLogs(c.ErrOrStderr(), "auto", slog.LevelInfo)
		defer log.close()
		return serveDev(sig, log, func(ctx context.Context, u *up) error {
			return announce(ctx, c.OutOrStdout(), u)
		})
	}
	return c
}

func healthCommand() *cobra.Command {
	var readiness bool
	c := &cobra.Command{
		Use:   "healthcheck [ENDPOINT]",
		Short: "Ask a running server whether it is well",
		Long: "Ask the health endpoint of a running server, http://IP:PORT or unix:PATH, and exit\n" +
			"with 0 if it is well. It asks /livez; with --ready /readyz, which is also failing while\n" +
			"the server drains.",
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().BoolVar(&readiness, "ready", false, "ask whether it should get new clients")
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), 5*time.Second)
		defer cancel()
		at, path := fmt.Sprintf("http://127.0.0.1:%d", devOperator), "/livez"
		if len(args) == 1 {
			at = args[0]
		}
		if readiness {
			path = "/readyz"
		}
		return probe.Health(ctx, at, path)
	}
	return c
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{
				"version": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
			})
		}
		_, err := fmt.Fprintln(c.OutOrStdout(), "turnpike", version())
		return err
	}
	return c
}

// release is set by the linker where the version control system can't be asked.
var release string

// version is the release, the module's version, or that of the commit it was
// built from.
func version() string {
	if release != "" {
		return release
	}
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

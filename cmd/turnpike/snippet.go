package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"turnpike/pkg/config"
	"turnpike/pkg/snippet"
)

func snippetCommand() *cobra.Command {
	var o snippetOptions
	c := &cobra.Command{
		Use:   "snippet [APP]",
		Short: "Print the settings with which an application uses this server",
		Long: "Print the settings with which an application uses this server: hosts, ports, transports\n" +
			"and its secret, as the configuration has them. The output is in the language of the\n" +
			"application's own file; where that goes, and what has to stand in the configuration of\n" +
			"turnpike, is told on stderr. Without APP it lists the applications.\n\n" +
			"The secret or API key is the one whose id is the name of the application. It is not printed\n" +
			"without --show-secret: the application reads its file where it can, and where it can't the\n" +
			"output has words in its place.\n\n" +
			"Exit code 0: printed, 2: no such application, secret or key, 78: the configuration is bad.",
		Example:   "  turnpike snippet synapse > /etc/matrix-synapse/conf.d/turn.yaml\n  turnpike snippet galene --show-secret > data/ice-servers.json",
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: snippet.Names(),
	}
	o.file = configFlag(c)
	c.Flags().StringVar(&o.host, "host", "", "the `HOST` by which clients find this server; issuer.public_host or the public address by default")
	c.Flags().StringVar(&o.id, "id", "", "the `ID` of the shared secret, static user or API key; the application's name by default")
	c.Flags().BoolVar(&o.show, "show-secret", false, "print the secret itself")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return listSnippets(c.OutOrStdout())
		}
		app, found := snippet.Find(args[0])
		if !found {
			return badQuestion{unknownApp(args[0])}
		}
		return o.print(c.OutOrStdout(), c.ErrOrStderr(), app)
	}
	return c
}

func unknownApp(name string) error {
	near := snippet.Like(name)
	if one := config.Nearest(name, snippet.Names()); one != "" {
		near = []string{one}
	}
	if len(near) > 0 {
		return fmt.Errorf("snippet: %q is not known; did you mean %s?", name, strings.Join(near, " or "))
	}
	return fmt.Errorf("snippet: %q is not known; name one of %s", name, strings.Join(snippet.Names(), ", "))
}

func listSnippets(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, app := range snippet.Apps() {
		fmt.Fprintf(t, "%s\t%s\n", app.Name, app.Title)
	}
	return t.Flush()
}

// snippetOptions are what was asked for beside the application.
type snippetOptions struct {
	file     *string
	host, id string
	show     bool
}

// print writes the settings to out and what else there is to do to notes.
func (o *snippetOptions) print(out, notes io.Writer, app snippet.App) error {
	c, s, _, err := load(*o.file)
	if err != nil {
		return err
	}
	if o.host != "" {
		s.Issuer.Host = o.host
	}
	server, err := o.server(s)
	if err != nil {
		return err
	}
	more, err := o.credential(app, c, &server)
	if err != nil {
		return badQuestion{err}
	}
	if app.Kind == snippet.Issued {
		more += s.issuerReach()
	}
	text, err := app.Render(server)
	if err != nil {
		return err
	}
	fmt.Fprintf(notes, "These settings go into %s.\n%s", app.Into, more)
	_, err = io.WriteString(out, text)
	return err
}

// server is where clients find this one, as it will tell them itself.
func (o *snippetOptions) server(s *settings) (server snippet.Server, err error) {
	u := &up{settings: s, parts: &parts{pools: s.assumed()}, turn: s.bounds()}
	if s.Issuer.Host == "" && len(s.Issuer.URIs) == 0 {
		for _, r := range s.Relays {
			if r.Source == "" {
				return server, badQuestion{errors.New("snippet: the public address is asked for at the start of the server, and not known here; " +
					"give --host turn.example.org, or set issuer.public_host")}
			}
		}
	}
	turn, stun := u.uris()
	for _, list := range []struct {
		texts []string
		uris  *[]snippet.URI
	}{{turn, &server.TURN}, {stun, &server.STUN}} {
		for _, text := range list.texts {
			uri, err := snippet.ParseURI(text)
			if err != nil {
				return server, err
			}
			*list.uris = append(*list.uris, uri)
		}
	}
	server.Issuer = s.issuerURL(server.TURN[0].Host)
	return server, nil
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"turnpike/auth"
	"turnpike/pkg/probe"
)

// revokePatience is how long a revocation may take: the file of many is written
// anew.
const revokePatience = 30 * time.Second

func revokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke",
		Short: "Take credentials back before they expire, and end their sessions",
		Long: "Have a running server refuse a credential, a user's credentials, or all that a key has\n" +
			"signed, and end the sessions that they began. It is in force on that server at once, on\n" +
			"those that share its Redis within two seconds, and after a restart if\n" +
			"credentials.revocations_file or Redis keeps it.\n\n" +
			"The server is asked at its operator.listen, http://IP:PORT or unix:PATH, from its own host.",
		Args: cobra.NoArgs,
	}
	at := c.PersistentFlags().String("at", fmt.Sprintf("http://127.0.0.1:%d", devOperator), "operator `ENDPOINT` of the server")
	lift := c.PersistentFlags().Bool("lift", false, "take the revocation back: what it names is good again until it expires")
	ask := func(c *cobra.Command, x auth.Revocation) error { return changeRevocation(c, *at, *lift, x) }
	c.AddCommand(
		revokeID("credential", "the id of a credential, as records and the issuer have it", auth.RevokeCredential, ask),
		revokeID("key", "the id of an issuer key, shared secret or static user; that of an API key is in no credential", auth.RevokeKey, ask),
		revokeUserCommand(ask), revokeListCommand(at))
	return c
}

func revokeID(name, what string, kind auth.RevocationKind, ask func(*cobra.Command, auth.Revocation) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " ID",
		Short: "Revoke by " + what,
		Args:  cobra.ExactArgs(1),
		RunE:  func(c *cobra.Command, args []string) error { return ask(c, auth.Revocation{Kind: kind, ID: args[0]}) },
	}
}

func revokeUserCommand(ask func(*cobra.Command, auth.Revocation) error) *cobra.Command {
	var tenant, before string
	c := &cobra.Command{
		Use:   "user NAME",
		Short: "Revoke what a user was given before a time",
		Long: "Revoke what a user of a tenant was given before a time. Credentials of an application's own\n" +
			"do not say when they were made, and are taken to be as old as their role's\n" +
			"max_credential_ttl lets them be: fresh ones are refused for a while, too.",
		Example: "  turnpike revoke user alice\n  turnpike revoke user @bob:example.org --tenant matrix --before 2026-12-31T00:00:00Z",
		Args:    cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&tenant, "tenant", "", "whose user; that of issuer keys is empty")
	c.Flags().StringVar(&before, "before", "", "`TIME` as 2026-12-31T00:00:00Z; now if not given")
	c.RunE = func(c *cobra.Command, args []string) error {
		x := auth.Revocation{Kind: auth.RevokeUser, Tenant: tenant, User: args[0]}
		if before != "" {
			var err error
			if x.Before, err = time.Parse(time.RFC3339, before); err != nil {
				return fmt.Errorf("revoke: --before %q is no time; write it as 2026-12-31T00:00:00Z", before)
			}
		}
		return ask(c, x)
	}
	return c
}

func changeRevocation(c *cobra.Command, at string, lift bool, x auth.Revocation) error {
	ctx, cancel := context.WithTimeout(c.Context(), revokePatience)
	defer cancel()
	say, err := json.Marshal(x)
	if err != nil {
		return err
	}
	if lift {
		if _, err := probe.Do(ctx, http.MethodDelete, at, "/revocations", say); err != nil {
			return err
		}
		fmt.Fprintln(c.OutOrStdout(), "lifted")
		return nil
	}
	body, err := probe.Do(ctx, http.MethodPost, at, "/revocations", say)
	if err != nil {
		return err
	}
	var done revoked
	if err := json.Unmarshal(body, &done); err != nil {
		return fmt.Errorf("what answers at %s is not the operator listener of turnpike", at)
	}
	fmt.Fprintf(c.OutOrStdout(), "revoked; sessions ended: %d\n", done.Sessions)
	for _, note := range done.Notes {
		fmt.Fprintf(c.OutOrStdout(), "note: %s\n", note)
	}
	return nil
}

func revokeListCommand(at *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "list", Short: "List what is revoked", Args: cobra.NoArgs}
	c.Flags().BoolVar(&asJSON, "json", false, "as lines of JSON, as the file has them")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), revokePatience)
		defer cancel()
		body, err := probe.Do(ctx, http.MethodGet, *at, "/revocations", nil)
		if err != nil {
			return err
		}
		if asJSON {
			_, err = c.OutOrStdout().Write(body)
			return err
		}
		return listRevocations(c.OutOrStdout(), body)
	}
	return c
}

func listRevocations(to io.Writer, body []byte) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tNAME\tTENANT\tBEFORE\tUNTIL")
	lines := bufio.NewScanner(bytes.NewReader(body))
	for lines.Scan() {
		var x auth.Revocation
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return fmt.Errorf("revoke: the server's list: %w", err)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.Kind, x.ID+x.User, x.Tenant, timeOr(x.Before, ""), timeOr(x.Until, "for ever"))
	}
	return w.Flush()
}

func timeOr(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.RFC3339)
}

package main

import (
	"bufio"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/relay"
	"turnpike/relay/gate"
)

func credentialsCommand() *cobra.Command {
	c := &cobra.Command{Use: "credentials", Short: "Make, check and explain credentials", Args: cobra.NoArgs}
	c.AddCommand(mintCommand(), verifyCommand(), explainCommand())
	return c
}

func mintCommand() *cobra.Command {
	var r auth.Request
	var asJSON bool
	c := &cobra.Command{
		Use:   "mint",
		Short: "Make a credential",
		Long: "Make a credential under the issuer key of the configuration, as the issuer's HTTP API does. A\n" +
			"server with the same key and realm takes it, whether it runs here or not.\n\n" +
			"Exit code 0: made, 2: no such role, user, tenant or lifetime, 78: the configuration is bad or has no\n" +
			"issuer key.",
		Example: "  turnpike credentials mint --user alice --role guest --ttl 1h\n  turnpike credentials mint --json",
		Args:    cobra.NoArgs,
	}
	file := configFlag(c)
	c.Flags().StringVar(&r.User, "user", "", "whose limits apply, up to 128 bytes; the credential's id if there is none")
	c.Flags().StringVar(&r.Tenant, "tenant", "", "whose user that is, up to 32 of A-Z a-z 0-9 _ -")
	c.Flags().StringVar(&r.Role, "role", "", "the `ROLE` that is granted (default: default)")
	c.Flags().DurationVar(&r.TTL, "ttl", 0, "until when a session may begin, from 1s to the role's cap (default: the role's)")
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, s, _, err := load(*file)
		if err != nil {
			return err
		}
		m, err := mint(s, r, time.Now())
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(m)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "username  %s\npassword  %s\nexpires   %s (in %s)\nuris      %s\n",
			m.Username, m.Password, m.ExpiresAt, span(time.Duration(m.TTL)*time.Second), strings.Join(m.URIs, "\n          "))
		return err
	}
	return c
}

// mintAnswer is a credential as the TURN REST API has it.
type mintAnswer struct {
	ID        string   `json:"id"`
	Username  string   `json:"username"`
	Password  string   `json:"password"`
	TTL       int64    `json:"ttl"` // seconds
	ExpiresAt string   `json:"expires_at"`
	URIs      []string `json:"uris"`
}

func mint(s *settings, r auth.Request, now time.Time) (*mintAnswer, error) {
	ring, err := auth.NewKeyring(s.Keyring)
	if err != nil {
		return nil, badConfig{err}
	}
	maker, err := auth.NewIssuer(ring, nil)
	if err != nil {
		return nil, badConfig{errors.New("credentials mint: the configuration has no issuer key to sign with; give credentials.issuer_keys (turnpike secret new makes one)")}
	}
	c, err := maker.Issue(r, now)
	if err != nil {
		return nil, badQuestion{fmt.Errorf("credentials mint: %w", err)}
	}
	turn, _ := (&up{settings: s, parts: &parts{pools: s.assumed()}, turn: s.bound()}).uris()
	turn = slices.DeleteFunc(turn, func(uri string) bool { return !c.Role.Transports.Have(issuer.TransportOf(uri)) })
	return &mintAnswer{ID: c.ID, Username: c.Username, Password: c.Password, TTL: int64(c.TTL / time.Second),
		ExpiresAt: c.Expires.Format(time.RFC3339), URIs: turn}, nil
}

// bound are the listeners as they will be.
func (s *settings) bound() (all []relay.Bound) {
	for _, l := range s.Listen {
		if l.UDP {
			all = append(all, relay.Bound{Addr: l.Addr, Transport: gate.UDP})
		}
		if l.TCP {
			all = append(all, relay.Bound{Addr: l.Addr, Transport: gate.TCP})
		}
		if l.TLS {
			all = append(all, relay.Bound{Addr: l.Addr, Transport: gate.TLS})
		}
	}
	return all
}

func verifyCommand() *cobra.Command {
	var from string
	c := &cobra.Command{
		Use:   "verify USERNAME",
		Short: "Tell whether a username and its password are accepted",
		Long: "Tell whether a server with this configuration lets in who shows the username and the password,\n" +
			"under which key, and as whom. The password is the first line of standard input, or of a file:\n" +
			"an argument could be seen by everybody on this host.\n\n" +
			"Exit code 0: accepted, 1: refused, 2: no password, 78: the configuration is bad.",
		Example: "  jq -r .password answer.json | turnpike credentials verify \"$(jq -r .username answer.json)\"",
		Args:    cobra.ExactArgs(1),
	}
	file := configFlag(c)
	c.Flags().StringVar(&from, "password", "-", "`FILE` whose first line is the password; - is standard input")
	c.RunE = func(c *cobra.Command, args []string) error {
		now := time.Now()
		v, s, err := loadVerifier(*file, now)
		if err != nil {
			return err
		}
		password, err := firstLine(c.InOrStdin(), from)
		if err != nil {
			return badQuestion{fmt.Errorf("credentials verify: %w", err)}
		}
		return verify(c.OutOrStdout(), v, s.Realm, args[0], password, now)
	}
	return c
}

// loadVerifier is that of a server with this configuration, with what is revoked
// in its file.
func loadVerifier(file string, now time.Time) (*auth.Verifier, *settings, error) {
	_, s, _, err := load(file)
	if err != nil {
		return nil, nil, err
	}
	a, err := newAccess(s)
	if err != nil {
		return nil, nil, badConfig{err}
	}
	r, err := readRevocations(s.Revoked, now)
	if err != nil {
		return nil, nil, badConfig{err}
	}
	return a.verifier.Without(r.set), s, nil
}

func firstLine(in io.Reader, file string) (string, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if line = strings.TrimRight(line, "\r\n"); line != "" {
		return line, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errors.New("no password: give it in the first line of standard input, or of the file that --password names")
	}
	return "", err
}

// verify tells who is let in, as the server would find it out.
func verify(w io.Writer, v *auth.Verifier, realm, username, password string, now time.Time) error {
	as := v.Algorithms()[0]
	if slices.Contains(v.Algorithms(), auth.MD5) {
		as = auth.MD5 // the only one that goes with every static user
	}
	mine, long := auth.DeriveKey(username, realm, password), auth.DeriveSHA256Key(username, realm, password)
	own := mine[:]
	if as == auth.SHA256 {
		own = long[:]
	}
	id, outcome := v.Verify(username, now, as, func(key []byte) bool { return subtle.ConstantTimeCompare(key, own) == 1 })
	if outcome != auth.OK {
		fmt.Fprintf(w, "refused: %s (%s)\n", outcomeWords[outcome], outcome)
		return errDenied
	}
	until := "never"
	if !id.IsStatic() {
		until = when(id.Expires, now)
	}
	_, err := fmt.Fprintf(w, "accepted\nkey      %s\nuser     %s\ntenant   %s\nrole     %s\nexpires  %s\n", id.KeyID, orNone(id.User), orNone(id.Tenant), id.Role.Name, until)
	return err
}

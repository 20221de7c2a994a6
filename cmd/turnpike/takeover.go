package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"

	"turnpike/auth"
	"turnpike/pkg/certs"
	"turnpike/pkg/config"
	"turnpike/pkg/issuer"
)

// takeOver puts the live part of settings in force under the running sessions.
// Everything that can be wrong is found before anything is changed.
func (p *parts) takeOver(s *settings, c *config.Config) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return err
	}
	access, err := newAccess(s)
	if err != nil {
		return err
	}
	s.Policy.keepRoles(p.settings.Load().Policy, s.Keyring.Roles)
	lists, err := p.newLists(s.Policy)
	if err != nil {
		return err
	}
	current := p.settings.Load()
	if err := sameKind("tls", current.Certificate, s.Certificate); err != nil {
		return err
	}
	if err := sameKind("issuer", current.Issuer.Certificate, s.Issuer.Certificate); err != nil {
		return err
	}
	if err := p.relay.SetLimits(s.Limits.Limits); err != nil {
		return err
	}
	// ---- From here on nothing can fail. ----
	p.obey(lists)
	p.fleet.SetRules(s.rules())
	p.askers.trust(s.Issuer.Proxies)
	nonceKey := s.NonceKey
	if c.Credentials.NonceKeyFile == "" {
		nonceKey = nil // a random one, and there is one
	}
	_ = p.relay.SetAccess(access.verifier, nonceKey)
	if door := p.issuer.Load(); door != nil {
		_ = door.Set(access.issuer, s.Issuer.Keys, s.Issuer.Proxies)
	}
	p.logs.level.Set(level)
	replace(&s.Certificate, current.Certificate)
	replace(&s.Issuer.Certificate, current.Issuer.Certificate)
	p.settings.Store(s)
	return nil
}

// sameKind refuses what would take another listener.
func sameKind(section string, current, next *certs.Certificate) error {
	if (current == nil) != (next == nil) {
		return errors.New(section + ".certificate_file: with and without a certificate are two kinds of listener; restart the service")
	}
	return nil
}

// replace has the certificate in use, which its listeners hold, take over the
// files of the next.
func replace(next **certs.Certificate, current *certs.Certificate) {
	if current != nil && *next != current {
		current.Replace(*next)
		*next = current
	}
}

// access is who is let in and who signs.
type access struct {
	keyring  *auth.Keyring
	verifier *auth.Verifier
	issuer   *auth.Issuer // nil without an issuer
}

func newAccess(s *settings) (a access, err error) {
	if a.keyring, err = auth.NewKeyring(s.Keyring); err != nil {
		return a, err
	}
	if a.verifier, err = auth.NewVerifier(a.keyring, s.Realm, s.Algorithms...); err != nil {
		return a, err
	}
	if len(s.Issuer.Listen) > 0 {
		a.issuer, err = auth.NewIssuer(a.keyring, rand.Reader)
	}
	return a, err
}

// newIssuer is the credential API of a server that is up.
func newIssuer(u *up, log *logs) (*issuer.Server, error) {
	turn, stun := u.uris()
	return issuer.New(issuer.Options{
		Issuer: u.parts.access.issuer, Keys: u.settings.Issuer.Keys, Proxies: u.settings.Issuer.Proxies,
		URIs: turn, STUN: stun, Log: log.Logger,
		Mint: u.parts.mint, Usage: u.parts.usage, Nodes: u.parts.nodes,
		Issued:  func(i issuer.Issued) { logIssued(log.Logger, i); u.parts.accounts.credential(i) },
		Revoked: func(r issuer.Revoked) { logRevoked(log.Logger, r) },
		Revoke: func(_ context.Context, r auth.Revocation) error {
			_, err := u.parts.revoke(r)
			return err
		},
	})
}

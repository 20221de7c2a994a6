package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"

	"turnpike/auth"
	"turnpike/pkg/certs"
	"turnpike/pkg/config"
	"turnpike/pkg/hostnet"
	"turnpike/pkg/issuer"
	"turnpike/ratelimit"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// load reads a configuration and turns it into settings. Whatever is wrong with
// it is told at once, with its place.
func load(file string) (*config.Config, *settings, []config.Warning, error) {
	c, warnings, err := config.Load(config.Options{Path: file, Environ: os.Environ()})
	return settle(c, new(settings), warnings, err)
}

// settle turns a configuration into settings. The certificates of current are
// taken from there and not read again.
func settle(c *config.Config, current *settings, warnings []config.Warning, err error) (*config.Config, *settings, []config.Warning, error) {
	if err != nil {
		return nil, nil, nil, badConfig{err}
	}
	l := loader{c: c, current: current}
	s := l.settings()
	if len(l.faults) > 0 {
		l.faults.Sort()
		return nil, nil, nil, badConfig{l.faults}
	}
	return c, s, warnings, nil
}

// loader makes settings of a configuration that is sound in itself, and gathers
// what other parts find wrong with it.
type loader struct {
	c       *config.Config
	current *settings // in force
	faults  config.Faults
	secrets []owned // so far
}

// owned is a secret and the path of whose it is.
type owned struct {
	path   string
	secret auth.Secret
}

func (l *loader) fault(path, cure, format string, args ...any) {
	l.faults = append(l.faults, l.c.Fault(path, fmt.Sprintf(format, args...), cure))
}

// wrong gathers an error, or several that were joined, whose words hold the
// cure as well.
func (l *loader) wrong(path string, err error) {
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			l.fault(path, "", "%s", line)
		}
	}
}

func (l *loader) settings() *settings {
	c := l.c
	s := &settings{
		Realm: c.Realm, Listen: l.listeners(), Relays: l.relays(), Family: families[c.Relay.DefaultFamily], STUN: c.STUNServers,
		Streams: stream.Options{
			MaxConns: c.Streams.MaxConnections, MaxConnsPerIP: c.Streams.MaxConnectionsPerIP,
			MaxHandshakes: c.Streams.MaxHandshakes, Handshake: c.Streams.HandshakeTimeout,
			FirstFrame: c.Streams.FirstMessageTimeout, FrameTime: c.Streams.MessageTimeout,
			Authenticate: c.Streams.AuthenticationTimeout, Idle: c.Streams.IdleTimeout, Write: c.Streams.WriteTimeout,
		},
		Plane:       l.plane(),
		Certificate: l.certificate("tls.certificate_file", c.TLS.CertificateFile, c.TLS.KeyFile, l.current.Certificate),
		ACME:        l.acme(),
		MinTLS:      tls.VersionTLS12,
		Keyring:     l.keyring(),
		NonceKey:    l.nonceKey(),
		Algorithms:  passwordAlgorithms(c.Credentials.PasswordAlgorithms),
		Revoked:     c.Credentials.RevocationsFile,
		EndExpired:  c.Credentials.OnExpiry == "end_session",
		Policy:      l.policy(),
		Limits: limitSettings{
			Limits: relay.Limits{
				TenantAllocations: c.Limits.TenantAllocations, NetworkAllocations: c.Limits.NetworkAllocations, Permissions: c.Limits.Permissions, Channels: c.Limits.Channels,
				NewPeers: perSecond(c.Limits.NewPeersPerSecond, c.Limits.NewPeersBurst),
			},
			MaxLifetime: c.Limits.MaxLifetime,
			Rules:       rules(c.Limits.Rules),
			OldChannels: c.Compatibility.RFC5766Channels,
			Replies: ratelimit.BudgetOptions{
				Source:  perSecond(c.Limits.ChallengesPerSecond, c.Limits.ChallengesBurst),
				Network: perSecond(c.Limits.NetworkChallengesPerSecond, c.Limits.NetworkChallengesBurst),
				All:     perSecond(c.Limits.AllChallengesPerSecond, c.Limits.AllChallengesBurst),
			},
			Failures: perSecond(c.Limits.FailuresPerSecond, c.Limits.FailuresBurst),
		},
		Store: l.store(), Accounting: c.Accounting,
		Operator: endpoints(c.Operator.Listen),
		Drain:    c.Drain.Timeout,
	}
	if c.TLS.MinVersion == "1.3" {
		s.MinTLS = tls.VersionTLS13
	}
	s.Issuer = l.issuer(s)
	s.Redirect = l.redirect(s)
	l.ring(s)
	return s
}

// families are the values of relay.default_family.
var families = map[string]gate.Family{"ipv4": gate.IPv4, "ipv6": gate.IPv6, "keep": gate.KeepFamily}

func perSecond(n, burst int) ratelimit.Rate {
	return ratelimit.Rate{PerSecond: float64(n), Burst: burst}
}

// perMinute is a rate, and of 0 none.
func perMinute(n, burst int) ratelimit.Rate {
	if n == 0 {
		return ratelimit.Rate{}
	}
	return ratelimit.Rate{PerSecond: float64(n) / 60, Burst: burst}
}

// ring checks what only the keyring and the issuer as a whole can tell.
func (l *loader) ring(s *settings) {
	if len(l.faults) > 0 {
		return // they would be told twice
	}
	keyring, err := auth.NewKeyring(s.Keyring)
	if err != nil {
		l.wrong("credentials", err)
		return
	}
	if len(s.Issuer.Listen) == 0 {
		return
	}
	maker, err := auth.NewIssuer(keyring, rand.Reader)
	if err != nil {
		l.wrong("credentials.issuer_keys", err)
		return
	}
	uris := s.Issuer.URIs
	if len(uris) == 0 {
		uris = []string{"turn:turn.example:3478?transport=udp"} // the real ones are made of checked parts
	}
	_, err = issuer.New(issuer.Options{Issuer: maker, Keys: s.Issuer.Keys, URIs: uris, Log: slog.New(slog.DiscardHandler),
		Revoke: func(context.Context, auth.Revocation) error { return nil },
		Usage:  func(context.Context, ratelimit.Subject, string) (issuer.Used, error) { return issuer.Used{}, nil }})
	l.wrong("issuer", err)
}

// listeners names each address of this host for 0.0.0.0 and [::].
func (l *loader) listeners() (all []relay.Listener) {
	for i, c := range l.c.Listen {
		one := relay.Listener{ProxyFrom: c.ProxyProtocolFrom}
		for _, t := range c.Transports {
			one.UDP = one.UDP || t == config.UDP
			one.TCP = one.TCP || t == config.TCP
			one.TLS = one.TLS || t == config.TLSOverTCP
		}
		addrs := []netip.Addr{c.Address.Addr()}
		if c.Address.Addr().IsUnspecified() {
			var err error
			if addrs, err = familyOf(c.Address.Addr()); err != nil {
				l.wrong(fmt.Sprintf("listen[%d].address", i), err)
			} else if len(addrs) == 0 {
				l.fault(fmt.Sprintf("listen[%d].address", i), "name an address of the other family, or take the entry out",
					"this host has no address for %s", c.Address.Addr())
			}
		}
		for _, addr := range addrs {
			one.Addr = netip.AddrPortFrom(addr, c.Address.Port())
			all = append(all, one)
		}
	}
	return all
}

// familyOf are this host's addresses of the family of any that can be named
// without a zone.
func familyOf(any netip.Addr) (addrs []netip.Addr, err error) {
	host, err := hostnet.Read()
	for _, addr := range host.Interfaces {
		if addr.Is4() == any.Is4() && !addr.IsLinkLocalUnicast() {
			addrs = append(addrs, addr)
		}
	}
	return addrs, err
}

// certificate reads one, unless it is that in use.
func (l *loader) certificate(path, certFile, keyFile string, inUse *certs.Certificate) *certs.Certificate {
	if certFile == "" {
		return nil
	}
	if inUse != nil && inUse.Of(certFile, keyFile) {
		return inUse
	}
	c, err := certs.Load(certFile, keyFile)
	var faults certs.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			if f.File == keyFile {
				path = strings.Replace(path, "certificate_file", "key_file", 1)
			}
			l.fault(path, f.Cure, "%s: %s", f.File, f.Reason)
		}
		return nil
	}
	l.wrong(path, err)
	return c
}

func (l *loader) issuer(s *settings) issuerSettings {
	c := l.c.Issuer
	o := issuerSettings{
		Listen: endpoints(c.Listen), Host: c.PublicHost, URIs: c.URIs, Proxies: c.TrustedProxies,
		Certificate: l.certificate("issuer.certificate_file", c.CertificateFile, c.KeyFile, l.current.Issuer.Certificate),
		ACME:        l.c.IssuerUsesACME(),
	}
	if c.CertificateFile == "" && s.Certificate != nil && len(o.Listen) > 0 { // one of its own, which may change by itself
		o.Certificate = l.certificate("tls.certificate_file", l.c.TLS.CertificateFile, l.c.TLS.KeyFile, l.current.Issuer.Certificate)
	}
	for _, k := range c.APIKeys {
		key := issuer.APIKey{ID: k.ID, Hash: k.Hash, Tenant: k.Tenant, Roles: k.Roles, MaxTTL: k.MaxTTL,
			MayRevoke: k.MayRevoke, MayReadUsage: k.MayReadUsage, Networks: k.Networks, Origins: k.Origins, AllowQueryKey: k.AllowQueryKey}
		key.Rate, key.ClientRate = perMinute(k.MintsPerMinute, k.MintsBurst), perMinute(k.ClientMintsPerMinute, k.ClientMintsBurst)
		o.Keys = append(o.Keys, key)
	}
	return o
}

// redirect sees that no server is this one, as far as its addresses are known.
func (l *loader) redirect(s *settings) relay.Redirect {
	c := l.c.Redirect
	d := relay.Redirect{
		Servers: c.Servers, Domain: c.Domain,
		Draining: slices.Contains(c.When, config.Draining), Full: slices.Contains(c.When, config.Full),
		Always: slices.Contains(c.When, config.Always),
	}
	if i := d.Loop(s.Listen, s.assumed()); i >= 0 {
		l.fault(fmt.Sprintf("redirect.servers[%d]", i), "name another server, or take it out",
			"is %s, which this server listens on, so that clients would be sent in a circle", d.Servers[i])
	}
	return d
}

func endpoints(list []config.Endpoint) (all []endpoint) {
	for _, e := range list {
		all = append(all, endpoint{network: e.Network(), address: e.Address()})
	}
	return all
}

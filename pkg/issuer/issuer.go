package issuer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// Options is what a server is made of.
type Options struct {
	// Issuer signs the credentials.
	Issuer *auth.Issuer
	// Keys are the API keys that may mint; at least one.
	Keys []APIKey
	// Proxies are those whose word is taken for who asks.
	Proxies Proxies
	// URIs are what clients connect to, in the order of preference: 1 to 8 of
	// turn:host:port?transport=udp|tcp and turns:host:port?transport=tcp.
	URIs []string
	// STUN are stun:host:port for the clients that need no relay; may be empty.
	STUN []string
	// Nodes are those of the fleet that live, as they were last heard of; clients
	// are sent to them and not to URIs and STUN. Nil, and as long as it gives nil:
	// there is no fleet.
	Nodes func() []ratelimit.Node
	// Mint asks whether a user may be given one more credential, and has it
	// counted; nil: everybody. It waits for a few hundred milliseconds at most.
	Mint func(context.Context, ratelimit.Subject, *auth.Role) Minted
	// Usage tells what a user, or a tenant if User is empty, has used of a month
	// ("2026-11", or "" for this one). It is needed if a key may read it.
	Usage func(ctx context.Context, who ratelimit.Subject, month string) (Used, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log hears of our own faults, and at debug what net/http has to say of
	// single connections. Never of a key or a password.
	Log *slog.Logger
	// Issued is told of every credential before it is sent; nil means nobody.
	// It runs in the request's goroutine, several at once, and must not block.
	Issued func(Issued)
	// Revoke puts a revocation in force and gives what auth.Revocations.Add does.
	// It is needed if a key may revoke.
	Revoke func(context.Context, auth.Revocation) error
	// Revoked is told of every revocation once it is in force, as Issued is.
	Revoked func(Revoked)
}

// Minted is what [Options].Mint says.
type Minted struct {
	Limit   ratelimit.PerMinute // of the user; none: no limit
	Refusal ratelimit.Refusal   // None: it may be made
	Retry   time.Duration       // until it would be allowed
}

// Issued is the record of one credential: all but its password.
type Issued struct {
	APIKey, Tenant string // who minted
	ID             string // of the credential
	User, Role     string
	At, Expires    time.Time
	// What the request gave for the record: at most 128 bytes of printable text
	// each.
	Label, ConsentRef string

	Route   Route
	Client  netip.Addr // who asked, behind the proxies that are trusted
	Request string     // its id
}

// Server serves the credential API.
type Server struct {
	live    atomic.Pointer[live]
	uris    []string
	stun    []string
	nodes   func() []ratelimit.Node
	now     func() time.Time
	log     *slog.Logger
	issued  func(Issued)
	revoked func(Revoked)
	// Of the Options, Revoke, Mint and Usage.
	revokeHook func(context.Context, auth.Revocation) error
	mintHook   func(context.Context, ratelimit.Subject, *auth.Role) Minted
	usageHook  func(context.Context, ratelimit.Subject, string) (Used, error)
	counters   Counters
}

// live is who signs and who may ask. It may be replaced between requests.
type live struct {
	issuer  *auth.Issuer
	keys    keyring
	origins map[string]bool // of all keys
	proxies Proxies
}

// New checks the options and opens nothing. The error joins every fault found
// and names each entry.
func New(o Options) (*Server, error) {
	if o.Issuer == nil {
		return nil, errors.New("issuer: Options.Issuer is nil: nothing could sign a credential")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	var faults []error
	if o.Log == nil {
		faults = append(faults, errors.New("issuer: Options.Log is nil: give a logger"))
	}
	s := &Server{
		uris:  slices.Clone(o.URIs),
		stun:  slices.Clone(o.STUN),
		nodes: o.Nodes, mintHook: o.Mint, usageHook: o.Usage,
		now:    o.Now,
		log:    o.Log,
		issued: o.Issued, revoked: o.Revoked, revokeHook: o.Revoke,
	}
	faults = append(faults, s.Set(o.Issuer, o.Keys, o.Proxies), checkURIs(o.URIs, o.STUN))
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

// Set replaces who signs and who may ask, for requests from now on. The error
// joins every fault of the keys, and then those before stay. It must not be
// called twice at a time.
func (s *Server) Set(issuer *auth.Issuer, keys []APIKey, proxies Proxies) error {
	next := &live{issuer: issuer, origins: map[string]bool{}, proxies: slices.Clone(proxies)}
	var before keyring
	if now := s.live.Load(); now != nil {
		before = now.keys
	}
	var err error
	if next.keys, err = newKeyring(keys, issuer, s.now(), before); err != nil {
		return err
	}
	for _, g := range next.keys {
		if g.MayRevoke && s.revokeHook == nil {
			return fmt.Errorf("issuer: API key %q may revoke, and Options.Revoke is nil", g.ID)
		}
		if g.MayReadUsage && s.usageHook == nil {
			return fmt.Errorf("issuer: API key %q may read usage, and Options.Usage is nil", g.ID)
		}
		maps.Copy(next.origins, g.origins)
	}
	s.live.Store(next)
	return nil
}

// Counters counts what the server answers.
func (s *Server) Counters() *Counters { return &s.counters }

// Handler serves the API. Use [Server.HTTPServer], or bound connections as it
// does.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// HTTPServer is an http.Server for the API whose connections cost little: 5 s
// for the headers, 10 s for the whole request, 12 s from its headers to the end of
// the answer (so that a body that is late is told so), 10 s idle, 8 KB of headers (net/http adds 4 KB of slack), 100 HTTP/2 streams. The caller
// gives it a listener, and TLS where the way to it is not private.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      12 * time.Second,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
		// Failed handshakes of scanners are a line each: not for the log of a
		// public listener. Our own panics never get as far (serve).
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered like any other path that is not there.
		DisableGeneralOptionsHandler: true,
	}
}

// checkURIs finds every fault of the addresses handed out.
func checkURIs(turn, stun []string) error {
	var faults []error
	if len(turn) == 0 || len(turn) > maxURIs {
		faults = append(faults, fmt.Errorf("issuer: %d TURN URIs: want 1 to %d", len(turn), maxURIs))
	}
	for _, list := range []struct {
		uris  []string
		check func(string) error
	}{{turn, checkTURN}, {stun, checkSTUN}} {
		for i, uri := range list.uris {
			err := list.check(uri)
			if err == nil && slices.Contains(list.uris[:i], uri) {
				err = errors.New("it is listed twice")
			}
			if err != nil {
				faults = append(faults, fmt.Errorf("issuer: URI %q: %w", uri, err))
			}
		}
	}
	return errors.Join(faults...)
}

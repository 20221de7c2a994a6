package main

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"turnpike/pkg/hostnet"
	"turnpike/pkg/issuer"
	"turnpike/pkg/metrics"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay"
)

// parts are the rooms of a server, wired but not opened.
type parts struct {
	settings  atomic.Pointer[settings] // in force
	logs      *logs
	pools     []relay.Pool
	access    access // at the start
	ledger    *ratelimit.Ledger
	fleet     *fleet
	boot      string                   // names this start of the server
	begun     time.Time                // when that was
	uris      atomic.Pointer[[]string] // of the TURN listeners, once they listen
	revoked   *revocations
	accounts  *accounts
	relay     *relay.Server
	heart     heart
	reloads   reloads
	askers    admission                     // who may ask the issuer
	issuer    atomic.Pointer[issuer.Server] // once everything listens
	services  []netip.AddrPort              // our own TCP listeners, set before relay.Serve
	listening []netip.AddrPort              // the TURN listeners, set by relay.Serve

	certificateErrors atomic.Uint64
}

// build turns settings into parts. It opens no socket.
func build(s *settings, pools []relay.Pool, logs *logs) (*parts, error) {
	p := &parts{pools: pools, logs: logs, boot: rand.Text(), begun: time.Now(), reloads: reloads{file: s.File, configured: s.Configured, asked: make(chan chan reloaded)}}
	p.settings.Store(s)
	p.reloads.since.Store(time.Now().Unix())
	var err error
	if p.access, err = newAccess(s); err != nil {
		return nil, err
	}
	if p.ledger, err = ratelimit.NewLedger(ratelimit.LedgerOptions{}); err != nil {
		return nil, err
	}
	if p.fleet, err = newFleet(s, p.ledger, ratelimit.SharedOptions{OnRevocation: p.heard, Describe: p.describe}, logs); err != nil {
		return nil, err
	}
	if p.accounts, err = openAccounts(s.Store.Node, s.Accounting.File, logs.Logger); err != nil {
		return nil, err
	}
	if s.Accounting.Stream {
		p.accounts.stream = p.fleet.Record
	}
	host, err := hostnet.Read()
	if err != nil {
		return nil, err
	}
	clients, askers, err := newClients(s.Policy, host, s.listening())
	if err != nil {
		return nil, err
	}
	p.askers.set(askers.Admits)
	p.askers.trust(s.Issuer.Proxies)
	o := s.relayOptions(pools)
	if p.revoked, err = openRevocations(s.Revoked, time.Now()); err != nil {
		return nil, err
	}
	o.Clients = clients.Admits
	o.Verifier, o.Places, o.Revocations = p.access.verifier, p.fleet, p.revoked.set
	o.Engines = min(cores(), 4)
	if o.Replies, err = ratelimit.NewBudget(s.Limits.Replies); err != nil {
		return nil, err
	}
	if o.Bindings, err = ratelimit.NewBudget(s.Limits.Replies); err != nil {
		return nil, err
	}
	if o.Failures, err = ratelimit.NewLimiter(s.Limits.failures()); err != nil {
		return nil, err
	}
	if o.Plane, err = newPlane(s.Plane); err != nil {
		return nil, err
	}
	o.Policy = func(listening []netip.AddrPort) (*netpolicy.Policy, error) {
		p.listening = listening
		host, err := hostnet.Read()
		if err != nil {
			return nil, err
		}
		return newPolicy(s.Policy, host, pools, p.own())
	}
	o.Ended = p.accounts.ended(logs)
	p.relay, err = relay.New(o)
	return p, err
}

// own are our own services and those that we use: peers of nobody.
func (p *parts) own() []netip.AddrPort {
	return slices.Concat(p.listening, p.services, p.fleet.own())
}

// listening are where the TURN listeners are to be.
func (s *settings) listening() (all []netip.AddrPort) {
	for _, l := range s.Listen {
		all = append(all, l.Addr)
	}
	return all
}

// relayOptions are what the settings say of the relay; the rest are parts.
func (s *settings) relayOptions(pools []relay.Pool) relay.Options {
	o := relay.Options{
		Listen: s.Listen, Streams: s.Streams, Relays: pools, Realm: s.Realm, NonceKey: s.NonceKey,
		Limits: s.Limits.Limits, OldChannels: s.Limits.OldChannels, DefaultFamily: s.Family,
		Redirect: s.Redirect, MaxLifetime: s.Limits.MaxLifetime, EndExpired: s.EndExpired,
	}
	o.Streams.TLS = s.relayTLS()
	return o
}

// failures are those of a client's address and port.
func (l limitSettings) failures() ratelimit.Options {
	return ratelimit.Options{PerSecond: l.Failures.PerSecond, Burst: l.Failures.Burst, Scope: ratelimit.Port}
}

// operatorHandler serves health and metrics.
func operatorHandler(p *parts) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", metrics.Health(p.unready))
	mux.Handle("/reload", reloadHandler(p.reloads.asked))
	mux.Handle("/revocations", revocationsHandler(p))
	mux.Handle("/usage", usageHandler(p.usage))
	mux.Handle("/metrics", metrics.New(version(), p.snapshot).Handler())
	return mux
}

// unready says why this server should not get new clients.
func (p *parts) unready() []string {
	reasons := append(p.relay.Ready(), p.heart.ready()...)
	s := p.settings.Load()
	if c := s.Certificate; c != nil && time.Now().After(c.NotAfter()) {
		reasons = append(reasons, "the certificate of the TURN listeners expired on "+c.NotAfter().UTC().Format(time.DateTime))
	}
	return append(reasons, acmeUnready(s.ACME, time.Now())...)
}

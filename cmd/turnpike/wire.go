package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/pkg/metrics"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay"
	"turnpike/relay/dataplane/std"
)

// Replies to what is not authenticated yet, a source (IPv4 address or IPv6
// /56), for challenges and for Binding answers each. Behind one address of a
// carrier or a school many clients start at once, hence the burst.
const (
	repliesPerSecond = 50
	repliesBurst     = 200
)

// parts are the rooms of a server, wired but not opened.
type parts struct {
	keyring  *auth.Keyring
	ledger   *ratelimit.Ledger
	relay    *relay.Server
	issuer   atomic.Pointer[issuer.Server] // once everything listens
	services []netip.AddrPort              // our own TCP listeners, set before relay.Serve
}

// build turns settings into parts. It opens nothing.
func build(s *settings, log *slog.Logger) (*parts, error) {
	p := new(parts)
	var err error
	if p.keyring, err = auth.NewKeyring(s.Keyring); err != nil {
		return nil, err
	}
	verifier, err := auth.NewVerifier(p.keyring, s.Realm)
	if err != nil {
		return nil, err
	}
	if p.ledger, err = ratelimit.NewLedger(ratelimit.LedgerOptions{}); err != nil {
		return nil, err
	}
	budget := ratelimit.Options{PerSecond: repliesPerSecond, Burst: repliesBurst}
	replies, err := ratelimit.NewLimiter(budget)
	if err != nil {
		return nil, err
	}
	bindings, err := ratelimit.NewLimiter(budget)
	if err != nil {
		return nil, err
	}
	plane, err := std.New(std.Options{})
	if err != nil {
		return nil, err
	}
	p.relay, err = relay.New(relay.Options{
		Listen: s.Listen, Relays: s.Relays, Realm: s.Realm, NonceKey: s.NonceKey,
		Plane: plane, Verifier: verifier, Ledger: p.ledger, Replies: replies, Bindings: bindings,
		Policy: func(listening []netip.AddrPort) (*netpolicy.Policy, error) {
			return newPolicy(s, slices.Concat(listening, p.services))
		},
		Ended: func(r relay.Record) { logEnd(log, r) },
	})
	return p, err
}

// newPolicy is the peer policy of a host that listens on own.
func newPolicy(s *settings, own []netip.AddrPort) (*netpolicy.Policy, error) {
	hosts, broadcasts, err := hostAddrs()
	if err != nil {
		return nil, err
	}
	var relays []netip.Addr
	for _, pool := range s.Relays {
		relays = append(relays, pool.Bind)
		if !pool.Public.IsValid() {
			continue
		}
		relays = append(relays, pool.Public)
		for _, at := range own { // behind a 1:1 NAT a listener has a second name
			if at.Addr() == pool.Bind {
				own = append(own, netip.AddrPortFrom(pool.Public, at.Port()))
			}
		}
	}
	return netpolicy.New(netpolicy.Options{RelayAddrs: relays, Own: own, HostAddrs: hosts, Broadcasts: broadcasts})
}

// hostAddrs are the addresses of this host's interfaces, and the directed
// broadcast addresses of their IPv4 networks.
func hostAddrs() (hosts, broadcasts []netip.Addr, err error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, nil, fmt.Errorf("addresses of this host: %w", err)
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue // not an IP interface address
		}
		hosts = append(hosts, prefix.Addr())
		if b, ok := broadcast(prefix); ok {
			broadcasts = append(broadcasts, b)
		}
	}
	return hosts, broadcasts, nil
}

// broadcast is the directed broadcast address of an interface's IPv4 network;
// /31 and /32 have none (RFC 3021).
func broadcast(prefix netip.Prefix) (netip.Addr, bool) {
	if !prefix.Addr().Is4() || prefix.Bits() >= 31 {
		return netip.Addr{}, false
	}
	last := prefix.Addr().As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(last), true
}

// newIssuer is the credential API of a server that is up.
func newIssuer(u *up, log *slog.Logger) (*issuer.Server, error) {
	maker, err := auth.NewIssuer(u.parts.keyring, rand.Reader)
	if err != nil {
		return nil, err
	}
	o := issuer.Options{Issuer: maker, Keys: u.settings.APIKeys, Log: log}
	for _, at := range u.turn {
		o.URIs = append(o.URIs, "turn:"+at.String()+"?transport=udp")
		o.STUN = append(o.STUN, "stun:"+at.String())
	}
	return issuer.New(o)
}

// operatorHandler serves health and metrics.
func operatorHandler(p *parts) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", metrics.Health(p.relay.Ready))
	mux.Handle("/metrics", metrics.New(version(), p.snapshot).Handler())
	return mux
}

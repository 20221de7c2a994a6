package main

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

	"turnpike/pkg/netpolicy"
	"turnpike/relay"
	"turnpike/relay/gate"
)

// maxURIs is how many an issuer hands out: browsers warn beyond a few.
const maxURIs = 8

// uris are what clients are told to connect to: UDP first, since it is the
// fastest way, then TCP and TLS for networks that let nothing else through.
func (u *up) uris() (turn, stun []string) {
	for _, over := range []gate.Transport{gate.UDP, gate.TCP, gate.TLS} {
		for _, b := range u.turn {
			if b.Transport != over || u.hidden(b.Addr.Addr()) {
				continue
			}
			at := u.hostPort(b.Addr)
			switch over {
			case gate.UDP:
				turn = append(turn, "turn:"+at+"?transport=udp")
				stun = append(stun, "stun:"+at)
			case gate.TCP:
				turn = append(turn, "turn:"+at+"?transport=tcp")
			case gate.TLS:
				turn = append(turn, "turns:"+at+"?transport=tcp")
			}
		}
	}
	turn, stun = unique(turn), unique(stun)
	if len(u.settings.Issuer.URIs) > 0 {
		turn = u.settings.Issuer.URIs
	}
	return turn[:min(len(turn), maxURIs)], stun[:min(len(stun), maxURIs)]
}

// hidden reports whether an address is of no use to clients: there is one that
// more of them can reach. A host has private ones too, of bridges and tunnels.
func (u *up) hidden(addr netip.Addr) bool {
	return slices.ContainsFunc(u.turn, func(b relay.Bound) bool { return u.reach(b.Addr.Addr()) > u.reach(addr) })
}

// reach says from where an address can be connected to: 0 this host, 1 private
// networks, 2 everywhere. Of what a host name stands for nothing is known, but
// that it is not loopback.
func (u *up) reach(addr netip.Addr) int {
	switch public := u.public(addr); {
	case public.IsLoopback():
		return 0
	case u.settings.Issuer.Host == "" && netpolicy.Global(public):
		return 2
	}
	return 1
}

// public is an address of a listener as clients know it: the one of the 1:1 NAT
// in front of it, or as it is.
func (u *up) public(addr netip.Addr) netip.Addr {
	for _, pool := range u.parts.pools {
		if pool.Bind == addr {
			return pool.Public
		}
	}
	return addr
}

// hostPort is a listener as clients know it, by host name if there is one.
func (u *up) hostPort(at netip.AddrPort) string {
	if host := u.settings.Issuer.Host; host != "" {
		return net.JoinHostPort(host, strconv.Itoa(int(at.Port())))
	}
	return netip.AddrPortFrom(u.public(at.Addr()), at.Port()).String()
}

// unique drops repetitions: of several addresses one host name is left.
func unique(all []string) (once []string) {
	for _, s := range all {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

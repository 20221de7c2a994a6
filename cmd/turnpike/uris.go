package main

import (
	"net"
	"net/netip"
	"slices"
	"strconv"

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

// hidden reports whether an address is of no use to clients: loopback, unless
// there is nothing else.
func (u *up) hidden(addr netip.Addr) bool {
	return addr.IsLoopback() && slices.ContainsFunc(u.turn, func(b relay.Bound) bool { return !b.Addr.Addr().IsLoopback() })
}

// hostPort is a listener as clients know it: by host name, by the public
// address of the 1:1 NAT in front of it, or as it is.
func (u *up) hostPort(at netip.AddrPort) string {
	if host := u.settings.Issuer.Host; host != "" {
		return net.JoinHostPort(host, strconv.Itoa(int(at.Port())))
	}
	for _, pool := range u.parts.pools {
		if pool.Bind == at.Addr() {
			return netip.AddrPortFrom(pool.Public, at.Port()).String()
		}
	}
	return at.String()
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

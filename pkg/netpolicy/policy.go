package netpolicy

import (
	"net/netip"
	"slices"
)

// Policy judges peers. It is immutable and safe for use by many goroutines.
type Policy struct {
	mode        Mode
	deny, allow *list
	known       map[netip.Addr]known
	roles       map[string]*Policy // this one, narrowed
	only        *role              // nil: it is for all
}

// known is what New was told about an address.
type known struct {
	host      bool     // an address of this host
	relay     bool     // a bind or public address of the relay pools
	broadcast bool     // directed broadcast of a network of ours
	ports     []uint16 // where our own services listen
}

// finding is a rule and where it comes from.
type finding struct {
	rule   Rule
	line   match    // the operator's, for OperatorDeny and OperatorAllow
	row    *special // of the table, if it decided
	inside reading  // the reading judged, if not the address itself

	role     string // that was asked too, or nothing
	roleLine match  // its line
}

// Peer judges one peer address and port: asked at ChannelBind, at Send and for
// every datagram in both directions. live reports whether an address is a
// currently allocated relay port of ours; it may be nil. It is asked about
// mapped addresses in their IPv4 form.
func (p *Policy) Peer(peer netip.AddrPort, live func(netip.AddrPort) bool) Verdict {
	return verdict(p.peer(peer, live).rule)
}

func (p *Policy) peer(peer netip.AddrPort, live func(netip.AddrPort) bool) finding {
	addr := peer.Addr()
	if !usable(addr) || peer.Port() == 0 {
		return finding{rule: Invalid}
	}
	addr = addr.Unmap()
	f := finding{rule: LiveRelay}
	if live == nil || !live(netip.AddrPortFrom(addr, peer.Port())) {
		f = p.worst(addr, peer.Port())
	}
	return p.narrowed(f, addr, peer.Port())
}

// Permission judges an address without port, since a permission has none (RFC
// 8656 §9). An own relay address is granted: only the port can tell a live
// relay from the rest of the host, and Peer will.
func (p *Policy) Permission(peer netip.Addr) Verdict {
	return verdict(p.permission(peer).rule)
}

func (p *Policy) permission(peer netip.Addr) finding {
	if !usable(peer) {
		return finding{rule: Invalid}
	}
	addr := peer.Unmap()
	f := finding{rule: OwnRelay}
	if !p.known[addr].relay {
		f = p.worst(addr, 0)
	}
	return p.narrowed(f, addr, 0)
}

// usable reports whether addr is an address a datagram could name: a zone never
// travels (RFC 4007 §6).
func usable(addr netip.Addr) bool { return addr.IsValid() && addr.Zone() == "" }

// worst judges addr and every IPv4 address in it.
func (p *Policy) worst(addr netip.Addr, port uint16) finding {
	f := p.judge(addr, port)
	if addr.Is4() {
		return f
	}
	in := carried(addr)
	for i := range in.n {
		if g := p.judge(in.list[i].addr, port); g.rule < f.rule {
			f = g
			f.inside = in.list[i]
		}
	}
	return f
}

// judge takes steps 2 to 6 for one reading of an address. Port 0 stands for no
// port, at which nothing listens.
func (p *Policy) judge(addr netip.Addr, port uint16) finding {
	row := specialOf(addr)
	if row != nil && row.rule.hard() {
		return finding{rule: row.rule, row: row}
	}
	k := p.known[addr]
	if k.broadcast {
		return finding{rule: Broadcast}
	}
	if slices.Contains(k.ports, port) {
		return finding{rule: OwnService}
	}
	if m := p.deny.denies(addr, port); m.line != nil {
		return finding{rule: OperatorDeny, line: m}
	}
	m := p.allow.allows(addr, port)
	switch {
	case m.line != nil && (!k.host || m.line.single()):
		return finding{rule: OperatorAllow, line: m}
	case k.host:
		return finding{rule: OwnHost}
	case row != nil:
		return finding{rule: row.rule, row: row}
	case p.mode == Public:
		return finding{rule: DefaultAllow}
	}
	return finding{rule: DefaultDeny}
}

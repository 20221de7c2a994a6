package relay

import (
	"net/netip"

	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

func (x *session) startPermission(r *gate.Request) []part {
	table, at := x.peers.Load(), x.at(x.server.now())
	parts, ok := x.split(r.Peers, at)
	if !ok {
		return x.refuse(r, x.mismatch())
	}
	count, _ := table.live(at)
	added, fresh := 0, 0
	for i, peer := range r.Peers {
		p := table.permission(peer.Addr())
		if p != nil && at < p.until.Load() || repeated(r.Peers[:i], peer) {
			continue
		}
		added++
		if p == nil {
			fresh++
		}
	}
	if count+added > x.server.limits.Load().Permissions || !x.fresh.Take(fresh, at) {
		return x.refuse(r, codeInsufficientCapacity)
	}
	return parts
}

// split gives each half the peers of its family; false: one of them does not live.
func (x *session) split(peers []netip.AddrPort, at int64) (parts []part, ok bool) {
	for i := range x.halves {
		h := &x.halves[i]
		var own []netip.AddrPort
		for _, peer := range peers {
			if x.of(peer.Addr()) == h {
				own = append(own, peer)
			}
		}
		if len(own) == 0 {
			continue
		}
		if !h.lives(at) {
			return nil, false
		}
		parts = append(parts, part{half: h, ask: engine.Request{Leg: h.leg, Method: engine.CreatePermission, Peers: own}})
	}
	return parts, true
}

func (x *session) finishPermission(r *gate.Request, parts []part) {
	code := x.outcome(parts)
	if code == 0 && !x.permit(x.at(x.server.now()), r.Peers, nil) {
		code = codeForbidden
	}
	x.server.answer(r, gate.Answer{Code: code})
}

func (x *session) startChannel(r *gate.Request) []part {
	table, at, peer := x.peers.Load(), x.at(x.server.now()), r.Peers[0]
	h := x.of(peer.Addr())
	if !h.lives(at) {
		return x.refuse(r, x.mismatch())
	}
	permissions, channels := table.live(at)
	byNumber, byPeer := table.channel(r.Channel), table.bound(peer)
	if byNumber != nil && at >= byNumber.until.Load() {
		byNumber = nil
	}
	if byPeer != nil && at >= byPeer.until.Load() {
		byPeer = nil
	}
	if byNumber != byPeer { // one number, one peer (RFC 8656 §12.2)
		return x.refuse(r, codeBadRequest)
	}
	if byNumber == nil {
		channels++
	}
	fresh := 0
	if p := table.permission(peer.Addr()); p == nil || at >= p.until.Load() {
		permissions++
		if p == nil {
			fresh = 1
		}
	}
	limits := x.server.limits.Load()
	if channels > limits.Channels || permissions > limits.Permissions || !x.fresh.Take(fresh, at) {
		return x.refuse(r, codeInsufficientCapacity)
	}
	return []part{{half: h, ask: engine.Request{Leg: h.leg, Method: engine.ChannelBind, Channel: r.Channel, Peer: peer}}}
}

func (x *session) finishChannel(r *gate.Request, parts []part) {
	code := x.outcome(parts)
	if code == 0 {
		now := x.at(x.server.now())
		b := x.peers.Load().channel(r.Channel)
		if b == nil || b.peer != r.Peers[0] || now >= b.until.Load() {
			b = &binding{number: r.Channel, peer: r.Peers[0]}
		}
		if !x.permit(now, r.Peers, b) {
			code = codeForbidden
		}
	}
	x.server.answer(r, gate.Answer{Code: code})
}

// repeated reports whether an address was named before.
func repeated(before []netip.AddrPort, peer netip.AddrPort) bool {
	for _, p := range before {
		if p.Addr() == peer.Addr() {
			return true
		}
	}
	return false
}

// permit gives peers a permission, or renews it, and a channel with it if one
// is named. It runs on the engine's goroutine, the table's only writer. false: the
// policy has changed since they were judged, and one of the session's is gone.
func (x *session) permit(now int64, addrs []netip.AddrPort, b *binding) bool {
	table := x.peers.Load()
	var fresh []*permission
	for i, peer := range addrs {
		if repeated(addrs[:i], peer) {
			continue
		}
		p := table.permission(peer.Addr())
		if p == nil {
			p = &permission{addr: peer.Addr(), half: x.of(peer.Addr())}
			fresh = append(fresh, p)
		}
		p.until.Store(now + int64(permissionLifetime))
		if b != nil && b.permission == nil { // else it is this one, and being read
			b.permission = p
		}
	}
	var added *binding
	if b != nil {
		b.until.Store(now + int64(channelLifetime))
		if table.channel(b.number) != b {
			added = b
		}
	}
	if len(fresh) > 0 || added != nil {
		x.peers.Store(table.with(now, fresh, added))
	}
	return x.keep(addrs)
}

// keep takes back the permissions of addrs that the policy in force would not
// give; false: there were some. It comes after they were given, so that it does
// not matter whether SetPolicy stores another policy before or after.
func (x *session) keep(addrs []netip.AddrPort) bool {
	pol, table, all := x.policy(), x.peers.Load(), true
	for _, peer := range addrs {
		if !pol.Permission(peer.Addr()).Allowed {
			table.permission(peer.Addr()).until.Store(withdrawn)
			all = false
		}
	}
	return all
}

package relay

import (
	"math"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
)

// peers is a session's permissions and channels: written by the engine's
// goroutine, read by the plane's workers. A change of its shape makes a new
// table; a change of a deadline is one atomic store. The lists are short (64
// at most, a handful in a call), so a scan beats a map.
type peers struct {
	permissions []*permission
	channels    []*binding
}

// permission lets one address send to the client and be sent to.
type permission struct {
	addr  netip.Addr
	half  *half
	until atomic.Int64 // see session.at; withdrawn if the policy took it back
	sent  judged       // ports that the client sends to
	heard judged       // ports that are heard: a peer must not push out the others
}

const withdrawn = math.MinInt64

// binding ties a channel number to a peer. It relays while it and its
// permission live.
type binding struct {
	number     uint16
	peer       netip.AddrPort
	permission *permission
	until      atomic.Int64
	judged
}

// judged remembers the ports that the policy last allowed, and its generation,
// so that the policy is read again only after a change. Only a yes is kept,
// and never one that rests on a relay port being allocated just now.
type judged struct {
	allowed [4]atomic.Uint64 // generation<<16 | port
	next    atomic.Uint32    // which of them is written next
}

func (j *judged) knows(key uint64) bool {
	for i := range j.allowed {
		if j.allowed[i].Load() == key {
			return true
		}
	}
	return false
}

func (j *judged) remember(key uint64) {
	j.allowed[j.next.Add(1)%uint32(len(j.allowed))].Store(key)
}

func (p *peers) permission(addr netip.Addr) *permission {
	for _, x := range p.permissions {
		if x.addr == addr {
			return x
		}
	}
	return nil
}

func (p *peers) channel(number uint16) *binding {
	for _, x := range p.channels {
		if x.number == number {
			return x
		}
	}
	return nil
}

func (p *peers) bound(peer netip.AddrPort) *binding {
	for _, x := range p.channels {
		if x.peer == peer {
			return x
		}
	}
	return nil
}

// with returns a table with the given entries added and the lapsed ones gone;
// a lapsed permission stays while a live channel may be waiting for it.
func (p *peers) with(now int64, permissions []*permission, channel *binding) *peers {
	next := new(peers)
	if channel != nil {
		next.channels = append(next.channels, channel)
	}
	for _, b := range p.channels {
		if now < b.until.Load() {
			next.channels = append(next.channels, b)
		}
	}
	needed := func(x *permission) bool {
		return now < x.until.Load() ||
			slices.ContainsFunc(next.channels, func(b *binding) bool { return b.permission == x })
	}
	next.permissions = append(next.permissions, permissions...)
	for _, x := range p.permissions {
		if needed(x) {
			next.permissions = append(next.permissions, x)
		}
	}
	return next
}

// without returns a table that has nothing of a half.
func (p *peers) without(h *half) *peers {
	next := new(peers)
	for _, x := range p.permissions {
		if x.half != h {
			next.permissions = append(next.permissions, x)
		}
	}
	for _, b := range p.channels {
		if b.permission.half != h {
			next.channels = append(next.channels, b)
		}
	}
	return next
}

// live counts the entries that have not lapsed.
func (p *peers) live(now int64) (permissions, channels int) {
	for _, x := range p.permissions {
		if now < x.until.Load() {
			permissions++
		}
	}
	for _, x := range p.channels {
		if now < x.until.Load() {
			channels++
		}
	}
	return permissions, channels
}

// ToPeer implements dataplane.Pass.
func (x *session) ToPeer(channel uint16, peer netip.AddrPort, n int, now time.Time) (netip.AddrPort, dataplane.Verdict) {
	table, at := x.peers.Load(), x.at(now)
	if channel == 0 {
		p := table.permission(peer.Addr())
		if p == nil || !p.lives(at) {
			return peer, x.missing(p, at, dataplane.NoPermission)
		}
		return peer, x.pass(&p.sent, peer, n, now, true)
	}
	b := table.channel(channel)
	if b == nil {
		return peer, x.missing(nil, at, dataplane.NoChannel)
	}
	if at >= b.until.Load() {
		return peer, x.missing(b.permission, at, dataplane.NoChannel)
	}
	if !b.permission.lives(at) {
		return peer, x.missing(b.permission, at, dataplane.NoPermission)
	}
	return b.peer, x.pass(&b.judged, b.peer, n, now, false)
}

// ToClient implements dataplane.Pass.
func (x *session) ToClient(peer netip.AddrPort, n int, now time.Time) (uint16, dataplane.Verdict) {
	table, at := x.peers.Load(), x.at(now)
	p := table.permission(peer.Addr())
	if p == nil || !p.lives(at) {
		return 0, x.missing(p, at, dataplane.NoPermission)
	}
	if b := table.bound(peer); b != nil && at < b.until.Load() {
		return b.number, x.pass(&b.judged, peer, n, now, false)
	}
	return 0, x.pass(&p.heard, peer, n, now, false)
}

// lives reports whether a permission has not lapsed, nor its half ended.
func (p *permission) lives(at int64) bool { return at < p.until.Load() && p.half.lives(at) }

// missing is the verdict on what has nothing to pass by, p at most: v, unless that
// has ended which it would be of.
func (x *session) missing(p *permission, at int64, v dataplane.Verdict) dataplane.Verdict {
	if p != nil && !p.half.lives(at) || !x.halves[0].lives(at) && !x.halves[1].lives(at) {
		return dataplane.Ended
	}
	if p != nil && p.until.Load() == withdrawn {
		return dataplane.PolicyPeer
	}
	return v
}

// ICMP implements dataplane.Pass (RFC 8656 §11.5).
func (x *session) ICMP(peer netip.AddrPort, now time.Time) dataplane.Notice {
	at := x.at(now)
	if !x.halves[0].lives(at) && !x.halves[1].lives(at) {
		return dataplane.NoticeNoFlow
	}
	if p := x.peers.Load().permission(peer.Addr()); p == nil || !p.lives(at) {
		return dataplane.NoticeNoPermission
	}
	if !x.notices.Take(1, at) {
		return dataplane.NoticePaced
	}
	// What is for a relay of ours never leaves.
	if v := x.server.peer(x.identity.Role.Name, peer); !v.Allowed || v.Rule == netpolicy.LiveRelay {
		return dataplane.NoticePolicy
	}
	return dataplane.NoticeSent
}

// pass asks the policy in force and the meters. A permission has no port
// (RFC 8656 §9), so a client may choose any for each datagram; chosen says that
// it does, and then a port it has not just used counts as a new peer: nobody
// scans a host through us at the rate of packets.
func (x *session) pass(j *judged, peer netip.AddrPort, n int, now time.Time, chosen bool) dataplane.Verdict {
	pol := x.server.policy.Load()
	if key := pol.generation<<16 | uint64(peer.Port()); !j.knows(key) {
		v := pol.Of(x.identity.Role.Name).Peer(peer, x.server.o.Plane.Live)
		if !v.Allowed {
			return dataplane.PolicyPeer
		}
		if v.Rule != netpolicy.LiveRelay {
			if chosen && !x.fresh.Take(1, x.at(now)) {
				return dataplane.RatePeers
			}
			j.remember(key)
		}
	}
	switch x.meter.Take(n, now) {
	case ratelimit.None:
		return dataplane.Allow
	case ratelimit.SessionRate:
		return dataplane.RateSession
	case ratelimit.UserRate:
		return dataplane.RateUser
	}
	return dataplane.QuotaBytes
}

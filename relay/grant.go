package relay

import (
	"math"
	"net/netip"
)

// ended reports whether a deadline is that of a session that has ended.
func ended(expires int64) bool { return expires == math.MinInt64 }

// ended reports whether the session has ended or its time is over.
func (x *session) ended() bool { return x.at(x.server.now()) >= x.expires.Load() }

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
// is named. It runs on the engine's goroutine, the table's only writer.
func (x *session) permit(now int64, addrs []netip.AddrPort, b *binding) {
	table := x.peers.Load()
	var fresh []*permission
	for i, peer := range addrs {
		if repeated(addrs[:i], peer) {
			continue
		}
		p := table.permission(peer.Addr())
		if p == nil {
			p = &permission{addr: peer.Addr()}
			fresh = append(fresh, p)
		}
		p.until.Store(now + int64(permissionLifetime))
		if b != nil {
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
}

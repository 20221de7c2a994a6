package netpolicy

import (
	"net/netip"
	"testing"
)

var benchPeers = []struct{ name, peer string }{
	{"v4-public", "8.8.8.8:5000"},
	{"v4-relay", "198.41.0.4:50000"},
	{"v4-private", "10.1.2.3:5000"},
	{"v6-public", "[2600::1]:5000"},
	{"v6-teredo", "[2001:0:808:808::f7f7:f7f7]:5000"},
}

func benchPolicy(t testing.TB) (*Policy, func(netip.AddrPort) bool) {
	p := mustNew(t, Options{
		Deny:       prefixes("11.0.0.0/8", "2600:bad::/32"),
		Allow:      prefixes("10.1.0.0/16", "fd12::/48"),
		RelayAddrs: addrs("198.41.0.4", "2600::4"),
		HostAddrs:  addrs("10.0.0.4", "127.0.0.1", "::1"),
		Own:        []netip.AddrPort{addrPort("[::]:3478"), addrPort("[::]:5349"), addrPort("10.0.0.9:6379")},
		Broadcasts: addrs("10.0.0.255"),
	})
	relay := addrPort("198.41.0.4:50000")
	return p, func(a netip.AddrPort) bool { return a == relay }
}

func BenchmarkPeer(b *testing.B) {
	p, live := benchPolicy(b)
	for _, c := range benchPeers {
		b.Run(c.name, func(b *testing.B) {
			peer := addrPort(c.peer)
			b.ReportAllocs()
			for b.Loop() {
				p.Peer(peer, live)
			}
		})
	}
}

func TestJudgingAllocatesNothing(t *testing.T) {
	p, live := benchPolicy(t)
	for _, c := range benchPeers {
		peer := addrPort(c.peer)
		if n := testing.AllocsPerRun(100, func() { p.Peer(peer, live) }); n != 0 {
			t.Errorf("Peer %s: %v allocations", c.name, n)
		}
		if n := testing.AllocsPerRun(100, func() { p.Permission(peer.Addr()) }); n != 0 {
			t.Errorf("Permission %s: %v allocations", c.name, n)
		}
	}
}

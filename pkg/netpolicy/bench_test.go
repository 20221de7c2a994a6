package netpolicy

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"testing"
	"time"
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
		Deny:       lines("11.0.0.0/8", "2600:bad::/32"),
		Allow:      lines("10.1.0.0/16", "fd12::/48"),
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

// longList has n lines, as a list of countries or of hosters does: prefixes of
// both families, some ports, some within others.
func longList(n int) []Line {
	d := rand.New(rand.NewPCG(uint64(n), 0))
	list := make([]Line, n)
	for i := range list {
		var b [16]byte
		for j := range b {
			b[j] = byte(d.Uint32())
		}
		b[0] = 11 + b[0]%100 // no line that New refuses to allow
		pre := netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), 12+d.IntN(17))
		if i%2 == 0 {
			b[0] = 0x20 | b[0]&0x1f
			pre = netip.PrefixFrom(netip.AddrFrom16(b), 24+d.IntN(25))
		}
		list[i].Prefix = pre.Masked()
		if i%10 == 0 {
			list[i].Ports = []PortRange{{1000, 2000}, {3000, 4000}}
		}
	}
	return list
}

// probes are the peers that a benchmark of lists goes through: half of them in
// one of the lines.
func probes(list []Line) (peers []netip.AddrPort) {
	d := rand.New(rand.NewPCG(1, 0))
	for len(peers) < 4096 {
		in := list[d.IntN(len(list))].Prefix.Addr()
		b := in.AsSlice()
		if len(peers)%2 == 0 {
			b[1] ^= byte(d.Uint32())
		}
		a, _ := netip.AddrFromSlice(b)
		peers = append(peers, netip.AddrPortFrom(a, uint16(1+d.IntN(5000))))
	}
	return peers
}

var listSizes = []int{10, 1_000, 100_000}

func BenchmarkLists(b *testing.B) {
	for _, n := range listSizes {
		list := longList(n)
		p := mustNew(b, Options{Deny: list})
		peers := probes(list)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.Peer(peers[i%len(peers)], nil)
			}
		})
	}
}

func BenchmarkClients(b *testing.B) {
	for _, n := range listSizes {
		list := longList(n)
		for i := range list {
			list[i].Ports = nil
		}
		c := mustClients(b, ClientOptions{Deny: list})
		peers := probes(list)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Admits(peers[i%len(peers)].Addr())
			}
		})
	}
}

// BenchmarkNew is what a reload costs.
func BenchmarkNew(b *testing.B) {
	for _, n := range listSizes {
		list := longList(n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustNew(b, Options{Deny: list})
			}
		})
	}
}

// A long list is no slower than a short one, but for what it costs that its
// lines are not all in the processor's cache: each round asks both, and the
// best of many rounds is compared, so that a busy machine slows neither.
func TestLongListsAreFlat(t *testing.T) {
	const most = 8 // a walk over the lines would be thousands
	best := map[int]time.Duration{}
	policies, peers := map[int]*Policy{}, map[int][]netip.AddrPort{}
	for _, n := range []int{10, 100_000} {
		list := longList(n)
		policies[n], peers[n], best[n] = mustNew(t, Options{Deny: list}), probes(list), time.Hour
	}
	for range 30 {
		for n, p := range policies {
			start := time.Now()
			for _, peer := range peers[n] {
				p.Peer(peer, nil)
			}
			best[n] = min(best[n], time.Since(start))
		}
	}
	ratio := float64(best[100_000]) / float64(best[10])
	t.Logf("%v and %v for %d peers: %.1f times", best[10], best[100_000], len(peers[10]), ratio)
	if ratio > most {
		t.Errorf("100,000 lines take %.1f times as long as 10", ratio)
	}
}

func TestJudgingAllocatesNothing(t *testing.T) {
	p, live := benchPolicy(t)
	long := longList(100_000)
	listed := mustNew(t, Options{Deny: long[:50_000], Allow: long[50_000:]})
	clients := mustClients(t, ClientOptions{Deny: lines("11.0.0.0/8")})
	peers := probes(long)[:100]
	if n := testing.AllocsPerRun(10, func() {
		for _, peer := range peers {
			listed.Peer(peer, live)
			listed.Permission(peer.Addr())
			clients.Admits(peer.Addr())
		}
	}); n != 0 {
		t.Errorf("long lists: %v allocations", n)
	}
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

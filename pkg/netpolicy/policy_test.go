package netpolicy

import (
	"net/netip"
	"testing"

	"turnpike/relay/relaytest"
)

func TestRuleNamesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for r := range Rule(NumRules) {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("rule %d is called %q", r, r)
		}
		seen[r.String()] = true
	}
	if Rule(NumRules).String() != "unknown" || Rule(NumRules).allows() {
		t.Error("a rule outside the set has a name or allows")
	}
	if (Verdict{}) != verdict(Invalid) {
		t.Error("the zero Verdict is not a refusal")
	}
}

func TestOrderOfSteps(t *testing.T) {
	live := func(a netip.AddrPort) bool {
		return a == addrPort("127.0.0.1:50000") || a == addrPort("11.0.0.9:50000")
	}
	o := Options{
		Deny:       lines("11.0.0.0/8", "10.1.2.128/25", "2600:bad::/32", "192.0.2.7/32"),
		Allow:      lines("10.1.0.0/16", "11.1.0.0/16", "192.0.2.0/24", "fd12:3456::/48", "64:ff9b::/96", "10.1.0.5/32", "fd12:3456::5/128"),
		RelayAddrs: addrs("127.0.0.1", "11.0.0.9", "198.41.0.4"),
		HostAddrs:  addrs("10.1.0.4", "10.1.0.5", "198.41.0.4", "fd12:3456::4", "fd12:3456::5"),
		Own:        []netip.AddrPort{addrPort("0.0.0.0:3478"), addrPort("10.1.7.7:6379"), addrPort("127.0.0.1:50001")},
		Broadcasts: addrs("10.1.255.255", "198.41.0.255"),
	}
	cases := []struct {
		peer              string
		public, allowList Rule
	}{
		// 1 before 2 and 3: a live relay port on loopback, and under a deny line.
		{"127.0.0.1:50000", LiveRelay, LiveRelay},
		{"[::ffff:127.0.0.1]:50000", LiveRelay, LiveRelay},
		{"11.0.0.9:50000", LiveRelay, LiveRelay},
		// Only that port, and in no other form.
		{"127.0.0.1:50001", Loopback, Loopback},
		{"[::127.0.0.1]:50000", Loopback, Loopback},
		{"[64:ff9b::7f00:1]:50000", Loopback, Loopback},
		{"11.0.0.9:50001", OperatorDeny, OperatorDeny},
		// 2 before 4.
		{"10.1.7.7:6379", OwnService, OwnService},
		{"10.1.7.7:6380", OperatorAllow, OperatorAllow},
		{"10.1.0.5:3478", OwnService, OwnService},
		{"10.1.255.255:9", Broadcast, Broadcast},
		{"[::ffff:10.1.255.255]:9", Broadcast, Broadcast},
		{"198.41.0.255:9", Broadcast, Broadcast},
		{"198.41.0.254:9", DefaultAllow, DefaultDeny},
		// 3 before 4, 4 before 5.
		{"10.1.2.200:5000", OperatorDeny, OperatorDeny},
		{"10.1.2.100:5000", OperatorAllow, OperatorAllow},
		{"11.1.0.1:5000", OperatorDeny, OperatorDeny},
		{"192.0.2.7:5000", OperatorDeny, OperatorDeny},
		{"192.0.2.8:5000", OperatorAllow, OperatorAllow},
		{"[fd12:3456::1]:5000", OperatorAllow, OperatorAllow},
		{"[fd12:3457::1]:5000", UniqueLocal, UniqueLocal},
		// This host: a wide line does not open it, its own line does.
		{"10.1.0.4:5000", OwnHost, OwnHost},
		{"10.1.0.5:5000", OperatorAllow, OperatorAllow},
		{"[fd12:3456::4]:5000", OwnHost, OwnHost},
		{"[fd12:3456::5]:5000", OperatorAllow, OperatorAllow},
		{"198.41.0.4:5000", OwnHost, OwnHost},
		{"198.41.0.4:3478", OwnService, OwnService},
		// The worst reading counts.
		{"[64:ff9b::a01:280]:5000", OperatorDeny, OperatorDeny},
		{"[64:ff9b::a01:204]:5000", OperatorAllow, OperatorAllow},
		{"[64:ff9b::a02:204]:5000", Private, Private},
		{"[64:ff9b::808:808]:5000", OperatorAllow, DefaultDeny},
		{"[64:ff9b::a01:4]:5000", OwnHost, OwnHost},
		{"[2600::5efe:a02:204]:5000", Private, Private},
		// 5 before 6.
		{"10.2.0.1:5000", Private, Private},
		{"[2600:bad::1]:5000", OperatorDeny, OperatorDeny},
		{"8.8.8.8:5000", DefaultAllow, DefaultDeny},
		{"[2600::1]:5000", DefaultAllow, DefaultDeny},
	}
	for _, mode := range []Mode{Public, AllowList} {
		o.Mode = mode
		p := mustNew(t, o)
		for _, c := range cases {
			want := verdict(c.public)
			if mode == AllowList {
				want = verdict(c.allowList)
			}
			if got := p.Peer(addrPort(c.peer), live); got != want {
				t.Errorf("mode %d, %s: %v, want %v", mode, c.peer, got.Rule, want.Rule)
			}
		}
	}
}

func TestUnusablePeers(t *testing.T) {
	p := mustNew(t, everything(Options{RelayAddrs: addrs("8.8.8.8", "fe80::1")}))
	yes := func(netip.AddrPort) bool { return true }
	for _, peer := range []netip.AddrPort{
		{},
		netip.AddrPortFrom(netip.Addr{}, 5000),
		addrPort("8.8.8.8:0"),
		addrPort("[fe80::1%eth0]:5000"),
		addrPort("[::ffff:8.8.8.8%eth0]:5000"),
	} {
		if v := p.Peer(peer, yes); v != (Verdict{}) {
			t.Errorf("Peer %v: %v", peer, v)
		}
		if peer.Port() != 0 {
			if v := p.Permission(peer.Addr()); v != (Verdict{}) {
				t.Errorf("Permission %v: %v", peer.Addr(), v)
			}
		}
	}
}

func TestPermission(t *testing.T) {
	p := mustNew(t, Options{
		Deny:       lines("127.0.0.0/8", "198.41.0.4/32"),
		Allow:      lines("10.0.0.7/32"),
		RelayAddrs: addrs("127.0.0.1", "198.41.0.4", "2600::4"),
		HostAddrs:  addrs("198.41.0.4", "198.41.0.5"),
		Own:        []netip.AddrPort{addrPort("[::]:3478"), addrPort("10.0.0.7:6379"), addrPort("93.184.216.34:443")},
	})
	for _, c := range []struct {
		peer string
		rule Rule
	}{
		{"127.0.0.1", OwnRelay}, {"::ffff:127.0.0.1", OwnRelay},
		{"198.41.0.4", OwnRelay}, {"2600::4", OwnRelay},
		{"127.0.0.2", Loopback}, {"::127.0.0.1", Loopback}, {"64:ff9b::7f00:1", Loopback},
		{"198.41.0.5", OwnHost},
		// A service holds one port of its host: the address stays open.
		{"10.0.0.7", OperatorAllow}, {"93.184.216.34", DefaultAllow},
		{"10.0.0.8", Private}, {"8.8.8.8", DefaultAllow},
	} {
		if got := p.Permission(addr(c.peer)); got != verdict(c.rule) {
			t.Errorf("%s: %v, want %v", c.peer, got.Rule, c.rule)
		}
	}
}

// What a permission opened, Peer still judges by its port.
func TestOwnServiceInEveryEncoding(t *testing.T) {
	const service = 3478
	bind := []netip.AddrPort{addrPort("0.0.0.0:3478"), addrPort("[::]:3478"), addrPort("93.184.216.34:3478"), addrPort("[::ffff:93.184.216.34]:3478")}
	for _, own := range bind {
		p := mustNew(t, everything(Options{
			Allow:      lines("93.184.216.34/32"),
			RelayAddrs: addrs("93.184.216.34"),
			Own:        []netip.AddrPort{own},
		}))
		for _, e := range append(relaytest.Encodings(addr("93.184.216.34")), relaytest.Encoding{Form: "itself", Addr: addr("93.184.216.34")}) {
			if v := p.Peer(netip.AddrPortFrom(e.Addr, service), nil); v != verdict(OwnService) {
				t.Errorf("own %v, %s %v: %v", own, e.Form, e.Addr, v.Rule)
			}
			if v := p.Peer(netip.AddrPortFrom(e.Addr, service+1), nil); v != verdict(OperatorAllow) {
				t.Errorf("own %v, %s %v at another port: %v", own, e.Form, e.Addr, v.Rule)
			}
		}
	}
}

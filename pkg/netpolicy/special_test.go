package netpolicy

import (
	"net/netip"
	"testing"

	"turnpike/relay/relaytest"
)

func TestTablesAreInOrder(t *testing.T) {
	for _, table := range [][]special{special4, special6} {
		for i, r := range table {
			if r.prefix != r.prefix.Masked() {
				t.Errorf("%v has host bits", r.prefix)
			}
			if r.prefix.Addr().Is4() != table[0].prefix.Addr().Is4() {
				t.Errorf("%v stands in the table of the other family", r.prefix)
			}
			if r.name == "" || r.source == "" || r.rule.allows() || r.rule == Invalid {
				t.Errorf("%v: incomplete row %+v", r.prefix, r)
			}
			if i == 0 {
				continue
			}
			before := table[i-1].prefix
			c := before.Addr().Compare(r.prefix.Addr())
			if c > 0 || c == 0 && before.Bits() >= r.prefix.Bits() {
				t.Errorf("%v does not come after %v", r.prefix, before)
			}
			for _, outer := range table[:i] {
				if outer.rule.hard() && outer.prefix.Overlaps(r.prefix) && !r.rule.hard() {
					t.Errorf("%v is softer than %v around it", r.prefix, outer.prefix)
				}
			}
		}
	}
}

func TestEveryRowIsRefused(t *testing.T) {
	p := mustNew(t, Options{})
	for _, table := range [][]special{special4, special6} {
		for _, r := range table {
			for _, a := range relaytest.Samples(r.prefix) {
				// A row inside this one, or an address carried, may decide
				// instead, and is never milder.
				for _, v := range []Verdict{p.Peer(netip.AddrPortFrom(a, 5000), nil), p.Permission(a)} {
					if v.Allowed || v.Rule > r.rule || v.Rule == Invalid {
						t.Errorf("%v in %v: %v, want %v or harder", a, r.prefix, v.Rule, r.rule)
					}
				}
			}
		}
	}
}

func TestEveryRowIsRefusedInEveryEncoding(t *testing.T) {
	p := mustNew(t, Options{})
	open := mustNew(t, everything(Options{}))
	for _, r := range special4 {
		for _, a := range relaytest.Samples(r.prefix) {
			for _, e := range relaytest.Encodings(a) {
				if v := p.Peer(netip.AddrPortFrom(e.Addr, 5000), nil); v.Allowed || v.Rule > r.rule {
					t.Errorf("%v as %s %v: %v, want %v or harder", a, e.Form, e.Addr, v.Rule, r.rule)
				}
				if v := p.Permission(e.Addr); v.Allowed {
					t.Errorf("permission for %v as %s %v", a, e.Form, e.Addr)
				}
				if !r.rule.hard() {
					continue
				}
				if v := open.Peer(netip.AddrPortFrom(e.Addr, 5000), nil); !v.Rule.hard() {
					t.Errorf("%v as %s %v: an allow line opened %v, by %v", a, e.Form, e.Addr, r.rule, v.Rule)
				}
				if v := open.Permission(e.Addr); !v.Rule.hard() {
					t.Errorf("permission for %v as %s %v by %v", a, e.Form, e.Addr, v.Rule)
				}
			}
		}
	}
}

// A peer that is open must be open: what is refused above is refused for what
// it carries, not for everything in its form.
func TestPublicAddressesOfEveryEncoding(t *testing.T) {
	p := mustNew(t, Options{})
	open := mustNew(t, everything(Options{}))
	for _, e := range relaytest.Encodings(addr("8.8.8.8")) {
		at := netip.AddrPortFrom(e.Addr, 5000)
		want := Transition
		if e.Form == "mapped" || e.Form == "ISATAP" || e.Form == "ISATAP, global" {
			want = DefaultAllow
		}
		if v := p.Peer(at, nil); v.Rule != want {
			t.Errorf("%s %v: %v, want %v", e.Form, e.Addr, v.Rule, want)
		}
		if v := open.Peer(at, nil); v != (Verdict{true, OperatorAllow}) {
			t.Errorf("%s %v with everything allowed: %v", e.Form, e.Addr, v)
		}
	}
}

func TestLiterals(t *testing.T) {
	p := mustNew(t, Options{})
	for _, c := range []struct {
		addr string
		rule Rule
	}{
		{"0.0.0.0", ThisNetwork}, {"0.1.2.3", ThisNetwork}, {"::", ThisNetwork},
		{"127.0.0.1", Loopback}, {"127.255.255.254", Loopback}, {"::1", Loopback},
		{"::ffff:127.0.0.1", Loopback}, {"::127.0.0.1", Loopback}, {"::ffff:0:127.0.0.1", Loopback},
		{"64:ff9b::7f00:1", Loopback}, {"64:ff9b:1:7f00:0:100::", Loopback}, {"64:ff9b:1::7f00:1", Loopback},
		{"2002:7f00:1::1", Loopback}, {"2001:0:7f00:1::1", Loopback}, {"2001:0:808:808::80ff:fffe", Loopback},
		{"2600::5efe:127.0.0.1", Loopback}, {"2600::200:5efe:127.0.0.1", Loopback},
		{"224.0.0.1", Multicast}, {"239.255.255.250", Multicast}, {"ff02::1", Multicast},
		{"255.255.255.255", Broadcast}, {"169.254.1.1", LinkLocal}, {"fe80::1", LinkLocal}, {"febf::1", LinkLocal},
		{"10.0.0.1", Private}, {"172.16.0.1", Private}, {"172.31.255.255", Private}, {"192.168.1.1", Private},
		{"100.64.0.1", SharedCGN}, {"100.127.255.255", SharedCGN},
		{"fc00::1", UniqueLocal}, {"fd12::1", UniqueLocal}, {"fec0::1", SiteLocal},
		{"192.0.2.1", Documentation}, {"198.51.100.1", Documentation}, {"203.0.113.1", Documentation},
		{"2001:db8::1", Documentation}, {"3fff::1", Documentation}, {"3fff:fff::1", Documentation},
		{"198.18.0.1", Benchmark}, {"198.19.255.255", Benchmark}, {"2001:2::1", Benchmark},
		{"192.0.0.8", Protocol}, {"192.0.0.170", Protocol}, {"192.31.196.1", Protocol}, {"192.52.193.1", Protocol},
		{"192.175.48.1", Protocol}, {"2001:1::1", Protocol}, {"2001:3::1", Protocol}, {"2001:4:112::1", Protocol},
		{"2001:20::1", Protocol}, {"2001:1ff::1", Protocol}, {"2620:4f:8000::1", Protocol},
		{"192.88.99.1", Transition}, {"64:ff9b::808:808", Transition}, {"2002:808:808::1", Transition},
		{"2001:0:808:808::f7f7:f7f7", Transition}, {"::8.8.8.8", Transition},
		{"100::1", Discard}, {"100:0:0:1::1", Discard}, {"100:0:0:2::1", Reserved},
		{"240.0.0.1", Reserved}, {"255.255.255.254", Reserved}, {"5f00::1", Reserved},
		{"200::1", Reserved}, {"1fff::1", Reserved}, {"4000::1", Reserved}, {"8000::1", Reserved}, {"fe00::1", Reserved},
		{"199.36.153.10", CloudPlatform}, {"34.118.224.1", CloudPlatform}, {"161.26.0.1", CloudPlatform}, {"166.11.255.255", CloudPlatform},
		// The neighbours of what is refused are public.
		{"1.1.1.1", DefaultAllow}, {"9.255.255.255", DefaultAllow}, {"11.0.0.0", DefaultAllow},
		{"100.63.255.255", DefaultAllow}, {"100.128.0.0", DefaultAllow}, {"126.255.255.255", DefaultAllow},
		{"128.0.0.0", DefaultAllow}, {"172.15.255.255", DefaultAllow}, {"172.32.0.0", DefaultAllow},
		{"192.0.1.0", DefaultAllow}, {"198.20.0.0", DefaultAllow}, {"223.255.255.255", DefaultAllow},
		{"168.63.129.15", DefaultAllow}, {"168.63.129.17", DefaultAllow}, {"199.36.153.12", DefaultAllow},
		{"2001:200::1", DefaultAllow}, {"2001:db7::1", DefaultAllow}, {"2001:db9::1", DefaultAllow},
		{"2003::1", DefaultAllow}, {"2600::1", DefaultAllow}, {"3ffe:ffff::1", DefaultAllow}, {"3fff:1000::1", DefaultAllow},
		{"::ffff:8.8.8.8", DefaultAllow}, {"2600::100:5efe:127.0.0.1", DefaultAllow},
	} {
		want := Verdict{c.rule.allows(), c.rule}
		if got := p.Peer(netip.AddrPortFrom(addr(c.addr), 5000), nil); got != want {
			t.Errorf("Peer %s: %v, want %v", c.addr, got.Rule, c.rule)
		}
		if got := p.Permission(addr(c.addr)); got != want {
			t.Errorf("Permission %s: %v, want %v", c.addr, got.Rule, c.rule)
		}
	}
}

func TestCloudMetadataStaysShut(t *testing.T) {
	open := mustNew(t, everything(Options{}))
	for _, s := range []string{
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.42.42", "100.100.100.200", "192.0.0.192", "168.63.129.16",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe", "fd00:c1::a9fe:a9fe", "fd00:42::42",
		"fd00:a9fe:a9fe::1", "fd00:100::100:200",
	} {
		a := addr(s)
		forms := []relaytest.Encoding{{Form: "itself", Addr: a}}
		if a.Is4() {
			forms = append(forms, relaytest.Encodings(a)...)
		}
		for _, e := range forms {
			if v := open.Peer(netip.AddrPortFrom(e.Addr, 80), nil); v != (Verdict{false, CloudMetadata}) {
				t.Errorf("Peer %s as %s %v: %v", s, e.Form, e.Addr, v.Rule)
			}
			if v := open.Permission(e.Addr); v != (Verdict{false, CloudMetadata}) {
				t.Errorf("Permission %s as %s %v: %v", s, e.Form, e.Addr, v.Rule)
			}
		}
		if _, err := New(Options{Allow: Lines(netip.PrefixFrom(a, a.BitLen()))}); err == nil {
			t.Errorf("an allow line for %s passed", s)
		}
	}
}

func TestGlobal(t *testing.T) {
	for addr, want := range map[string]bool{
		"8.8.8.8": true, "::ffff:8.8.8.8": true, "2606:4700::1111": true,
		"10.0.0.5": false, "::ffff:10.0.0.5": false, "192.168.1.1": false, "100.64.0.1": false, "127.0.0.1": false,
		"203.0.113.1": false, "fd00::1": false, "fe80::1%eth0": false, "::1": false, "2001:db8::1": false,
	} {
		if got := Global(netip.MustParseAddr(addr)); got != want {
			t.Errorf("Global(%s) = %v", addr, got)
		}
	}
	if Global(netip.Addr{}) {
		t.Error("no address is global")
	}
}

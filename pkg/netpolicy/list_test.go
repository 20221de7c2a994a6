package netpolicy

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// Ports are judged at every port, and a permission, which has none, is granted
// by an allow line for some ports and not refused by a deny line for some.
func TestPortsOfLines(t *testing.T) {
	p := mustNew(t, Options{
		Deny: slices.Concat(at(lines("8.8.8.0/24"), "53", "8000-8999"), lines("10.20.30.41/32"),
			at(lines("9.0.0.0/8"), "1-65535"), at(lines("11.0.0.0/8"), "1-100", "50-65535")),
		Allow: slices.Concat(at(lines("10.20.30.40/31"), "10000-20000"), at(lines("10.0.0.0/8"), "443")),
	})
	for peer, want := range map[string]Rule{
		"8.8.8.8:53": OperatorDeny, "8.8.8.8:54": DefaultAllow, "8.8.8.8:7999": DefaultAllow,
		"8.8.8.8:8000": OperatorDeny, "8.8.8.8:8999": OperatorDeny, "8.8.8.8:9000": DefaultAllow,
		"9.0.0.1:1": OperatorDeny, "11.0.0.1:65535": OperatorDeny,
		"10.20.30.40:9999": Private, "10.20.30.40:10000": OperatorAllow, "10.20.30.40:20000": OperatorAllow, "10.20.30.40:20001": Private,
		"10.20.30.41:10000": OperatorDeny,
		// A line of a longer prefix does not hide the ports of a shorter one.
		"10.20.30.40:443": OperatorAllow, "10.1.1.1:443": OperatorAllow, "10.1.1.1:444": Private,
		"[::ffff:8.8.8.8]:53": OperatorDeny, "[2600::5efe:808:808]:53": OperatorDeny, "[2600::5efe:808:808]:54": DefaultAllow,
	} {
		if v := p.Peer(addrPort(peer), nil); v.Rule != want {
			t.Errorf("%s: %v, want %v", peer, v.Rule, want)
		}
	}
	for peer, want := range map[string]Rule{
		"8.8.8.8": DefaultAllow, "9.0.0.1": OperatorDeny, "11.0.0.1": OperatorDeny,
		"10.20.30.40": OperatorAllow, "10.20.30.41": OperatorDeny, "10.1.1.1": OperatorAllow,
	} {
		if v := p.Permission(addr(peer)); v.Rule != want {
			t.Errorf("permission for %s: %v, want %v", peer, v.Rule, want)
		}
	}
}

// An address of this host is opened by a line of it alone, not by a range or a
// preset of which it happens to be a part.
func TestOnlyItsOwnLineOpensThisHost(t *testing.T) {
	for _, c := range []struct {
		allow     []Line
		at80, at9 Rule
	}{
		{lines("10.0.0.4-10.0.0.10"), OwnHost, OwnHost},
		{lines("10.0.0.3-10.0.0.4"), OwnHost, OwnHost}, // covered by two /32
		{lines("local-routes"), OwnHost, OwnHost},
		{lines("10.0.0.4-10.0.0.4"), OperatorAllow, OperatorAllow},
		{at(lines("10.0.0.4/32"), "80"), OperatorAllow, OwnHost},
		{slices.Concat(lines("local-routes", "10.0.0.3-10.0.0.4"), at(lines("10.0.0.4/32"), "80")), OperatorAllow, OwnHost},
		{slices.Concat(at(lines("10.0.0.3-10.0.0.4"), "80"), lines("10.0.0.4/32")), OperatorAllow, OperatorAllow},
	} {
		p := mustNew(t, Options{Allow: c.allow, HostAddrs: addrs("10.0.0.4"), Routes: prefixesOf("10.0.0.4/32")})
		for peer, want := range map[string]Rule{"10.0.0.4:80": c.at80, "10.0.0.4:9": c.at9} {
			if v := p.Peer(addrPort(peer), nil); v.Rule != want {
				t.Errorf("%v: %s: %v, want %v", c.allow, peer, v.Rule, want)
			}
		}
		if v := p.Permission(addr("10.0.0.4")); v.Rule != c.at80 {
			t.Errorf("%v: permission: %v, want %v", c.allow, v.Rule, c.at80)
		}
	}
}

func TestPresets(t *testing.T) {
	o := Options{
		Routes:     prefixesOf("11.0.0.0/24", "10.7.0.0/16", "169.254.0.0/16", "2600:7::/64"),
		HostAddrs:  addrs("11.0.0.4", "2600:7::4"),
		RelayAddrs: addrs("198.41.0.4"),
	}
	relay := func(a netip.AddrPort) bool { return a == addrPort("198.41.0.4:50000") }
	for _, c := range []struct {
		preset      string
		deny, allow map[string]Rule
	}{
		{"local-routes",
			map[string]Rule{"11.0.0.9:5": OperatorDeny, "11.0.1.9:5": DefaultAllow, "10.7.1.1:5": OperatorDeny, "10.8.1.1:5": Private, "[2600:7::9]:5": OperatorDeny, "[2600:7:0:1::9]:5": DefaultAllow},
			map[string]Rule{"10.7.1.1:5": OperatorAllow, "10.8.1.1:5": Private, "169.254.1.1:5": LinkLocal, "11.0.0.4:5": OwnHost}},
		{"self",
			map[string]Rule{"11.0.0.4:5": OperatorDeny, "[2600:7::4]:5": OperatorDeny, "198.41.0.4:5": OperatorDeny, "198.41.0.4:50000": LiveRelay, "11.0.0.5:5": DefaultAllow},
			nil},
		{"rfc1918",
			map[string]Rule{"10.0.0.1:5": OperatorDeny, "172.31.0.1:5": OperatorDeny, "192.168.0.1:5": OperatorDeny, "172.32.0.1:5": DefaultAllow, "100.64.0.1:5": SharedCGN},
			map[string]Rule{"10.0.0.1:5": OperatorAllow, "172.31.0.1:5": OperatorAllow, "192.168.0.1:5": OperatorAllow, "100.64.0.1:5": SharedCGN, "[fd00::1]:5": UniqueLocal}},
		{"transition",
			map[string]Rule{"[64:ff9b::808:808]:5": OperatorDeny, "[2002:808:808::1]:5": OperatorDeny, "192.88.99.1:5": OperatorDeny},
			map[string]Rule{"[64:ff9b::808:808]:5": OperatorAllow, "[64:ff9b::a00:1]:5": Private, "[2002:7f00:1::1]:5": Loopback}},
		{"special-purpose",
			map[string]Rule{"10.0.0.1:5": OperatorDeny, "198.18.0.1:5": OperatorDeny, "[fd00::1]:5": OperatorDeny, "127.0.0.1:5": Loopback, "8.8.8.8:5": DefaultAllow, "[2600::1]:5": DefaultAllow},
			nil},
		{"cloud-metadata",
			map[string]Rule{"168.63.129.16:5": CloudMetadata, "169.254.169.254:5": CloudMetadata, "10.0.0.1:5": Private},
			nil},
	} {
		denied := o
		denied.Deny = lines(c.preset)
		check(t, "deny "+c.preset, denied, relay, c.deny)
		allowed := o
		allowed.Allow = lines(c.preset)
		if c.allow != nil {
			check(t, "allow "+c.preset, allowed, relay, c.allow)
		} else if _, err := New(allowed); err == nil {
			t.Errorf("an allow line %s passed", c.preset)
		}
	}
	// Live relay ports stay in reach: their permission too.
	p := mustNew(t, Options{Deny: lines("self"), RelayAddrs: o.RelayAddrs})
	if v := p.Permission(addr("198.41.0.4")); v.Rule != OwnRelay {
		t.Errorf("deny self: permission for a relay address: %v", v.Rule)
	}
}

func check(t *testing.T, name string, o Options, live func(netip.AddrPort) bool, want map[string]Rule) {
	t.Helper()
	p := mustNew(t, o)
	for peer, rule := range want {
		if v := p.Peer(addrPort(peer), live); v.Rule != rule {
			t.Errorf("%s: %s: %v, want %v", name, peer, v.Rule, rule)
		}
	}
}

func TestPresetNames(t *testing.T) {
	for p := Preset(1); int(p) < numPresets; p++ {
		if got, ok := ParsePreset(p.String()); !ok || got != p {
			t.Errorf("%v is read as %v, %v", p, got, ok)
		}
	}
	for _, name := range []string{"", "RFC1918", "unknown", "10.0.0.0/8"} {
		if p, ok := ParsePreset(name); ok {
			t.Errorf("%q is read as %v", name, p)
		}
	}
	if Preset(0).String() != "unknown" || Preset(numPresets).String() != "unknown" {
		t.Error("what is no preset has a name")
	}
}

func TestCover(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"10.0.0.0", "10.0.0.255", "10.0.0.0/24"},
		{"10.0.0.1", "10.0.0.1", "10.0.0.1/32"},
		{"10.0.0.1", "10.0.0.6", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32"},
		{"198.18.0.0", "198.18.7.255", "198.18.0.0/21"},
		{"0.0.0.0", "255.255.255.255", "0.0.0.0/0"},
		{"255.255.255.254", "255.255.255.255", "255.255.255.254/31"},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"},
		{"2600::ffff", "2600::1:0", "2600::ffff/128 2600::1:0/128"},
	} {
		var got []string
		for _, pre := range cover(addr(c.from), addr(c.to)) {
			got = append(got, pre.String())
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s-%s: %v, want %s", c.from, c.to, got, c.want)
		}
	}
	for last := range 64 { // every range among 64 addresses, address by address
		for first := range last + 1 {
			held := 0
			from, to := addr("10.0.0.0").As4(), addr("10.0.0.0").As4()
			from[3], to[3] = byte(first), byte(last)
			for _, pre := range cover(netip.AddrFrom4(from), netip.AddrFrom4(to)) {
				if pre.Addr().Less(netip.AddrFrom4(from)) || netip.AddrFrom4(to).Less(lastOf(pre)) {
					t.Fatalf("%d-%d: %v reaches out", first, last, pre)
				}
				held += 1 << (32 - pre.Bits())
			}
			if held != last-first+1 {
				t.Fatalf("%d-%d: %d addresses", first, last, held)
			}
		}
	}
}

// The first line has a port, whatever the order they are looked up in.
func TestPaint(t *testing.T) {
	d := rand.New(rand.NewPCG(6, 0))
	for range 300 {
		var list []Line
		for range 1 + d.IntN(6) {
			first := 1 + d.IntN(40)
			list = append(list, Line{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Ports: []PortRange{{uint16(first), uint16(first + d.IntN(20))}}})
		}
		var matches []match
		for i := range list {
			matches = append(matches, match{&list[i], list[i].Prefix})
		}
		n := newNode(list[0].Prefix, matches, nil)
		for port := uint16(1); port < 70; port++ {
			var want *Line
			for i := len(list) - 1; i >= 0; i-- {
				if list[i].Ports[0].First <= port && port <= list[i].Ports[0].Last {
					want = &list[i]
				}
			}
			if n.at(port) != want {
				t.Fatalf("%v: port %d: %v, want %v", list, port, n.at(port), want)
			}
		}
	}
	last := at(lines("10.0.0.0/8", "10.0.0.0/8"), "65535") // the end of the numbers
	if n := newNode(last[0].Prefix, []match{{&last[0], last[0].Prefix}, {&last[1], last[0].Prefix}}, nil); n.at(65535) != &last[0] || n.at(65534) != nil {
		t.Error("port 65535")
	}
}

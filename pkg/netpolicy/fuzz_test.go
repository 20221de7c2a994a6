package netpolicy

import (
	"net/netip"
	"testing"

	"turnpike/relay/relaytest"
)

func FuzzPeer(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "0.0.0.0", "169.254.169.254", "8.8.8.8", "10.0.0.1", "255.255.255.255", "::1", "fe80::1", "2600::1", "fd00:ec2::254"} {
		f.Add(addr(s).AsSlice(), uint16(5000))
		if addr(s).Is4() {
			for _, e := range relaytest.Encodings(addr(s)) {
				f.Add(e.Addr.AsSlice(), uint16(3478))
			}
		}
	}
	host := Options{RelayAddrs: addrs("8.8.4.4"), Own: []netip.AddrPort{addrPort("0.0.0.0:3478")}}
	policies := []*Policy{mustNew(f, host), mustNew(f, everything(host))}
	host.Mode = AllowList
	policies = append(policies, mustNew(f, host))

	f.Fuzz(func(t *testing.T, b []byte, port uint16) {
		a, _ := netip.AddrFromSlice(b)
		for _, p := range policies {
			checkPeer(t, p, netip.AddrPortFrom(a, port))
		}
		if len(b) < 4 {
			return
		}
		v4 := netip.AddrFrom4([4]byte(b))
		bare := policies[1].Permission(v4)
		for _, e := range relaytest.Encodings(v4) {
			checkPeer(t, policies[1], netip.AddrPortFrom(e.Addr, port))
			if bare.Rule.hard() && policies[1].Peer(netip.AddrPortFrom(e.Addr, port), nil).Allowed {
				t.Errorf("%v is %v, and allowed as %s %v", v4, bare.Rule, e.Form, e.Addr)
			}
		}
	})
}

// checkPeer holds what is true of every peer.
func checkPeer(t *testing.T, p *Policy, peer netip.AddrPort) {
	t.Helper()
	a := peer.Addr()
	v, perm := p.Peer(peer, nil), p.Permission(a)
	if v.Allowed != v.Rule.allows() || perm.Allowed != perm.Rule.allows() {
		t.Errorf("%v: %+v, %+v", peer, v, perm)
	}
	if v.Allowed && !perm.Allowed {
		t.Errorf("%v may be reached, but its address gets no permission: %v", peer, perm.Rule)
	}
	if mapped := netip.AddrPortFrom(a.Unmap(), peer.Port()); p.Peer(mapped, nil) != v {
		t.Errorf("%v: %v, and as IPv4 %v", peer, v.Rule, p.Peer(mapped, nil).Rule)
	}
	if a.IsValid() && p.Peer(netip.AddrPortFrom(a.Unmap().WithZone("eth0"), peer.Port()), nil).Allowed && a.Unmap().Is6() {
		t.Errorf("%v is allowed with a zone", peer)
	}
	if p.Explain(peer, nil) == "" {
		t.Errorf("%v: no explanation", peer)
	}
	if a = a.Unmap(); a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast() || a.IsUnspecified() || !a.IsValid() || peer.Port() == 0 {
		if v.Allowed {
			t.Errorf("%v is allowed by %v", peer, v.Rule)
		}
	}
}

// FuzzLines makes lists of any bytes, and holds what a list finds against a
// walk over its lines.
func FuzzLines(f *testing.F) {
	f.Add([]byte{0x00, 10, 1, 2, 3, 8, 0, 80, 0, 90}, []byte{10, 200, 0, 1}, uint16(85))
	f.Add([]byte{0x01, 10, 1, 2, 3, 9, 0, 0, 0, 0, 0x00, 10, 1, 2, 0, 24, 0, 1, 0, 1}, []byte{10, 1, 2, 7}, uint16(1))
	f.Add([]byte{0x82, 10, 1, 2, 3, 4, 0, 80, 0, 90}, []byte{172, 16, 0, 1}, uint16(0))
	f.Fuzz(func(t *testing.T, b, of []byte, port uint16) {
		a, ok := netip.AddrFromSlice(of)
		if a = a.Unmap(); !ok {
			return
		}
		var list []Line
		for ; len(b) >= 10 && len(list) < 40; b = b[10:] {
			list = append(list, fuzzLine(b))
		}
		var faults faults
		h := host{routes: prefixesOf("11.0.0.0/24", "2600:7::/64"), self: addrs("11.0.0.4", "2600:7::4")}
		made := newList("Deny", list, h, nothingWrong, &faults)
		fits := func(l Line, whole bool) int { return longestOf(h, l, a, port, whole) }
		sameLine(t, made.denies(a, port), list, func(l Line) int { return fits(l, true) })
		sameLine(t, made.allows(a, port), list, func(l Line) int { return fits(l, false) })
		for _, fault := range faults {
			if fault.Error() == "" {
				t.Error("a fault without words")
			}
		}
	})
}

// fuzzLine takes ten bytes: form, address, bits or length, ports.
func fuzzLine(b []byte) (l Line) {
	from := netip.AddrFrom4([4]byte(b[1:5]))
	if b[0]&0x80 != 0 && b[0]&3 < 2 {
		from = netip.AddrFrom16([16]byte{0x26, b[1], b[2], 15: b[3]})
	}
	switch b[0] & 3 {
	case 0:
		l.Prefix, _ = from.Prefix(int(b[5]) % (from.BitLen() + 1))
	case 1:
		l.From, l.To = from, from
		for range b[5] {
			if next := l.To.Next(); next.IsValid() {
				l.To = next
			}
		}
	default:
		l.Preset = Preset(b[5])
	}
	if first, last := uint16(b[6])<<8|uint16(b[7]), uint16(b[8])<<8|uint16(b[9]); first > 0 {
		l.Ports = []PortRange{{first, last}, {first, first}}
	}
	return l
}

// longestOf is the length of the longest prefix by which a line fits, or -1.
func longestOf(h host, l Line, a netip.Addr, port uint16, whole bool) int {
	longest := -1
	if l.wrong() != "" {
		return longest
	}
	in := len(l.Ports) == 0 || port == 0 && (!whole || l.Ports[0] == PortRange{1, 65535})
	for _, r := range l.Ports {
		in = in || r.First <= port && port <= r.Last
	}
	for _, pre := range h.prefixes(l) {
		if in && pre.Contains(a) {
			longest = max(longest, pre.Bits())
		}
	}
	return longest
}

func sameLine(t *testing.T, m match, list []Line, fits func(Line) int) {
	t.Helper()
	want := -1
	for _, l := range list {
		want = max(want, fits(l))
	}
	got := -1
	if m.line != nil {
		got = m.prefix.Bits()
		if fits(*m.line) < got {
			t.Errorf("%v is found by %v, which does not fit", m.prefix, m.line)
		}
	}
	if got != want {
		t.Errorf("%v: found a prefix of %d bits, want %d", list, got, want)
	}
}

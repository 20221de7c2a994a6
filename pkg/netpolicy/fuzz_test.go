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

package relay_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

// Of two addresses one is given if the other is not to be had, and the answer says
// why; with none it is an error.
func TestDualInPart(t *testing.T) {
	only := func(ip netip.Addr) setup {
		return setup{options: func(o *relay.Options) { o.Relays = []relay.Pool{{Bind: ip, MinPort: 20000, MaxPort: 60000}} }}
	}
	for _, c := range []struct {
		name    string
		s       setup
		before  []relaytest.Attr // allocations that others have
		is4     bool             // the address that is given
		missing byte
		code    int
	}{
		{"no IPv6 pool", only(memServer), nil, true, 2, 440},
		{"no IPv4 pool", only(netip.IPv6Loopback()), nil, false, 1, 440},
		{"no IPv6 port", onBothPorts(2, 1), []relaytest.Attr{v6}, true, 2, 508},
		{"no IPv4 port", onBothPorts(1, 2), []relaytest.Attr{v4}, false, 1, 508},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := memBed(t, c.s)
			for _, family := range c.before {
				expect(t, 0)(b.raw("bob").Allocate(family))
			}
			ports := b.server.Stats().RelayPortsFree
			alice := b.raw("alice")
			r := expect(t, 0)(alice.Allocate(both))
			if r.Relayed.Addr().Is4() != c.is4 || r.Additional.IsValid() || r.Missing != c.missing || r.MissingCode != c.code {
				t.Errorf("%s and %s, %d of family %d", r.Relayed, r.Additional, r.MissingCode, r.Missing)
			}
			b.free(ports - 1)
			peers := []netip.AddrPort{peerN(1), netip.MustParseAddrPort("[2a00:1450::1]:9")}
			have, not := peers[0], peers[1]
			families := []relaytest.Attr{v4, v6}
			if !c.is4 {
				have, not = not, have
				families[0], families[1] = families[1], families[0]
			}
			expect(t, 0)(alice.CreatePermission(have))
			expect(t, 443)(alice.CreatePermission(have, not))
			expect(t, 443)(alice.ChannelBind(0x4000, not))
			expect(t, 443)(refresh(alice, 600*time.Second, families[1]))
			expect(t, 0)(refresh(alice, 600*time.Second))
			expect(t, 0)(refresh(alice, 0, families[0]))
			b.free(ports)
			if r := b.wait(1)["alice"]; r.Additional.IsValid() || r.Relayed.Addr().Is4() != c.is4 {
				t.Errorf("%+v", r)
			}
		})
	}
	b := memBed(t, onBothPorts(1, 1))
	b.dual("alice")
	expect(t, 508)(b.raw("bob").Allocate(both))
	b = memBed(t, onPorts(41000, 41000)) // 508 of one family, 440 of the other
	b.allocated("alice")
	expect(t, 508)(b.raw("bob").Allocate(both))
	if n := b.server.Stats().AllocationsTotal["capacity"]; n != 1 {
		t.Errorf("%d counted for want of a port", n)
	}
}

// halfBroken has sockets, or flows, of one family alone.
type halfBroken struct {
	dataplane.Plane
	v6, install bool
}

func (p halfBroken) OpenRelay(bind, public netip.AddrPort) (*dataplane.Relay, error) {
	if !p.install && bind.Addr().Is6() == p.v6 {
		return nil, errors.New("no socket")
	}
	return p.Plane.OpenRelay(bind, public)
}

func (p halfBroken) Install(f *dataplane.Flow) error {
	if p.install && f.Relay.Bind.Addr().Is6() == p.v6 {
		return errors.New("no flow")
	}
	return p.Plane.Install(f)
}

// Of a half that the plane does not have nothing is left.
func TestDualWithoutSocket(t *testing.T) {
	for _, install := range []bool{false, true} {
		for _, is6 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := withIPv6(0)
				pools := s.options
				s.options = func(o *relay.Options) { pools(o); o.Plane = halfBroken{o.Plane, is6, install} }
				b := memBed(t, s)
				ports := b.server.Stats().RelayPortsFree
				alice := b.raw("alice")
				r := expect(t, 0)(alice.Allocate(both))
				if r.Relayed.Addr().Is6() == is6 || r.Additional.IsValid() || r.MissingCode != 508 || (r.Missing == 2) != is6 {
					t.Errorf("%s and %s, %d of family %d", r.Relayed, r.Additional, r.MissingCode, r.Missing)
				}
				time.Sleep(1100 * time.Millisecond) // pion has been told
				b.free(ports - 1)
				expect(t, 0)(alice.Refresh(0))
				b.free(ports)
				b.live("udp", 0, 0)
			})
		}
	}
}

package relay_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// withIPv6 adds a pool of IPv6 addresses to a bed's.
func withIPv6(family gate.Family) setup {
	return setup{options: func(o *relay.Options) {
		o.Relays = append(o.Relays, relay.Pool{Bind: netip.IPv6Loopback(), MinPort: 20000, MaxPort: 60000})
		o.DefaultFamily = family
	}}
}

// Clients that ask for it get a relayed address of IPv6, and reach peers of that
// family and no other (RFC 8656 §7.2, §9.2).
func TestIPv6Relays(t *testing.T) {
	onEveryPlane(t, withIPv6(0), func(t *testing.T, b *bed) {
		alice, bob := b.raw("alice"), b.raw("bob")
		v6 := relaytest.Family(2)
		a, z := expect(t, 0)(alice.Allocate(v6)).Relayed, expect(t, 0)(bob.Allocate(v6)).Relayed
		if !a.Addr().Is6() || !z.Addr().Is6() {
			t.Fatalf("relayed addresses %s and %s", a, z)
		}
		_, old := b.allocated("carol")
		if !old.Addr().Is4() {
			t.Errorf("who asks for nothing got %s", old)
		}
		expect(t, 443)(alice.CreatePermission(old))
		expect(t, 443)(alice.ChannelBind(0x4000, old))
		expect(t, 0)(alice.ChannelBind(0x4000, z))
		expect(t, 0)(bob.CreatePermission(a))
		must(t, alice.SendChannel(0x4000, []byte("there")))
		if d, err := bob.Receive(); err != nil || string(d.Payload) != "there" || d.Peer != a {
			t.Fatalf("bob received %+v, %v", d, err)
		}
		must(t, bob.Send(a, []byte("back")))
		if d, err := alice.Receive(); err != nil || string(d.Payload) != "back" {
			t.Fatalf("alice received %+v, %v", d, err)
		}
		st := b.server.Stats()
		if n6, n4 := st.Allocations[[2]string{"udp", "ipv6"}], st.Allocations[[2]string{"udp", "ipv4"}]; n6 != 2 || n4 != 1 {
			t.Errorf("counted %d of IPv6 and %d of IPv4", n6, n4)
		}
		expect(t, 443)(alice.Do(stun.MethodRefresh, relaytest.Family(1), relaytest.Lifetime(600*time.Second)))
		expect(t, 0)(alice.Do(stun.MethodRefresh, relaytest.Family(2), relaytest.Lifetime(0)))
		expect(t, 0)(bob.Refresh(0))
		if st := b.server.Stats(); st.Allocations[[2]string{"udp", "ipv6"}] != 0 {
			t.Errorf("%d left", st.Allocations[[2]string{"udp", "ipv6"}])
		}
	})
}

// Pairs of ports are of one family, and a token brings its own.
func TestIPv6PortPair(t *testing.T) {
	b := memBed(t, withIPv6(0))
	alice := b.raw("alice")
	r := expect(t, 0)(alice.Allocate(relaytest.Family(2), pair))
	token, ok := tokenOf(t, r)
	if !r.Relayed.Addr().Is6() || r.Relayed.Port()%2 != 0 || !ok {
		t.Fatalf("%+v", r)
	}
	again := relaytest.NewClient(b.host(), b.addr, alice.User)
	defer again.Conn.Close()
	if next := expect(t, 0)(again.Allocate(reserved(token))).Relayed; next != netip.AddrPortFrom(r.Relayed.Addr(), r.Relayed.Port()+1) {
		t.Errorf("reserved %s beside %s", next, r.Relayed)
	}
}

// What a client gets that asks for none is the operator's choice, within what
// there is.
func TestDefaultFamily(t *testing.T) {
	for family, is6 := range map[gate.Family]bool{0: false, gate.IPv4: false, gate.IPv6: true, gate.KeepFamily: false} {
		_, relayed := memBed(t, withIPv6(family)).allocated("alice")
		if relayed.Addr().Is6() != is6 {
			t.Errorf("default %d: %s", family, relayed)
		}
	}
	only6 := setup{options: func(o *relay.Options) {
		o.Relays = []relay.Pool{{Bind: netip.IPv6Loopback(), MinPort: 20000, MaxPort: 60000}}
	}}
	b := memBed(t, only6)
	if _, relayed := b.allocated("alice"); !relayed.Addr().Is6() {
		t.Errorf("there is IPv6 alone: %s", relayed)
	}
	expect(t, 440)(b.raw("bob").Allocate(relaytest.Family(1)))
	expect(t, 440)(memBed(t, setup{}).raw("bob").Allocate(relaytest.Family(2)))
}

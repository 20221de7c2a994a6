package relay_test

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mem"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// both asks for a dual allocation; v4 and v6 name a family.
var (
	both = relaytest.AdditionalFamily(2)
	v4   = relaytest.Family(1)
	v6   = relaytest.Family(2)
)

// onBothPorts is a server with so many ports of each family and no quota.
func onBothPorts(n4, n6 uint16) setup {
	return setup{
		role: func(r *auth.Role) { r.Allocations = 0 },
		options: func(o *relay.Options) {
			o.Relays[0].MinPort, o.Relays[0].MaxPort = 41000, 41000+n4-1
			o.Relays = append(o.Relays, relay.Pool{Bind: netip.IPv6Loopback(), MinPort: 42000, MaxPort: 42000 + n6 - 1})
		},
	}
}

// dual is a raw client with an address of each family.
func (b *bed) dual(user string) (*relaytest.Client, [2]netip.AddrPort) {
	b.t.Helper()
	c := b.raw(user)
	return c, b.makeDual(c)
}

func (b *bed) makeDual(c *relaytest.Client) [2]netip.AddrPort {
	b.t.Helper()
	r := expect(b.t, 0)(c.Allocate(both))
	if !r.Relayed.Addr().Is4() || !r.Additional.Addr().Is6() || r.Missing != 0 || !r.Signed || r.Lifetime == 0 {
		b.t.Fatalf("%s, %s and %s, %d missing", r, r.Relayed, r.Additional, r.Missing)
	}
	return [2]netip.AddrPort{r.Relayed, r.Additional}
}

// live is how many relayed addresses live of each family, over a transport.
func (b *bed) live(transport string, want4, want6 int) {
	b.t.Helper()
	all := b.server.Stats().Allocations
	if n4, n6 := all[[2]string{transport, "ipv4"}], all[[2]string{transport, "ipv6"}]; n4 != want4 || n6 != want6 {
		b.t.Errorf("%d addresses of IPv4 and %d of IPv6 live, want %d and %d", n4, n6, want4, want6)
	}
}

func refresh(c *relaytest.Client, d time.Duration, attrs ...stun.Setter) (relaytest.Response, error) {
	return c.Do(stun.MethodRefresh, append(attrs, relaytest.Lifetime(d))...)
}

func receives(t testing.TB, c *relaytest.Client, payload string, channel uint16) {
	t.Helper()
	if d, err := c.Receive(); err != nil || string(d.Payload) != payload || d.Channel != channel {
		t.Fatalf("received %+v, %v; want %q over %#x", d, err, payload, channel)
	}
}

// One Allocate makes an address of each family; peers of both are reached over one
// five-tuple, and the record has it all (RFC 8656 §7).
func TestDualAllocation(t *testing.T) {
	onEveryPlane(t, withIPv6(gate.IPv6), func(t *testing.T, b *bed) {
		ports := b.server.Stats().RelayPortsFree
		alice, at := b.dual("alice")
		bob, far := b.dual("bob")
		talk(t, alice, bob, at, far)
		b.live("udp", 2, 2)
		b.free(ports - 4)
		for _, c := range []*relaytest.Client{alice, bob} {
			m := &stun.Message{Raw: expect(t, 0)(refresh(c, 700*time.Second)).Raw}
			must(t, m.Decode())
			lifetimes := 0
			for _, a := range m.Attributes {
				if a.Type == stun.AttrLifetime {
					lifetimes++
				}
			}
			if lifetimes != 1 {
				t.Errorf("%d times LIFETIME", lifetimes)
			}
			expect(t, 0)(c.Refresh(0))
			expect(t, 437)(c.Refresh(0))
		}
		b.live("udp", 0, 0)
		b.free(ports)
		records := b.wait(2)
		if r := records["alice"]; r.Why != relay.EndClient || r.Relayed != at[0] || r.Additional != at[1] || r.PacketsToPeer != 4 || r.BytesToPeer != 2*4+2*10 || r.PacketsToClient != 2 || r.BytesToClient != 2*8 {
			t.Errorf("%+v", r)
		}
		if r := records["bob"]; r.PacketsToPeer != 2 || r.PacketsToClient != 4 || r.BytesToClient != 28 {
			t.Errorf("%+v", r)
		}
	})
}

// talk sends between two dual clients, in each family by channel and by indication.
func talk(t *testing.T, alice, bob *relaytest.Client, at, far [2]netip.AddrPort) {
	t.Helper()
	expect(t, 0)(bob.CreatePermission(at[:]...)) // both at once
	for i := range at {
		channel := 0x4000 + uint16(i)
		expect(t, 0)(alice.ChannelBind(channel, far[i]))
		must(t, alice.SendChannel(channel, []byte("here")))
		receives(t, bob, "here", 0)
		must(t, alice.Send(far[i], []byte("indication")))
		receives(t, bob, "indication", 0)
		must(t, bob.Send(at[i], []byte("and back")))
		receives(t, alice, "and back", channel)
	}
	expect(t, 400)(alice.ChannelBind(0x4000, far[1])) // one number, one peer (RFC 8656 §12.2)
	expect(t, 400)(alice.ChannelBind(0x4002, far[1]))
}

// The five-tuple of a dual allocation is one: asked again it says the same.
func TestDualRetransmission(t *testing.T) {
	b := memBed(t, withIPv6(0))
	c := b.raw("alice")
	expect(t, 437)(c.Refresh(0))
	request, err := c.Request(stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17), both}, nil)
	must(t, err)
	first := expect(t, 0)(c.Exchange(request))
	expect(t, 0)(refresh(c, 0, v4))
	if again := expect(t, 0)(c.Exchange(request)); !bytes.Equal(again.Raw, first.Raw) {
		t.Errorf("%+v after %+v", again, first)
	}
	expect(t, 437)(c.Allocate(both)) // half of it lives
	expect(t, 437)(c.Allocate())
	b.live("udp", 0, 1)
	expect(t, 0)(refresh(c, 0, v6))
	b.makeDual(c)
}

// A Refresh may name a half, and end it alone: what the other has is left alone
// (RFC 8656 §8.1).
func TestDualEndsInPart(t *testing.T) {
	onEveryPlane(t, withIPv6(0), func(t *testing.T, b *bed) {
		bob, far := b.dual("bob")
		_, other := b.dual("carol")
		ports := b.server.Stats().RelayPortsFree
		for gone, family := range []relaytest.Attr{v4, v6} {
			alice, at := b.dual("alice")
			talk(t, alice, bob, at, far)
			stays := 1 - gone
			expect(t, 0)(refresh(alice, 0, family))
			if b.plane.Live(at[gone]) {
				t.Error("the relay port lives on")
			}
			b.free(ports - 1)
			b.live("udp", 2+gone, 2+stays)
			expect(t, 443)(refresh(alice, 600*time.Second, family))
			expect(t, 443)(refresh(alice, 0, family))
			expect(t, 443)(alice.CreatePermission(far[stays], far[gone]))
			expect(t, 443)(alice.ChannelBind(0x4005, far[gone]))
			must(t, alice.SendChannel(0x4000+uint16(gone), []byte("lost")))
			must(t, alice.Send(far[gone], []byte("lost")))
			must(t, alice.SendChannel(0x4000+uint16(stays), []byte("on")))
			receives(t, bob, "on", 0)
			must(t, bob.Send(at[stays], []byte("back")))
			receives(t, alice, "back", 0x4000+uint16(stays))
			expect(t, 0)(alice.ChannelBind(0x4000+uint16(gone), other[stays])) // its number is free
			expect(t, 0)(refresh(alice, 600*time.Second))
			expect(t, 0)(refresh(alice, 0))
			b.free(ports)
			if r := b.wait(1)["alice"]; r.Why != relay.EndClient || r.Relayed != at[0] || r.Additional != at[1] || r.PacketsToPeer != 5 || r.PacketsToClient != 3 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// Each half has a deadline of its own, to the instant; the last ends the session.
func TestDualExpiresInPart(t *testing.T) {
	for kept, family := range []relaytest.Attr{v4, v6} {
		synctest.Test(t, func(t *testing.T) {
			b := memBed(t, withIPv6(0))
			ports := b.server.Stats().RelayPortsFree
			time.Sleep(300 * time.Millisecond) // deadlines and the reaper are apart
			alice, at := b.dual("alice")
			peers := [2]*peer{b.peerAt(memClient), b.peerAt(netip.MustParseAddr("2a00:1450::1"))}
			expect(t, 0)(alice.ChannelBind(0x4000, peers[0].addr))
			expect(t, 0)(alice.ChannelBind(0x4001, peers[1].addr))
			time.Sleep(500 * time.Second)
			expect(t, 0)(refresh(alice, 600*time.Second, family))
			expect(t, 0)(alice.CreatePermission(peers[0].addr, peers[1].addr))
			gone := 1 - kept
			time.Sleep(100*time.Second - time.Nanosecond)
			for i, p := range peers {
				must(t, alice.SendChannel(0x4000+uint16(i), []byte("in time")))
				p.expect("in time")
				if i == kept { // its channel would lapse now
					expect(t, 0)(alice.ChannelBind(0x4000+uint16(i), p.addr))
				}
			}
			time.Sleep(time.Nanosecond)
			ended := b.plane.Counters().Dropped(dataplane.Ended)
			must(t, alice.SendChannel(0x4000+uint16(gone), []byte("late")))
			must(t, alice.Send(peers[gone].addr, []byte("late")))
			peers[gone].send(at[gone], "late")
			if n := b.plane.Counters().Dropped(dataplane.Ended) - ended; n != 3 {
				t.Errorf("%d of 3 dropped as ended", n)
			}
			expect(t, 443)(alice.CreatePermission(peers[gone].addr))
			expect(t, 443)(alice.ChannelBind(0x4007, peers[gone].addr))
			time.Sleep(2 * time.Second) // the reaper has been
			b.free(ports - 1)
			b.live("udp", kept^1, kept)
			if b.plane.Live(at[gone]) || !b.plane.Live(at[kept]) {
				t.Error("the wrong half has ended")
			}
			must(t, alice.SendChannel(0x4000+uint16(kept), []byte("on")))
			peers[kept].expect("on")
			if len(b.ended) != 0 {
				t.Error("the session has ended")
			}
			time.Sleep(500 * time.Second)
			b.free(ports)
			if r := b.wait(1)["alice"]; r.Why != relay.EndExpired || r.PacketsToPeer != 3 {
				t.Errorf("%+v", r)
			}
			b.makeDual(alice)
		})
	}
}

// peerAt is a peer on an address of the network in memory.
func (b *bed) peerAt(ip netip.Addr) *peer {
	b.t.Helper()
	conn, err := b.plane.(*mem.Plane).Host(netip.AddrPortFrom(ip, 0))
	must(b.t, err)
	b.t.Cleanup(func() { conn.Close() })
	return &peer{b.t, conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// A dual allocation is one: against the user's allocations, against the bit rate of
// a session, and for whatever ends a session.
func TestDualIsOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := withIPv6(0)
		s.role = func(r *auth.Role) {
			r.Allocations, r.SessionBits, r.UserBits, r.Idle, r.MaxSession = 2, 8e6, 0, 100*time.Second, 150*time.Second
		}
		b := memBed(t, s)
		ports := b.server.Stats().RelayPortsFree
		alice, _ := b.dual("alice")
		b.dual("alice")
		expect(t, 486)(b.raw("alice").Allocate(both))
		peers := [2]*peer{b.peerAt(memClient), b.peerAt(netip.MustParseAddr("2a00:1450::1"))}
		for i, p := range peers {
			expect(t, 0)(alice.ChannelBind(0x4000+uint16(i), p.addr))
		}
		for n := range 3000 { // 3 MB within 2 s, at 1 MB/s
			must(t, alice.SendChannel(0x4000+uint16(n%2), make([]byte, 1000)))
			time.Sleep(2 * time.Second / 3000)
		}
		if passed := 3000 - b.plane.Counters().Dropped(dataplane.RateSession); passed < 2000 || passed > 2700 {
			t.Errorf("%d of 3000 passed", passed)
		}
		time.Sleep(60 * time.Second) // one family of one of them is in use, and that is use
		must(t, alice.SendChannel(0x4001, []byte("x")))
		time.Sleep(45 * time.Second)
		if r := <-b.ended; r.Why != relay.EndIdle || b.server.Sessions() != 1 {
			t.Errorf("%+v", r)
		}
		b.free(ports - 2)
		time.Sleep(50 * time.Second)
		if r := <-b.ended; r.Why != relay.EndMaxSession {
			t.Errorf("%+v", r)
		}
		b.free(ports)
		b.live("udp", 0, 0)
		b.dual("alice")
	})
}

// Over a stream the connection is the five-tuple of both halves, and ends both.
func TestDualOverStreams(t *testing.T) {
	onSockets(t, func(t *testing.T, open func(testing.TB, setup) *bed) {
		s := withIPv6(0)
		pools := s.options
		s.options = func(o *relay.Options) { pools(o); o.Listen[0].TCP = true }
		b := open(t, s)
		conn := b.dial(gate.TCP, nil)
		alice := b.raw("alice")
		alice.Conn, alice.Server = turn.NewSTUNConn(padding{conn}), b.at(gate.TCP)
		alice.Timeout = 10 * time.Second
		bob, far := b.dual("bob")
		talk(t, alice, bob, b.makeDual(alice), far)
		b.live("tcp", 1, 1)
		conn.Close()
		if r := b.wait(1)["alice"]; r.Why != relay.EndDisconnected || r.PacketsToPeer != 4 || r.PacketsToClient != 2 {
			t.Errorf("%+v", r)
		}
		b.live("tcp", 0, 0)
	})
}

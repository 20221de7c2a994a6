package relay_test

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

// raw is a client that says exactly what it is told to, with a credential of a
// user.
func (b *bed) raw(user string) *relaytest.Client {
	b.t.Helper()
	c, err := b.issuer.Issue(auth.Request{User: user}, time.Now())
	must(b.t, err)
	conn := b.host()
	b.t.Cleanup(func() { conn.Close() })
	return relaytest.NewClient(conn, b.addr, relaytest.User{Name: c.Username, Password: c.Password})
}

// allocated is a raw client with an allocation, and its relayed address.
func (b *bed) allocated(user string) (*relaytest.Client, netip.AddrPort) {
	b.t.Helper()
	c := b.raw(user)
	return c, expect(b.t, 0)(c.Allocate()).Relayed
}

// expect checks an answer's code.
func expect(t testing.TB, code int) func(relaytest.Response, error) relaytest.Response {
	return func(r relaytest.Response, err error) relaytest.Response {
		t.Helper()
		if err != nil || r.Code != code {
			t.Fatalf("answered %v, %v; want code %d", r, err, code)
		}
		return r
	}
}

func peerN(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{93, 184, 218, byte(n)}), uint16(4000+n))
}

func TestPermissionsAreCapped(t *testing.T) {
	b := memBed(t, setup{})
	c, _ := b.allocated("alice")
	for n := range 63 {
		expect(t, 0)(c.CreatePermission(peerN(n)))
	}
	expect(t, 508)(c.CreatePermission(peerN(63), peerN(64)))                     // one too many: neither
	expect(t, 0)(c.CreatePermission(peerN(63), peerN(63), peerN(1)))             // one new address
	expect(t, 508)(c.CreatePermission(peerN(64)))                                // full
	expect(t, 508)(c.ChannelBind(0x4000, peerN(64)))                             // a channel needs a permission
	expect(t, 0)(c.CreatePermission(peerN(0)))                                   // renewing is free
	expect(t, 0)(c.ChannelBind(0x4000, peerN(63)))                               // so is binding
	expect(t, 403)(c.CreatePermission(netip.MustParseAddrPort("10.1.2.3:4000"))) // the allocation lives on
	expect(t, 0)(c.Refresh(600 * time.Second))
}

// A client that goes from peer to peer is slowed down, whichever way it does.
func TestNewPeersArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{options: func(o *relay.Options) { o.Limits.NewPeers = ratelimit.Rate{PerSecond: 1, Burst: 3} }})
		c, _ := b.allocated("alice")
		expect(t, 0)(c.CreatePermission(peerN(0), peerN(1)))
		expect(t, 508)(c.CreatePermission(peerN(2), peerN(3))) // neither
		expect(t, 0)(c.CreatePermission(peerN(0)))
		expect(t, 0)(c.ChannelBind(0x4000, peerN(0)))
		expect(t, 0)(c.ChannelBind(0x4001, peerN(2)))
		expect(t, 508)(c.ChannelBind(0x4002, peerN(3)))
		time.Sleep(time.Second)
		expect(t, 0)(c.ChannelBind(0x4002, peerN(3)))
	})
}

func TestLapsedPermissionsFreeTheirPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{})
		c, _ := b.allocated("alice")
		for round := range 3 {
			for n := range 64 {
				expect(t, 0)(c.CreatePermission(peerN(64*round + n)))
			}
			expect(t, 508)(c.CreatePermission(peerN(250)))
			time.Sleep(301 * time.Second)
			expect(t, 0)(c.Refresh(600 * time.Second))
		}
	})
}

// Clients of RFC 5766 choose among more channel numbers.
func TestOldChannels(t *testing.T) {
	b := memBed(t, setup{options: func(o *relay.Options) { o.OldChannels = true }})
	alice, relayed := b.allocated("alice")
	bob, other := b.allocated("bob")
	expect(t, 0)(alice.ChannelBind(0x7fff, other))
	expect(t, 0)(bob.ChannelBind(0x5000, relayed))
	expect(t, 400)(alice.ChannelBind(0x3fff, peerN(1)))
	expect(t, 400)(alice.ChannelBind(0x8000, peerN(1)))
	must(t, alice.SendChannel(0x7fff, []byte("over")))
	if d, err := bob.Receive(); err != nil || d.Channel != 0x5000 || string(d.Payload) != "over" {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{options: func(o *relay.Options) { o.Limits.Channels = 3 }})
		c, _ := b.allocated("alice")
		expect(t, 0)(c.ChannelBind(0x4000, peerN(1)))
		expect(t, 0)(c.ChannelBind(0x4000, peerN(1)))   // renewed
		expect(t, 400)(c.ChannelBind(0x4001, peerN(1))) // one peer, one channel (RFC 8656 §12.2)
		expect(t, 400)(c.ChannelBind(0x4000, peerN(2))) // one channel, one peer
		expect(t, 0)(c.ChannelBind(0x4001, peerN(2)))
		expect(t, 0)(c.ChannelBind(0x4fff, peerN(3)))
		expect(t, 508)(c.ChannelBind(0x4003, peerN(4)))
		expect(t, 400)(c.ChannelBind(0x5000, peerN(4)))
		time.Sleep(500 * time.Second)
		expect(t, 0)(c.Refresh(600 * time.Second))
		time.Sleep(101 * time.Second)
		expect(t, 0)(c.ChannelBind(0x4000, peerN(5))) // all three have lapsed
		expect(t, 0)(c.ChannelBind(0x4001, peerN(1)))
	})
}

// A channel lives ten minutes and its permission five: in between nothing may
// pass (RFC 8656 §12.6; stock pion relays on).
func TestChannelNeedsItsPermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{})
		c, relayed := b.allocated("alice")
		peer := newPeer(t, b)
		expect(t, 0)(c.ChannelBind(0x4000, peer.addr))
		must(t, c.SendChannel(0x4000, []byte("a")))
		peer.expect("a")
		time.Sleep(299 * time.Second)
		must(t, c.SendChannel(0x4000, []byte("b")))
		peer.expect("b")
		time.Sleep(time.Second)
		must(t, c.SendChannel(0x4000, []byte("c")))
		must(t, c.Send(peer.addr, []byte("c")))
		peer.send(relayed, "c")
		if n := b.plane.Counters().Dropped(dataplane.NoPermission); n != 3 {
			t.Errorf("%d dropped for want of a permission, want 3", n)
		}
		expect(t, 0)(c.CreatePermission(peer.addr))
		expect(t, 0)(c.Refresh(600 * time.Second))
		must(t, c.SendChannel(0x4000, []byte("d")))
		peer.expect("d")
		peer.send(relayed, "e")
		if d, err := c.Receive(); err != nil || string(d.Payload) != "e" || d.Channel != 0x4000 {
			t.Errorf("%+v, %v", d, err)
		}
		time.Sleep(299 * time.Second) // 599 s after the binding: permission renewed at 300 s
		must(t, c.SendChannel(0x4000, []byte("f")))
		peer.expect("f")
		time.Sleep(time.Second) // the channel lapses, and its permission with it
		must(t, c.SendChannel(0x4000, []byte("g")))
		if n := b.plane.Counters().Dropped(dataplane.NoChannel); n != 1 {
			t.Errorf("%d dropped at the end of the channel, want 1", n)
		}
	})
}

func TestRetransmissionsAndSuccessors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{})
		c := b.raw("alice")
		expect(t, 437)(c.Refresh(0)) // nothing there
		expect(t, 437)(c.CreatePermission(peerN(1)))
		expect(t, 437)(c.ChannelBind(0x4000, peerN(1)))
		request, err := c.Request(stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17)}, nil)
		must(t, err)
		first := expect(t, 0)(c.Exchange(request))
		again := expect(t, 0)(c.Exchange(request))
		if first.Relayed != again.Relayed || b.server.Stats().Allocations[[2]string{"udp", "ipv4"}] != 1 {
			t.Errorf("a retransmission got %v after %v", again, first)
		}
		expect(t, 437)(c.Allocate())
		if r := expect(t, 0)(c.Refresh(0)); r.Lifetime != 0 {
			t.Errorf("%v", r)
		}
		if b.plane.Live(first.Relayed) {
			t.Error("the relay port lives on")
		}
		second := expect(t, 0)(c.Allocate())
		time.Sleep(599 * time.Second)
		expect(t, 0)(c.Refresh(600 * time.Second))
		time.Sleep(600 * time.Second)
		expect(t, 437)(c.Refresh(600 * time.Second)) // the reaper may not have been yet
		time.Sleep(2 * time.Second)
		if r := b.wait(2)["alice"]; r.Why != relay.EndExpired || r.Relayed != second.Relayed {
			t.Errorf("%+v", r)
		}
	})
}

func TestAllocationsOfAUserAreLimited(t *testing.T) {
	b := memBed(t, setup{role: func(r *auth.Role) { r.Allocations = 3 }})
	var held []*relaytest.Client
	for range 3 {
		c, _ := b.allocated("alice")
		held = append(held, c)
	}
	refused := b.raw("alice")
	expect(t, 486)(refused.Allocate())
	b.allocated("bob")
	expect(t, 0)(held[1].Refresh(0))
	expect(t, 0)(refused.Allocate())
	st := b.server.Stats()
	if st.AllocationsTotal["quota"] != 1 || st.AllocationsTotal["success"] != 5 || st.QuotaRefused["user_allocations"] != 1 {
		t.Errorf("%+v", st)
	}
}

func TestTenantsAreLimited(t *testing.T) {
	b := memBed(t, setup{options: func(o *relay.Options) { o.Limits.TenantAllocations = 2 }})
	b.allocated("alice")
	c, _ := b.allocated("bob")
	expect(t, 486)(b.raw("carol").Allocate())
	expect(t, 0)(c.Refresh(0))
	b.allocated("carol")
}

// Every port of a pool is handed out before the first 508, and again after.
func TestPortsRunOutAndComeBack(t *testing.T) {
	b := memBed(t, setup{
		role:    func(r *auth.Role) { r.Allocations = 0 },
		options: func(o *relay.Options) { o.Relays[0].MinPort, o.Relays[0].MaxPort = 40001, 40100 },
	})
	taken, err := b.plane.OpenRelay(netip.AddrPortFrom(memServer, 40050), netip.AddrPortFrom(memServer, 40050))
	must(t, err) // somebody else's
	var held []*relaytest.Client
	ports := map[uint16]bool{}
	for range 99 {
		c, relayed := b.allocated("alice")
		held, ports[relayed.Port()] = append(held, c), true
	}
	late := b.raw("alice")
	expect(t, 508)(late.Allocate())
	if len(ports) != 99 || ports[40050] {
		t.Errorf("%d different ports", len(ports))
	}
	b.plane.Remove(taken)
	expect(t, 0)(late.Allocate())
	for range 3 {
		for _, c := range held {
			expect(t, 0)(c.Refresh(0))
		}
		if left := b.server.Stats().RelayPortsFree; left != 99 {
			t.Fatalf("%d ports free, want 99", left)
		}
		for _, c := range held {
			expect(t, 0)(c.Allocate())
		}
	}
}

// brokenPlane has no sockets to give.
type brokenPlane struct{ dataplane.Plane }

func (brokenPlane) OpenRelay(netip.AddrPort, netip.AddrPort) (*dataplane.Relay, error) {
	return nil, syscall.EMFILE
}

// A host without file descriptors is told apart from a pool without ports.
func TestNoSocketIsCountedApart(t *testing.T) {
	b := memBed(t, setup{options: func(o *relay.Options) { o.Plane = brokenPlane{o.Plane} }})
	free := b.server.Stats().RelayPortsFree
	for range 3 {
		expect(t, 508)(b.raw("alice").Allocate())
	}
	if st := b.server.Stats(); st.AllocationsTotal["socket"] != 3 || st.AllocationsTotal["capacity"] != 0 || st.RelayPortsFree != free {
		t.Errorf("%v, %d of %d ports free", st.AllocationsTotal, st.RelayPortsFree, free)
	}
}

// Whom the host has no socket for may be sent elsewhere, and is counted as that.
func TestNoSocketIsRedirected(t *testing.T) {
	b := memBed(t, setup{options: func(o *relay.Options) {
		o.Plane = brokenPlane{o.Plane}
		o.Redirect = relay.Redirect{Servers: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:3478")}, Full: true}
	}})
	expect(t, 300)(b.raw("alice").Allocate())
	if total := b.server.Stats().AllocationsTotal; total["redirected"] != 1 || total["socket"] != 0 || total["capacity"] != 0 {
		t.Error(total)
	}
}

// A policy put in force is obeyed by the next datagram, either way, by channel
// and by indication. The permissions that it would not give are gone: a later
// policy opens the way again to who asks again.
func TestLiveSessionsObeyANewPolicy(t *testing.T) {
	b := memBed(t, setup{})
	c, relayed := b.allocated("alice")
	peer := newPeer(t, b)
	expect(t, 0)(c.ChannelBind(0x4000, peer.addr))
	try := func(want bool) {
		t.Helper()
		before := b.plane.Counters().Dropped(dataplane.PolicyPeer)
		must(t, c.SendChannel(0x4000, []byte("channel")))
		must(t, c.Send(peer.addr, []byte("send")))
		peer.send(relayed, "back")
		dropped := b.plane.Counters().Dropped(dataplane.PolicyPeer) - before
		if !want {
			if dropped != 3 {
				t.Errorf("%d of 3 dropped by policy", dropped)
			}
			return
		}
		peer.expect("channel")
		peer.expect("send")
		if d, err := c.Receive(); err != nil || string(d.Payload) != "back" || dropped != 0 {
			t.Errorf("%v %v, %d dropped", d, err, dropped)
		}
	}
	try(true)
	deny := netpolicy.Options{Deny: netpolicy.Lines(netip.PrefixFrom(memClient, 32))}
	closed, err := b.policy(deny, []netip.AddrPort{b.addr})
	must(t, err)
	b.server.SetPolicy(closed)
	try(false)
	expect(t, 403)(c.ChannelBind(0x4000, peer.addr))
	expect(t, 403)(c.CreatePermission(peer.addr))
	open, err := b.policy(netpolicy.Options{}, []netip.AddrPort{b.addr})
	must(t, err)
	b.server.SetPolicy(open)
	try(false)
	expect(t, 0)(c.ChannelBind(0x4000, peer.addr))
	try(true)
}

// The relayed address of a session that has ended is an address like any
// other: of this host, and so not to be reached.
func TestOwnRelayIsReachableOnlyWhileItLives(t *testing.T) {
	b := memBed(t, setup{})
	alice, fromAlice := b.allocated("alice")
	bob, fromBob := b.allocated("bob")
	expect(t, 0)(alice.ChannelBind(0x4000, fromBob))
	expect(t, 0)(bob.ChannelBind(0x4000, fromAlice))
	must(t, alice.SendChannel(0x4000, []byte("x")))
	if d, err := bob.Receive(); err != nil || string(d.Payload) != "x" {
		t.Fatalf("%v %v", d, err)
	}
	expect(t, 0)(bob.Refresh(0))
	must(t, alice.SendChannel(0x4000, []byte("x")))
	if n := b.plane.Counters().Dropped(dataplane.PolicyPeer); n != 1 {
		t.Errorf("%d dropped by policy, want 1", n)
	}
	expect(t, 403)(alice.ChannelBind(0x4001, netip.AddrPortFrom(fromBob.Addr(), fromBob.Port())))
	expect(t, 403)(alice.ChannelBind(0x4002, b.addr)) // our own listener
	expect(t, 0)(alice.CreatePermission(fromBob))     // an address without port can't tell
}

func TestBytesADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{role: func(r *auth.Role) { r.BytesPerDay, r.Idle = 1000, 0 }})
		c, _ := b.allocated("alice")
		peer := newPeer(t, b)
		expect(t, 0)(c.ChannelBind(0x4000, peer.addr))
		for n := range 12 {
			must(t, c.SendChannel(0x4000, make([]byte, 100)))
			if n < 10 {
				peer.expect(string(make([]byte, 100)))
			}
		}
		if n := b.plane.Counters().Dropped(dataplane.QuotaBytes); n != 2 {
			t.Errorf("%d over the quota, want 2", n)
		}
		expect(t, 486)(b.raw("alice").Allocate())
		expect(t, 0)(b.raw("bob").Allocate())
	})
}

func TestBitRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{role: func(r *auth.Role) { r.SessionBits, r.UserBits = 8e6, 0 }})
		c, _ := b.allocated("alice")
		peer := newPeer(t, b)
		expect(t, 0)(c.ChannelBind(0x4000, peer.addr))
		for range 3000 { // 3 MB within 2 s, at 1 MB/s
			must(t, c.SendChannel(0x4000, make([]byte, 1000)))
			time.Sleep(2 * time.Second / 3000)
		}
		dropped := b.plane.Counters().Dropped(dataplane.RateSession)
		if passed := 3000 - dropped; passed < 2000 || passed > 2700 { // two seconds' worth and the burst
			t.Errorf("%d of 3000 passed", passed)
		}
	})
}

// peer is a socket of a peer that reads without waiting: the network in memory
// has delivered when a send returns.
type peer struct {
	t    testing.TB
	conn net.PacketConn
	addr netip.AddrPort
}

func newPeer(t testing.TB, b *bed) *peer {
	conn := b.host()
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

func (p *peer) send(to netip.AddrPort, s string) {
	p.t.Helper()
	_, err := p.conn.WriteTo([]byte(s), net.UDPAddrFromAddrPort(to))
	must(p.t, err)
}

func (p *peer) expect(want string) {
	p.t.Helper()
	p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := make([]byte, 4096)
	n, _, err := p.conn.ReadFrom(got)
	if err != nil || string(got[:n]) != want {
		p.t.Fatalf("got %s, %v; want %q", fmt.Sprintf("%q", got[:n]), err, want)
	}
}

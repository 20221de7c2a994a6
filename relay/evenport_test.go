package relay_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// What an Allocate asks of its port.
var (
	even = relaytest.Attr{Type: stun.AttrEvenPort, Value: []byte{0}}
	pair = relaytest.Attr{Type: stun.AttrEvenPort, Value: []byte{0x80}}
)

func reserved(token gate.Token) relaytest.Attr {
	return relaytest.Attr{Type: stun.AttrReservationToken, Value: token[:]}
}

// tokenOf is the token in an answer; false: there is none.
func tokenOf(t testing.TB, r relaytest.Response) (gate.Token, bool) {
	t.Helper()
	m := &stun.Message{Raw: r.Raw}
	must(t, m.Decode())
	v, err := m.Get(stun.AttrReservationToken)
	if err != nil {
		return gate.Token{}, false
	}
	if len(v) != 8 {
		t.Fatalf("a token of %d bytes", len(v))
	}
	return gate.Token(v), true
}

// paired is a raw client with an allocation and a port reserved beside it.
func (b *bed) paired(user string) (*relaytest.Client, netip.AddrPort, gate.Token) {
	b.t.Helper()
	c := b.raw(user)
	r := expect(b.t, 0)(c.Allocate(pair))
	token, ok := tokenOf(b.t, r)
	if !ok || r.Relayed.Port()%2 != 0 {
		b.t.Fatalf("asked for a pair, got %s, token %x (%v)", r.Relayed, token, ok)
	}
	return c, r.Relayed, token
}

func after(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), a.Port()+1) }

// free checks how many ports nobody holds.
func (b *bed) free(want int) {
	b.t.Helper()
	if n := b.server.Stats().RelayPortsFree; n != want {
		b.t.Errorf("%d relay ports are free, want %d", n, want)
	}
}

// onPorts is a server with the ports from first to last and no quota.
func onPorts(first, last uint16) setup {
	return setup{
		role:    func(r *auth.Role) { r.Allocations = 0 },
		options: func(o *relay.Options) { o.Relays[0].MinPort, o.Relays[0].MaxPort = first, last },
	}
}

func TestEvenPort(t *testing.T) {
	onEveryPlane(t, setup{}, func(t *testing.T, b *bed) {
		for range 12 {
			c := b.raw("alice")
			r := expect(t, 0)(c.Allocate(even))
			if _, ok := tokenOf(t, r); ok || r.Relayed.Port()%2 != 0 || b.plane.Live(after(r.Relayed)) {
				t.Errorf("%s, a token: %v", r.Relayed, ok)
			}
		}
	})
}

// RTP and RTCP on a pair of ports, each from a five-tuple of its own.
func TestPortPair(t *testing.T) {
	onEveryPlane(t, setup{}, func(t *testing.T, b *bed) {
		ports := b.server.Stats().RelayPortsFree
		rtp, address, token := b.paired("alice")
		b.free(ports - 2)
		if !b.plane.Live(after(address)) {
			t.Error("the next port is not bound")
		}
		rtcp := b.raw("alice")
		r := expect(t, 0)(rtcp.Allocate(reserved(token)))
		if _, again := tokenOf(t, r); r.Relayed != after(address) || again {
			t.Errorf("the token of %s gave %s, and another: %v", address, r.Relayed, again)
		}
		b.free(ports - 2)
		far := b.raw("bob")
		meet := expect(t, 0)(far.Allocate()).Relayed
		expect(t, 0)(far.CreatePermission(meet))
		for i, c := range []*relaytest.Client{rtp, rtcp} {
			expect(t, 0)(c.ChannelBind(0x4000, meet))
			must(t, c.SendChannel(0x4000, []byte("hello")))
			from := netip.AddrPortFrom(address.Addr(), address.Port()+uint16(i))
			if d, err := far.Receive(); err != nil || string(d.Payload) != "hello" || d.Peer != from {
				t.Errorf("%+v, %v; want it from %s", d, err, from)
			}
			must(t, far.Send(from, []byte("back")))
			if d, err := c.Receive(); err != nil || string(d.Payload) != "back" || d.Channel != 0x4000 {
				t.Errorf("%+v, %v", d, err)
			}
		}
		for _, c := range []*relaytest.Client{rtp, rtcp, far} {
			expect(t, 0)(c.Refresh(0))
		}
		b.free(ports)
	})
}

// Until it is claimed a reserved port is a place where nothing arrives: not
// from the network, and not from a relay of ours.
func TestNothingPassesAReservedPort(t *testing.T) {
	b := memBed(t, setup{})
	_, address, token := b.paired("alice")
	peer, bob := newPeer(t, b), b.raw("bob")
	expect(t, 0)(bob.Allocate())
	expect(t, 0)(bob.ChannelBind(0x4000, after(address)))
	try := func(want dataplane.Verdict) {
		t.Helper()
		before := b.plane.Counters().Dropped(want)
		peer.send(after(address), "early")
		must(t, bob.SendChannel(0x4000, []byte("early")))
		if n := b.plane.Counters().Dropped(want) - before; n != 2 {
			t.Errorf("%d dropped as %s, want 2", n, want)
		}
	}
	try(dataplane.NoFlow)
	rtcp := b.raw("alice")
	expect(t, 0)(rtcp.Allocate(reserved(token)))
	try(dataplane.NoPermission)
	expect(t, 0)(rtcp.CreatePermission(peer.addr))
	peer.send(after(address), "late")
	if d, err := rtcp.Receive(); err != nil || string(d.Payload) != "late" || d.Peer != peer.addr {
		t.Errorf("%+v, %v", d, err)
	}
}

// A token is good once, for its own user alone; what others try does it no harm.
func TestTokenIsForOneUserOnce(t *testing.T) {
	b := memBed(t, setup{})
	ports := b.server.Stats().RelayPortsFree
	_, address, token := b.paired("alice")
	wrong := token
	wrong[7] ^= 1
	mallory, alice := b.raw("mallory"), b.raw("alice")
	expect(t, 508)(mallory.Allocate(reserved(token)))
	expect(t, 508)(alice.Allocate(reserved(wrong)))
	expect(t, 508)(alice.Allocate(reserved(gate.Token{})))
	expect(t, 400)(alice.Allocate(reserved(token), even))
	b.free(ports - 2)
	if r := expect(t, 0)(alice.Allocate(reserved(token))); r.Relayed != after(address) {
		t.Errorf("got %s beside %s", r.Relayed, address)
	}
	expect(t, 508)(b.raw("alice").Allocate(reserved(token)))
	expect(t, 0)(alice.Refresh(0))
	expect(t, 508)(alice.Allocate(reserved(token)))
	b.free(ports - 1)
}

// A reservation holds for 30 s and not longer.
func TestTokenLapses(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		code  int
	}{{30*time.Second - 1, 0}, {30 * time.Second, 508}} {
		synctest.Test(t, func(t *testing.T) {
			b := memBed(t, setup{})
			alice := b.raw("alice")
			expect(t, 437)(alice.Refresh(0)) // it has a nonce now
			_, _, token := b.paired("alice")
			time.Sleep(c.after)
			expect(t, c.code)(alice.Allocate(reserved(token)))
		})
	}
}

// Who has not heard the answer gets it again, with the same token, and nothing
// more is reserved.
func TestRetransmissionHasTheSameToken(t *testing.T) {
	b := memBed(t, setup{})
	ports := b.server.Stats().RelayPortsFree
	c := b.raw("alice")
	expect(t, 437)(c.Refresh(0)) // it has a nonce now
	request, err := c.Request(stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17), pair}, nil)
	must(t, err)
	first := expect(t, 0)(c.Exchange(request))
	again := expect(t, 0)(c.Exchange(request))
	if _, ok := tokenOf(t, first); !ok || !bytes.Equal(first.Raw, again.Raw) {
		t.Errorf("%x, then %x", first.Raw, again.Raw)
	}
	b.free(ports - 2)
}

// A reservation ends with the session that made it, however that ends; what has
// been claimed is a session like any other.
func TestReservationEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*bed, *relaytest.Client){
		"client":   func(b *bed, c *relaytest.Client) { expect(b.t, 0)(c.Refresh(0)) },
		"idle":     func(*bed, *relaytest.Client) { time.Sleep(12 * time.Second) },
		"shutdown": func(b *bed, _ *relaytest.Client) { b.close() },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := memBed(t, setup{role: func(r *auth.Role) { r.Idle = 10 * time.Second }})
			ports := b.server.Stats().RelayPortsFree
			maker, address, token := b.paired("alice")
			other, _, claimed := b.paired("alice")
			rtcp := b.raw("alice")
			kept := expect(t, 0)(rtcp.Allocate(reserved(claimed))).Relayed
			expect(t, 0)(other.Refresh(0))
			if !b.plane.Live(kept) {
				t.Errorf("%s: a claimed port ended with another session", name)
			}
			b.free(ports - 3)
			end(b, maker)
			if b.plane.Live(after(address)) {
				t.Errorf("%s: the reserved port lives on", name)
			}
			if name == "client" {
				expect(t, 508)(maker.Allocate(reserved(token)))
				expect(t, 0)(rtcp.Refresh(0))
			}
			b.free(ports)
		})
	}
}

// The last pair, the last even port and the last port are each handed out; what
// another program holds is passed over, and nothing is lost on the way.
func TestPairsRunOut(t *testing.T) {
	b := memBed(t, onPorts(40001, 40010))
	taken := netip.AddrPortFrom(memServer, 40005)
	foreign, err := b.plane.OpenRelay(taken, taken)
	must(t, err)
	var held []*relaytest.Client
	got := map[uint16]bool{}
	for range 3 {
		c, address, _ := b.paired("alice")
		held, got[address.Port()] = append(held, c), true
	}
	if !got[40002] || !got[40006] || !got[40008] {
		t.Errorf("pairs at %v", got)
	}
	take := func(want ...uint16) {
		t.Helper()
		for range want {
			c := b.raw("alice")
			r := expect(t, 0)(c.Allocate(even))
			held, got[r.Relayed.Port()] = append(held, c), true
		}
		for _, port := range want {
			if !got[port] {
				t.Errorf("no %d in %v", port, got)
			}
		}
	}
	late := b.raw("alice")
	expect(t, 508)(late.Allocate(pair))
	take(40004, 40010)
	expect(t, 508)(late.Allocate(even))
	if r := expect(t, 0)(late.Allocate()); r.Relayed.Port() != 40001 {
		t.Errorf("the last port is %s", r.Relayed)
	}
	expect(t, 508)(b.raw("alice").Allocate())
	if st := b.server.Stats(); st.AllocationsTotal["capacity"] != 3 {
		t.Errorf("%v", st.AllocationsTotal)
	}
	b.plane.Remove(foreign)
	for _, c := range append(held, late) {
		expect(t, 0)(c.Refresh(0))
	}
	b.free(10)
}

// fewSockets is a plane on a host that gives none for odd ports.
type fewSockets struct{ dataplane.Plane }

func (p fewSockets) OpenRelay(bind, public netip.AddrPort) (*dataplane.Relay, error) {
	if bind.Port()%2 != 0 {
		return nil, syscall.EMFILE
	}
	return p.Plane.OpenRelay(bind, public)
}

// Half a pair is none, and is given back.
func TestHalfAPairIsGivenBack(t *testing.T) {
	s := onPorts(40000, 40001)
	ports := s.options
	s.options = func(o *relay.Options) { ports(o); o.Plane = fewSockets{o.Plane} }
	b := memBed(t, s)
	c := b.raw("alice")
	expect(t, 508)(c.Allocate(pair))
	b.free(2)
	if b.plane.Live(netip.AddrPortFrom(memServer, 40000)) {
		t.Error("the even port lives on")
	}
	expect(t, 0)(c.Allocate(even))
	if st := b.server.Stats(); st.AllocationsTotal["socket"] != 1 || st.AllocationsTotal["capacity"] != 0 {
		t.Errorf("%v", st.AllocationsTotal)
	}
}

// A quota that is full leaves the token as good as it was.
func TestQuotaLeavesTheToken(t *testing.T) {
	b := memBed(t, setup{role: func(r *auth.Role) { r.Allocations = 2 }})
	_, address, token := b.paired("alice")
	other, _ := b.allocated("alice")
	c := b.raw("alice")
	expect(t, 486)(c.Allocate(reserved(token)))
	expect(t, 0)(other.Refresh(0))
	if r := expect(t, 0)(c.Allocate(reserved(token))); r.Relayed != after(address) {
		t.Errorf("got %s beside %s", r.Relayed, address)
	}
}

// Clients that reserve, claim, steal and leave, all at once and on few ports:
// everything comes back.
func TestPairsUnderStress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onPorts(47000, 47015)
		s.role = func(r *auth.Role) { r.Allocations, r.Idle = 6, 20*time.Second }
		b := memBed(t, s)
		var tokens sync.Map
		var clients sync.WaitGroup
		for id := range 12 {
			clients.Go(func() { b.mayhem(rand.New(rand.NewPCG(7, uint64(id))), fmt.Sprint("user", id%3), &tokens) })
		}
		clients.Wait()
		st := b.server.Stats()
		for port := uint16(47000); port <= 47015; port++ {
			if at := netip.AddrPortFrom(memServer, port); b.plane.Live(at) {
				t.Errorf("relay port %d lives on", port)
			}
		}
		b.free(16)
		if st.AllocationsTotal["success"] < 500 || st.Allocations[[2]string{"udp", "ipv4"}] != 0 {
			t.Errorf("%+v", st.AllocationsTotal)
		}
	})
}

// mayhem ends without an allocation.
func (b *bed) mayhem(r *rand.Rand, user string, tokens *sync.Map) {
	c := b.raw(user)
	for range 150 {
		attrs := []stun.Setter{pair}
		switch r.IntN(4) {
		case 0:
			attrs = nil
		case 1:
			tokens.Range(func(token, _ any) bool {
				attrs = []stun.Setter{reserved(token.(gate.Token))}
				return r.IntN(3) > 0
			})
		}
		if a, err := c.Allocate(attrs...); err == nil && a.OK() {
			if token, ok := tokenOf(b.t, a); ok {
				tokens.Store(token, true)
			}
		}
		time.Sleep(time.Duration(r.IntN(int(time.Second))))
		if r.IntN(3) > 0 {
			c.Refresh(0)
		}
	}
	c.Refresh(0)
}

package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay/relaytest"
)

// loopBed sees every datagram of the namespace and sends forged ones.
type loopBed struct {
	t      *testing.T
	tap    *relaytest.Tap
	forger *relaytest.Forger
	seen   map[[2]netip.AddrPort]int // from, to
}

func newLoopBed(t *testing.T) *loopBed {
	t.Helper()
	tap, err := relaytest.NewTap("lo", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	forger, err := relaytest.NewForger()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(forger.Close)
	return &loopBed{t: t, tap: tap, forger: forger, seen: map[[2]netip.AddrPort]int{}}
}

// look enters what has passed since the last time.
func (b *loopBed) look() {
	b.t.Helper()
	err := b.tap.Drain(func(p relaytest.Passed) { b.seen[[2]netip.AddrPort{p.From, p.To}]++ })
	if err != nil {
		b.t.Fatal(err)
	}
}

// expect checks how many datagrams have passed from one address to another.
func (b *loopBed) expect(what string, from, to netip.AddrPort, want int) {
	b.t.Helper()
	b.look()
	if got := b.seen[[2]netip.AddrPort{from, to}]; got != want {
		b.t.Errorf("%s: %d datagrams from %s to %s, want %d", what, got, from, to, want)
	}
}

// awaitSeen waits until so many have passed.
func (b *loopBed) awaitSeen(from, to netip.AddrPort, least int) {
	b.t.Helper()
	for late := time.Now().Add(patience); b.seen[[2]netip.AddrPort{from, to}] < least; b.look() {
		if time.Now().After(late) {
			b.t.Fatalf("%d datagrams from %s to %s, want %d", b.seen[[2]netip.AddrPort{from, to}], from, to, least)
		}
	}
}

func (b *loopBed) forge(from, to netip.AddrPort, payload []byte) {
	b.t.Helper()
	if err := b.forger.Send(from, to, payload); err != nil {
		b.t.Fatal(err)
	}
}

// stunMessage is one without attributes, but for the REQUESTED-TRANSPORT of an
// Allocate, without which stock pion answers 400 and not 401.
func stunMessage(t *testing.T, method stun.Method, class stun.MessageClass) []byte {
	t.Helper()
	attrs := []stun.Setter{stun.TransactionID, stun.NewType(method, class)}
	if method == stun.MethodAllocate {
		attrs = append(attrs, relaytest.RequestedTransport(17))
	}
	m, err := stun.Build(attrs...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// nest binds a channel to a listener, sends an Allocate through it, and tells
// whether the channel was granted and what came back through the relay.
func nest(t *testing.T, c *relaytest.Client, listener netip.AddrPort) (granted, answered bool) {
	t.Helper()
	bound, err := c.ChannelBind(0x4001, listener)
	if err == nil {
		err = c.SendChannel(0x4001, stunMessage(t, stun.MethodAllocate, stun.ClassRequest))
	}
	if err == nil {
		_, err = c.CreatePermission(netip.AddrPortFrom(listener.Addr(), 0))
	}
	if err == nil {
		err = c.Send(listener, stunMessage(t, stun.MethodAllocate, stun.ClassRequest))
	}
	if err == nil {
		err = c.Settle()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Receive()
	return bound.OK(), err == nil
}

// No allocation lies in another: the server's own listeners, of UDP and of TCP
// and TLS, and its services are no peers, whatever transport the client comes
// by, and nothing leaves for them. A permission for the address is granted, as
// two clients of one server need it, and opens nothing (RFC 8656 §9).
func TestOwnListenersAreNoPeers(t *testing.T) {
	if !inNetwork(t, relaytest.Namespace{Own: []netip.Prefix{publicNet}, StockPion: true}) {
		return
	}
	s, secret := startPublic(t, "")
	b := newLoopBed(t)
	users := &slowBed{t: t, s: s, secret: secret}
	services := []netip.AddrPort{publicTURN, netip.AddrPortFrom(publicTURN.Addr(), 3480), netip.MustParseAddrPort("127.0.0.1:3481")}
	for _, over := range []string{"udp", "tcp", "tls"} {
		for _, service := range services {
			c := openClient(t, over, publicTURN, users.user())
			r, err := c.Allocate()
			if err != nil || !r.OK() {
				t.Fatalf("%v %v", r, err)
			}
			c.Timeout = time.Second / 4 // nothing is to come
			if granted, answered := nest(t, c, service); granted || answered {
				t.Errorf("%s to %s: granted %v, answered %v", over, service, granted, answered)
			}
			b.expect(over, r.Relayed, service, 0)
		}
	}

	alice := relaytest.User{Name: "alice", Password: "wonderland"}
	stock := relaytest.StockPion(t, relaytest.StockOptions{Listen: publicPeer, Relay: publicPeer, Realm: "stock", Users: []relaytest.User{alice}})
	c := openClient(t, "udp", stock.Addr, alice)
	if r, err := c.Allocate(); err != nil || !r.OK() {
		t.Fatalf("%v %v", r, err)
	}
	if granted, answered := nest(t, c, stock.Addr); !granted || !answered {
		t.Errorf("stock pion, the negative control: granted %v, answered %v; want both", granted, answered)
	}
}

// A datagram forged to come from a relayed address ends at the listener: what
// was answered would reach a client that asked for nothing, through the relay
// (RFC 8656 §21.1.7).
func TestForgedRelayIsNotAnswered(t *testing.T) {
	if !inNetwork(t, relaytest.Namespace{Own: []netip.Prefix{publicNet}, StockPion: true}) {
		return
	}
	s, secret := startPublic(t, "")
	b := newLoopBed(t)
	users := &slowBed{t: t, s: s, secret: secret}
	r, err := openClient(t, "udp", publicTURN, users.user()).Allocate()
	if err != nil || !r.OK() {
		t.Fatalf("%v %v", r, err)
	}
	for _, m := range [][]byte{
		stunMessage(t, stun.MethodAllocate, stun.ClassRequest), stunMessage(t, stun.MethodBinding, stun.ClassRequest),
		{0x40, 0x00, 0, 4, 1, 2, 3, 4}, stunMessage(t, stun.MethodSend, stun.ClassIndication),
	} {
		b.forge(r.Relayed, publicTURN, m)
	}
	s.WaitMetric(t, `turnpike_dropped_packets_total{reason="own_relay",stage="data"}`, 4)
	b.expect("a forged relay", publicTURN, r.Relayed, 0)

	alice := relaytest.User{Name: "alice", Password: "wonderland"}
	stock := relaytest.StockPion(t, relaytest.StockOptions{Listen: publicPeer, Relay: publicPeer, Realm: "stock", Users: []relaytest.User{alice}})
	r, err = openClient(t, "udp", stock.Addr, alice).Allocate()
	if err != nil || !r.OK() {
		t.Fatalf("%v %v", r, err)
	}
	b.forge(r.Relayed, stock.Addr, stunMessage(t, stun.MethodAllocate, stun.ClassRequest))
	b.awaitSeen(stock.Addr, r.Relayed, 1) // the negative control
}

// Two servers can't be set upon each other, nor one upon itself: a forged
// response or indication is answered by nothing, a forged request by one answer
// that is answered by nothing (CVE-2024-2169). That the bed would see a loop is
// shown by two echo services, which a single datagram keeps busy for ever.
func TestServersAreNotSetUponEachOther(t *testing.T) {
	if !inPublic(t) {
		return
	}
	one, two := startServer(t), startServer(t)
	b := newLoopBed(t)
	first, second := one.TURN.UDP[0], two.TURN.UDP[0]
	const notRequest = `turnpike_dropped_packets_total{reason="not_request",stage="control"}`

	for _, to := range []netip.AddrPort{first, second} { // from another, and from itself
		clear(b.seen)
		before := two.Metrics(t)
		b.forge(to, second, stunMessage(t, stun.MethodBinding, stun.ClassSuccessResponse))
		b.forge(to, second, stunMessage(t, stun.MethodAllocate, stun.ClassErrorResponse))
		b.forge(to, second, stunMessage(t, stun.MethodData, stun.ClassIndication))
		b.forge(to, second, []byte{0x40, 0x00, 0, 4, 1, 2, 3, 4})
		two.WaitMetric(t, notRequest, before[notRequest]+3)
		const noFlow = `turnpike_dropped_packets_total{reason="no_flow",stage="data"}`
		two.WaitMetric(t, noFlow, before[noFlow]+1)
		if to == first {
			b.expect("forged answers", second, to, 0)
		}
		b.expect("forged answers", to, second, 4) // those that were forged

		hears := one
		if to == second {
			hears = two
		}
		before = hears.Metrics(t)
		b.forge(to, second, stunMessage(t, stun.MethodBinding, stun.ClassRequest))
		b.forge(to, second, stunMessage(t, stun.MethodAllocate, stun.ClassRequest))
		hears.WaitMetric(t, notRequest, before[notRequest]+2) // the answers, and their end
		if to == first {
			b.expect("forged requests", to, second, 6)
			b.expect("forged requests", second, to, 2)
		} else {
			b.expect("forged requests to itself", second, second, 8)
		}
	}

	left, right := startEcho(t), startEcho(t)
	b.forge(left, right, []byte("round and round"))
	b.awaitSeen(right, left, 100)
}

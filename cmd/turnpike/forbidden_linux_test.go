package main

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"turnpike/pkg/netpolicy"
	"turnpike/relay/relaytest"
)

// everywhere is a network without an uplink whose every address is local: no
// datagram is lost for want of a route to its peer.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// publicRelay6 is the relay address for IPv6.
var publicRelay6 = netip.MustParseAddr("2606:4700:10::1")

// publicRelays relays to both families.
var publicRelays = fmt.Sprintf("{addresses: [{bind: %s}, {bind: \"%s\"}]}", publicTURN.Addr(), publicRelay6)

// probeBed watches what leaves relayed addresses. The canary sees all that any
// socket sends and counts by source port and host, so that what a server tells
// its clients, from its listener, can't be taken for it.
type probeBed struct {
	t    *testing.T
	tap  *relaytest.Tap
	open func(over string) *relaytest.Client
	from map[uint16]bool        // the relayed ports
	left map[netip.AddrPort]int // by the peer
}

func newProbeBed(t *testing.T, open func(over string) *relaytest.Client) *probeBed {
	t.Helper()
	tap, err := relaytest.NewTap("lo", false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tap.Close)
	return &probeBed{t: t, tap: tap, open: open, from: map[uint16]bool{}, left: map[netip.AddrPort]int{}}
}

// client has an allocation of a family.
func (b *probeBed) client(over string, family byte) *relaytest.Client {
	b.t.Helper()
	c := b.open(over)
	r, err := c.Allocate(relaytest.Family(family))
	if err != nil || !r.OK() {
		b.t.Fatalf("%s: %v %v", over, r, err)
	}
	b.from[r.Relayed.Port()] = true
	return c
}

// look waits for all that the client has asked for, and enters what has left
// from relayed ports since the last time.
func (b *probeBed) look(c *relaytest.Client) {
	b.t.Helper()
	err := c.Settle()
	if err == nil {
		err = b.tap.Drain(func(p relaytest.Passed) {
			// Stock pion's relays are bound to no address; a client may by
			// chance have the same port, at its own.
			if b.from[p.From.Port()] && p.From.Addr() != publicClient(0) {
				b.left[p.To]++
			}
		})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// probesOfOne is how many peers one client tries: what is refused over a stream
// is taken at a pace after 200 messages, and each peer takes four.
const probesOfOne = 45

// run probes all peers over one transport, from relays of one family.
func (b *probeBed) run(over string, family byte, peers []relaytest.Forbidden) relaytest.Tally {
	b.t.Helper()
	y := newTally()
	for some := range slices.Chunk(peers, probesOfOne) {
		c := b.client(over, family)
		for i, peer := range some {
			if err := y.Probe(c, peer, uint16(0x4000+i)); err != nil {
				b.t.Fatalf("%s: %v", over, err)
			}
		}
		b.look(c)
	}
	b.t.Logf("%s, relays of family %d: %d peers, %d tried, %d accepted; answers: %v", over, family, len(peers), y.Tried, y.Accepted, y.Codes)
	return y
}

func newTally() relaytest.Tally {
	return relaytest.Tally{Codes: map[string]int{}, Forms: map[string]int{}}
}

// Nobody reaches a special-purpose peer, whichever way it is written and asked
// for, over any transport: nothing is granted, and nothing leaves. That the
// canary hears what does leave is seen by a peer that may be reached, and that
// the probe can fail by stock pion, beside in the same network.
func TestForbiddenPeers(t *testing.T) {
	if !inNetwork(t, relaytest.Namespace{Own: everywhere, StockPion: true}) {
		return
	}
	peers := relaytest.ForbiddenPeers(netpolicy.SpecialPurpose())
	t.Run("turnpike", func(t *testing.T) { forbidsPeers(t, peers) })
	t.Run("stock pion", func(t *testing.T) { stockForbidsNothing(t, peers) })
}

func forbidsPeers(t *testing.T, peers []relaytest.Forbidden) {
	s, secret := startPublicRelay(t, publicRelays, "")
	users := &slowBed{t: t, s: s, secret: secret}
	b := newProbeBed(t, func(over string) *relaytest.Client { return openClient(t, over, publicTURN, users.user()) })
	tried, accepted := 0, 0
	for _, over := range []string{"udp", "tcp", "tls"} {
		for _, family := range []byte{1, 2} {
			y := b.run(over, family, peers)
			tried, accepted = tried+y.Tried, accepted+y.Accepted
			if y.Accepted > 0 {
				t.Errorf("%s: granted %v", over, y.Forms)
			}
			for answer := range y.Codes { // refused for what it is, not for want of something
				if answer != "error 403" && answer != "error 443" {
					t.Errorf("%s: some were answered %s", over, answer)
				}
			}
		}
	}
	t.Logf("%d tried, %d accepted; left to %d peers", tried, accepted, len(b.left))
	if len(b.left) > 0 {
		t.Errorf("left to %v", b.left)
	}
	if sent := toPeers(s.Metrics(t)); sent != 0 {
		t.Errorf("the server has counted %v datagrams to peers", sent)
	}
	b.checkCanary()
}

// toPeers is how many datagrams the server says it has sent to peers.
func toPeers(metrics map[string]float64) (n float64) {
	for _, over := range []string{"udp", "tcp", "tls"} {
		n += metrics[fmt.Sprintf(`turnpike_relay_packets_total{direction="to_peer",transport=%q}`, over)]
	}
	return n
}

// checkCanary has a client of each sort send to a public peer, in both ways:
// the canary must see just that.
func (b *probeBed) checkCanary() {
	b.t.Helper()
	for _, over := range []string{"udp", "tcp", "tls"} {
		for family, peer := range map[byte]netip.Addr{1: publicPeer, 2: publicRelay6.Next()} {
			clear(b.left)
			y := newTally()
			c := b.client(over, family)
			if err := y.Probe(c, relaytest.Forbidden{Peer: peer, Form: "itself"}, 0x4fff); err != nil {
				b.t.Fatal(err)
			}
			b.look(c)
			if heard := b.left[netip.AddrPortFrom(peer, relaytest.ProbePort)]; y.Accepted != 2 || heard != 2 || len(b.left) != 1 {
				b.t.Errorf("%s to %s: %d requests granted, %v seen; want 2 and 2", over, peer, y.Accepted, b.left)
			}
		}
	}
}

// stockForbidsNothing is the negative control. Stock pion relays from IPv4 only,
// and speaks no TLS.
func stockForbidsNothing(t *testing.T, peers []relaytest.Forbidden) {
	alice := relaytest.User{Name: "alice", Password: "wonderland"}
	stock := relaytest.StockPion(t, relaytest.StockOptions{
		Listen: publicPeer, Relay: publicPeer, Realm: "stock", Users: []relaytest.User{alice},
	})
	b := newProbeBed(t, func(over string) *relaytest.Client { return openClient(t, over, stock.Addr, alice) })
	for _, over := range []string{"udp", "tcp"} {
		y := b.run(over, 1, peers)
		t.Logf("%d tried, %d accepted: %v", y.Tried, y.Accepted, y.Forms)
		for _, form := range []string{"itself", "mapped", "NAT64", "6to4", "Teredo server", "ISATAP"} {
			if y.Forms[form] == 0 {
				t.Errorf("stock pion granted none of form %s", form)
			}
		}
	}
	t.Logf("left to %d peers", len(b.left))
	for _, reached := range []string{"127.0.0.0", "10.0.0.0", "169.254.169.254", "172.31.255.255", "100.64.0.0"} {
		if b.left[netip.AddrPortFrom(netip.MustParseAddr(reached), relaytest.ProbePort)] == 0 {
			t.Errorf("nothing left for %s: the canary or the probe does not see", reached)
		}
	}
}

package planetest

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"turnpike/relay/dataplane"
)

// half is one family of a client that has a flow of each.
type half struct {
	*judge
	relay       *dataplane.Relay
	flow        *dataplane.Flow
	peer, other *host // on the half's channel, and without one
}

// dual is a client with a flow of each family, first that of the bed, and the
// Pass of both: the judge of the peer's family decides.
type dual struct {
	b      *bed
	client dataplane.Client
	halves [2]half
}

func (d *dual) ToPeer(number uint16, peer netip.AddrPort, n int, now time.Time) (netip.AddrPort, dataplane.Verdict) {
	if number != 0 {
		return d.halves[number-channel].ToPeer(number, peer, n, now)
	}
	return d.of(peer).ToPeer(number, peer, n, now)
}

func (d *dual) ToClient(peer netip.AddrPort, n int, now time.Time) (uint16, dataplane.Verdict) {
	return d.of(peer).ToClient(peer, n, now)
}

func (d *dual) ICMP(peer netip.AddrPort, now time.Time) dataplane.Notice {
	return d.of(peer).ICMP(peer, now)
}

func (d *dual) of(peer netip.AddrPort) *half {
	if peer.Addr().Is4() == d.b.IP.Is4() {
		return &d.halves[0]
	}
	return &d.halves[1]
}

// dual gives a client two flows, and each of them peers.
func (b *bed) dual(c dataplane.Client) *dual {
	b.t.Helper()
	d := &dual{b: b, client: c}
	for i, n := range []Network{b.Network, b.Other.of(b.Plane)} {
		h := &d.halves[i]
		h.peer, h.other = newHost(b.t, n), newHost(b.t, n)
		h.judge = newJudge(channel+uint16(i), h.peer.addr, h.other.addr)
		h.relay = n.openRelay(b.t)
	}
	for i := range d.halves {
		d.install(i)
	}
	return d
}

func (d *dual) install(i int) {
	d.b.t.Helper()
	h := &d.halves[i]
	h.flow = &dataplane.Flow{Client: d.client, Relay: h.relay, Pass: d}
	if err := d.b.Plane.Install(h.flow); err != nil {
		d.b.t.Fatal(err)
	}
}

// dualUDP is a dual client over UDP, and its socket.
func (b *bed) dualUDP() (*dual, *host) {
	h := newHost(b.t, b.Network)
	return b.dual(dataplane.Client{Listener: b.id, Addr: h.addr}), h
}

// dualStream is one over TCP.
func (b *bed) dualStream() (*dual, *line) {
	l := newLine(b.t, b.Network, b.client.addr)
	return b.dual(l.client()), l
}

// counted checks what a half's flow has carried.
func (d *dual) counted(i int, toPeer, toClient, dropped uint64) {
	d.b.t.Helper()
	c := &d.halves[i].flow.Count
	if c.ToPeer.Packets() != toPeer || c.ToClient.Packets() != toClient || c.Dropped() != dropped {
		d.b.t.Errorf("half %d: %d to the peer, %d to the client, %d dropped; want %d, %d, %d",
			i, c.ToPeer.Packets(), c.ToClient.Packets(), c.Dropped(), toPeer, toClient, dropped)
	}
}

func carriesBothFamilies(t *testing.T, b *bed) {
	d, client := b.dualUDP()
	const rounds = 20
	for n := range rounds {
		for i := range d.halves {
			h := &d.halves[i]
			client.send(b.listener, channelData(channel+uint16(i), payload(n)))
			h.peer.expect(payload(n), h.relay.Bind)
			client.send(b.listener, sendIndication(h.other.addr, payload(n)))
			h.other.expect(payload(n), h.relay.Bind)
			h.peer.send(h.relay.Bind, payload(n))
			client.expect(channelData(channel+uint16(i), payload(n)), b.listener)
			h.other.send(h.relay.Bind, payload(n))
			b.expectData(client, h.other.addr, payload(n))
		}
	}
	for i := range d.halves {
		b.Plane.Remove(d.halves[i].relay)
		d.counted(i, 2*rounds, 2*rounds, 0)
		if n := d.halves[i].asked.Load(); n != 4*rounds {
			t.Errorf("half %d: asked %d times for %d datagrams", i, n, 4*rounds)
		}
	}
}

// carriesBothFamiliesOfStream delivers what came together for both families:
// each peer has its own, in order.
func carriesBothFamiliesOfStream(_ *testing.T, b *bed) {
	d, l := b.dualStream()
	var all [][]byte
	for n := range 40 {
		i := n / 3 % 2
		m := channelData(channel+uint16(i), payload(n))
		if n%5 == 0 {
			m = sendIndication(d.halves[i].other.addr, payload(n))
		}
		all = append(all, m)
	}
	l.deliverAll(all...)
	for n := range all {
		h := &d.halves[n/3%2]
		to := h.peer
		if n%5 == 0 {
			to = h.other
		}
		to.expect(payload(n), h.relay.Bind)
	}
	for i := range d.halves {
		h := &d.halves[i]
		h.peer.send(h.relay.Bind, []byte("back"))
		l.expect(channelData(channel+uint16(i), []byte("back")))
	}
	for i, n := range []uint64{21, 19} {
		b.Plane.Remove(d.halves[i].relay)
		d.counted(i, n, 1, 0)
	}
}

// endsHalf removes one flow of two, either one, and installs it again: the other
// is not disturbed, and the port is free at once.
func endsHalf(t *testing.T, b *bed) {
	udp, client := b.dualUDP()
	byUDP := func(m []byte) {
		client.send(b.listener, m)
		b.barrier(client)
	}
	tcp, l := b.dualStream()
	for _, c := range []struct {
		d    *dual
		send func([]byte)
	}{{udp, byUDP}, {tcp, func(m []byte) { l.deliver(m) }}} {
		for gone := range c.d.halves {
			h, stays := &c.d.halves[gone], &c.d.halves[1-gone]
			b.Plane.Remove(h.relay)
			before := b.Plane.Counters().Dropped(dataplane.NoFlow)
			c.send(channelData(channel+uint16(gone), []byte("x")))
			c.send(sendIndication(h.other.addr, []byte("x")))
			if n := b.Plane.Counters().Dropped(dataplane.NoFlow) - before; n != 2 {
				t.Errorf("%d counted as no_flow, want 2", n)
			}
			c.send(channelData(channel+uint16(1-gone), []byte("on")))
			stays.peer.expect([]byte("on"), stays.relay.Bind)
			r, err := b.Plane.OpenRelay(h.relay.Bind, h.relay.Public)
			if err != nil {
				t.Fatal(err)
			}
			h.relay = r
			c.d.install(gone)
			c.send(channelData(channel+uint16(gone), []byte("again")))
			h.peer.expect([]byte("again"), h.relay.Bind)
		}
	}
}

// handsOverFamilies relays between dual clients, over UDP and TCP, from each
// family to the same.
func handsOverFamilies(_ *testing.T, b *bed) {
	alice, client := b.dualUDP()
	bob, l := b.dualStream()
	for i := range alice.halves {
		alice.halves[i].set(bob.halves[i].relay.Public, bob.halves[i].relay.Bind)
		bob.halves[i].set(alice.halves[i].relay.Public, netip.AddrPort{})
	}
	for i := range alice.halves {
		number := channel + uint16(i)
		client.send(b.listener, channelData(number, []byte("to tcp")))
		l.expect(channelData(number, []byte("to tcp")))
		client.send(b.listener, sendIndication(bob.halves[i].relay.Bind, []byte("bind")))
		l.expect(channelData(number, []byte("bind")))
		l.deliver(channelData(number, []byte("to udp")))
		client.expect(channelData(number, []byte("to udp")), b.listener)
	}
	for i := range alice.halves {
		b.Plane.Remove(alice.halves[i].relay)
		b.Plane.Remove(bob.halves[i].relay)
		alice.counted(i, 2, 1, 0)
		bob.counted(i, 1, 2, 0)
	}
}

func refusesFamilyTwice(t *testing.T, b *bed) {
	d, _ := b.dualUDP()
	for _, n := range []Network{b.Network, b.Other.of(b.Plane)} {
		f := &dataplane.Flow{Client: d.client, Relay: n.openRelay(t), Pass: d}
		if err := b.Plane.Install(f); !errors.Is(err, dataplane.ErrClientInUse) {
			t.Errorf("a third flow of a client, on %s: %v", n.IP, err)
		}
		b.Plane.Remove(f.Relay)
	}
	for i := range d.halves {
		b.Plane.Remove(d.halves[i].relay)
	}
	b.dual(d.client)
}

// staysBesideChange sends by one flow while the other comes and goes: not one
// datagram is lost for it.
func staysBesideChange(t *testing.T, b *bed) {
	d, client := b.dualUDP()
	s, l := b.dualStream()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, d := range []*dual{d, s} {
		wg.Go(func() { d.comesAndGoes(stop) })
	}
	for n := range 300 {
		stays, goes := channelData(channel, payload(n)), channelData(channel+1, payload(n))
		client.send(b.listener, goes)
		client.send(b.listener, stays)
		d.halves[0].peer.expect(payload(n), d.halves[0].relay.Bind)
		l.deliverAll(goes)
		l.deliverAll(stays)
		s.halves[0].peer.expect(payload(n), s.halves[0].relay.Bind)
	}
	close(stop)
	wg.Wait()
	for _, d := range []*dual{d, s} {
		b.Plane.Remove(d.halves[0].relay)
		if c := &d.halves[0].flow.Count; c.ToPeer.Packets() != 300 {
			t.Errorf("%d sent, want 300", c.ToPeer.Packets())
		}
	}
}

// comesAndGoes removes the second flow and installs it, until stop.
func (d *dual) comesAndGoes(stop <-chan struct{}) {
	h := &d.halves[1]
	for {
		select {
		case <-stop:
			return
		default:
		}
		d.b.Plane.Remove(h.relay)
		r, err := d.b.Plane.OpenRelay(h.relay.Bind, h.relay.Public)
		if err == nil {
			h.relay, h.flow = r, &dataplane.Flow{Client: d.client, Relay: r, Pass: d}
			err = d.b.Plane.Install(h.flow)
		}
		if err != nil {
			d.b.t.Error(err)
			return
		}
	}
}

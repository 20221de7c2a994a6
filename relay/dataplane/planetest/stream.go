package planetest

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"

	"turnpike/relay/dataplane"
)

// line is a TCP client's connection as a plane sees it.
type line struct {
	t    testing.TB
	net  Network
	addr netip.AddrPort
	got  chan []byte
	buf  []byte

	mu     sync.Mutex // guards answer
	answer dataplane.Verdict
}

func newLine(t testing.TB, n Network, addr netip.AddrPort) *line {
	return &line{t: t, net: n, addr: addr, got: make(chan []byte, 16), buf: make([]byte, 65536)}
}

// Send implements dataplane.Stream.
func (l *line) Send(b []byte) dataplane.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer == dataplane.Allow {
		l.got <- bytes.Clone(b)
	}
	return l.answer
}

// Queue and Flush implement dataplane.Stream.
func (l *line) Queue(b []byte) dataplane.Verdict { return l.Send(b) }
func (l *line) Flush()                           {}

func (l *line) refuse(v dataplane.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = v
}

func (l *line) client() dataplane.Client { return dataplane.Client{Addr: l.addr, Stream: l} }

// deliver gives the plane a message.
func (l *line) deliver(m []byte) dataplane.Kind {
	copy(l.buf[dataplane.Headroom:], m)
	return l.net.Plane.Deliver(l.client(), l.buf, len(m))
}

func (l *line) expect(want []byte) {
	l.t.Helper()
	select {
	case b := <-l.got:
		if !bytes.Equal(b, want) {
			l.t.Fatalf("got %.64x, want %.64x", b, want)
		}
	case <-time.After(patience):
		l.t.Fatal("nothing came")
	}
}

// stream opens a TCP client's allocation, whose source address is that of the
// UDP client: they are two five-tuples.
func (b *bed) stream() (*line, *dataplane.Relay, *judge, *dataplane.Flow) {
	l, r, j := newLine(b.t, b.Network, b.client.addr), b.openRelay(), newJudge(channel, b.peer.addr, b.other.addr)
	f := &dataplane.Flow{Client: l.client(), Relay: r, Pass: j, Class: 2}
	if err := b.Plane.Install(f); err != nil {
		b.t.Fatal(err)
	}
	return l, r, j, f
}

func carriesStream(t *testing.T, b *bed) {
	l, relay, _, flow := b.stream()
	for _, n := range []int{0, 1, 2, 3, 4, 160, 1200, b.Plane.Caps().MaxPayload} {
		if l.deliver(channelData(channel, payload(n))) != dataplane.ToPeer || l.deliver(sendIndication(b.other.addr, payload(n))) != dataplane.ToPeer {
			t.Fatalf("%d bytes of data were handed up", n)
		}
		b.peer.expect(payload(n), relay.Bind)
		b.other.expect(payload(n), relay.Bind)
		b.peer.send(relay.Bind, payload(n))
		l.expect(channelData(channel, payload(n)))
	}
	b.client.send(b.listener, channelData(channel, []byte("udp")))
	b.peer.expect([]byte("udp"), b.relay.Bind)
	control := b.Plane.Counters().Control.Packets()
	for _, m := range []string{"\x00\x01\x00\x00 a request", "\x00"} {
		if l.deliver([]byte(m)) != dataplane.HandUp || string(l.buf[dataplane.Headroom:dataplane.Headroom+len(m)]) != m {
			t.Errorf("%q was not handed up as it is", m)
		}
	}
	if now := b.Plane.Counters().Control.Packets(); now != control+2 {
		t.Errorf("%d counted as control, want 2", now-control)
	}
	b.Plane.Send(l.client(), []byte("late"))
	l.expect([]byte("late"))
	b.Plane.Remove(relay)
	b.Plane.Remove(b.relay) // what its flow carried is counted now
	all := b.Plane.Counters()
	if up, down := &all.ToPeer[2], &all.ToClient[2]; up.Packets() != 16 || down.Packets() != 8 ||
		up.Bytes() != flow.Count.ToPeer.Bytes() || down.Bytes() != flow.Count.ToClient.Bytes() || all.ToPeer.Packets() != 17 {
		t.Errorf("the flow's class counts %d and %d packets, want 16 and 8", up.Packets(), down.Packets())
	}
	if flow.Count.ToPeer.Packets() != 16 || flow.Count.ToClient.Packets() != 8 || flow.Count.Dropped() != 0 {
		t.Errorf("to peer %d, to client %d, dropped %d; want 16, 8, 0",
			flow.Count.ToPeer.Packets(), flow.Count.ToClient.Packets(), flow.Count.Dropped())
	}
	if l.deliver(channelData(channel, []byte("x"))) != dataplane.Stop || b.Plane.Counters().Dropped(dataplane.NoFlow) != 1 {
		t.Error("data of a removed flow was not dropped")
	}
	l.refuse(dataplane.Ended)
	b.Plane.Send(l.client(), []byte("nobody"))
	if n := b.Plane.Counters().Dropped(dataplane.Ended); n != 1 {
		t.Errorf("an answer to a closed connection counted %d times as ended, want 1", n)
	}
}

// handsOverStream relays between a TCP client and a UDP client of this server,
// and counts what a connection does not take.
func handsOverStream(t *testing.T, b *bed) {
	l, relay, judge, flow := b.stream()
	judge.set(b.relay.Public, netip.AddrPort{})
	b.judge.set(relay.Public, netip.AddrPort{})
	l.deliver(channelData(channel, []byte("to udp")))
	b.client.expect(channelData(channel, []byte("to udp")), b.listener)
	b.client.send(b.listener, channelData(channel, []byte("to tcp")))
	l.expect(channelData(channel, []byte("to tcp")))

	l.refuse(dataplane.QueueFull)
	b.client.send(b.listener, channelData(channel, []byte("lost")))
	b.barrier(b.client)
	if n := b.Plane.Counters().Dropped(dataplane.QueueFull); n != 1 || flow.Count.Dropped() != 1 || flow.Count.ToClient.Packets() != 1 {
		t.Errorf("a full connection: %d counted in all, %d of the flow dropped, %d sent; want 1 each",
			n, flow.Count.Dropped(), flow.Count.ToClient.Packets())
	}
	l.refuse(dataplane.Allow)

	// Where UDP forgery would end, a TCP client's address may be a relay's.
	own := newLine(t, b.Network, b.relay.Public)
	b.Plane.Remove(relay)
	r := b.openRelay()
	if err := b.Plane.Install(&dataplane.Flow{Client: own.client(), Relay: r, Pass: newJudge(channel, b.peer.addr, b.other.addr)}); err != nil {
		t.Fatal(err)
	}
	own.deliver(channelData(channel, []byte("own")))
	b.peer.expect([]byte("own"), r.Bind)
}

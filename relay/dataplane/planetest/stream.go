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

	mu     sync.Mutex // guards the following fields
	answer dataplane.Verdict
	queued [][]byte
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

// Queue implements dataplane.Stream. What nobody flushes never comes.
func (l *line) Queue(b []byte) dataplane.Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.answer == dataplane.Allow {
		l.queued = append(l.queued, bytes.Clone(b))
	}
	return l.answer
}

// Flush implements dataplane.Stream.
func (l *line) Flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.queued {
		l.got <- b
	}
	l.queued = nil
}

func (l *line) refuse(v dataplane.Verdict) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = v
}

func (l *line) client() dataplane.Client { return dataplane.Client{Addr: l.addr, Stream: l} }

// deliver gives the plane a message.
func (l *line) deliver(m []byte) dataplane.Kind {
	_, kind := l.deliverSome(m)
	return kind
}

// deliverSome gives the plane messages as they are in a stream, and returns how
// many it took.
func (l *line) deliverSome(ms ...[]byte) (int, dataplane.Kind) {
	messages, at := make([]dataplane.Span, len(ms)), dataplane.Headroom
	for i, m := range ms {
		messages[i] = dataplane.Span{From: int32(at), To: int32(at + copy(l.buf[at:], m))}
		at += (len(m) + 3) &^ 3
	}
	return l.net.Plane.Deliver(l.client(), l.buf[:at:at], messages)
}

// deliverAll gives the plane all messages, in as many calls as it wants.
func (l *line) deliverAll(ms ...[]byte) {
	l.t.Helper()
	for len(ms) > 0 {
		n, _ := l.deliverSome(ms...)
		if n < 1 || n > len(ms) {
			l.t.Fatalf("the plane took %d messages of %d", n, len(ms))
		}
		ms = ms[n:]
	}
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

// carriesManyOfStream delivers what came together: all of it goes out in order,
// for several peers, and into another stream.
func carriesManyOfStream(t *testing.T, b *bed) {
	l, relay, judge, flow := b.stream()
	const rounds, each = 3, 50
	packets, sum := uint64(0), uint64(0)
	for range rounds {
		var all [][]byte
		for i := range each { // as a video has them, and what is no run
			all = append(all, payload([]int{300, 300, 300, 41, 300, 0, 301, 300}[i%8]))
			if len(all[i]) > 0 {
				all[i][0] = byte(i)
			}
		}
		ms := make([][]byte, each)
		for i, m := range all {
			if ms[i] = channelData(channel, m); i%16 == 7 {
				ms[i] = sendIndication(b.other.addr, m)
			}
		}
		l.deliverAll(ms...)
		for i, m := range all {
			to := b.peer
			if i%16 == 7 {
				to = b.other
			}
			to.expect(m, relay.Bind)
			packets, sum = packets+1, sum+uint64(len(m))
		}
	}

	far := newLine(t, b.Network, b.client.addr)
	farRelay := b.openRelay()
	if err := b.Plane.Install(&dataplane.Flow{Client: far.client(), Relay: farRelay, Pass: newJudge(channel, relay.Public, b.other.addr)}); err != nil {
		t.Fatal(err)
	}
	judge.set(farRelay.Public, b.other.addr)
	l.deliverAll(channelData(channel, []byte("a")), sendIndication(b.other.addr, []byte("b")), channelData(channel, []byte("c")))
	far.expect(channelData(channel, []byte("a")))
	far.expect(channelData(channel, []byte("c")))
	b.other.expect([]byte("b"), relay.Bind)
	far.refuse(dataplane.QueueFull)
	l.deliverAll(channelData(channel, []byte("d")), channelData(channel, []byte("e")))
	if n := b.Plane.Counters().Dropped(dataplane.QueueFull); n != 2 {
		t.Errorf("%d counted as dropped by a full connection, want 2", n)
	}

	b.Plane.Remove(relay)
	if up := &flow.Count.ToPeer; up.Packets() != packets+5 || up.Bytes() != sum+5 {
		t.Errorf("%d packets of %d bytes counted, want %d of %d", up.Packets(), up.Bytes(), packets+5, sum+5)
	}
	if n := b.Plane.Counters().ToPeer[2].Packets(); n != packets+5 {
		t.Errorf("%d counted for the class, want %d", n, packets+5)
	}
}

// stopsInStream delivers what came together with something in it that is not
// data to relay: the plane goes so far and no further, what came before it has
// been sent, and the flow may be removed.
func stopsInStream(t *testing.T, b *bed) {
	l, relay, _, _ := b.stream()
	good := channelData(channel, []byte("ab"))
	for _, stop := range []struct {
		m    []byte
		kind dataplane.Kind
	}{
		{channelData(channel+1, []byte("no")), dataplane.Stop},
		{[]byte("\x00\x01\x00\x00 a request.."), dataplane.HandUp},
		{[]byte("\x40"), dataplane.Stop},
	} {
		given := [][]byte{good, good, stop.m, good}
		taken, kind := 0, dataplane.ToPeer
		for kind == dataplane.ToPeer && taken < len(given) {
			n := 0
			n, kind = l.deliverSome(given[taken:]...)
			taken += n
		}
		if taken != 3 || kind != stop.kind {
			t.Errorf("%q behind data: %d taken, %v; want 3, %v", stop.m, taken, kind, stop.kind)
		}
		b.peer.expect([]byte("ab"), relay.Bind)
		b.peer.expect([]byte("ab"), relay.Bind)
	}
	// As the answer to the request may do.
	b.Plane.Remove(relay)
	if n, kind := l.deliverSome(good, good); n != 1 || kind != dataplane.Stop {
		t.Errorf("of a removed flow %d taken, %v", n, kind)
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

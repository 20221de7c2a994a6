package mmsg

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

// open lets everything pass between channel 0x4000 and a peer, and without a
// channel any other. While shut is set the worker waits in it.
type open4000 struct {
	peer netip.AddrPort
	shut atomic.Pointer[chan struct{}]
	held chan struct{}

	mu  sync.Mutex // guards saw
	saw []int      // the payload of each datagram, in bytes
}

func (o *open4000) wait(n int) {
	o.mu.Lock()
	o.saw = append(o.saw, n)
	o.mu.Unlock()
	if c := o.shut.Swap(nil); c != nil {
		o.held <- struct{}{}
		<-*c
	}
}

func (o *open4000) ToPeer(channel uint16, peer netip.AddrPort, n int, _ time.Time) (netip.AddrPort, dataplane.Verdict) {
	o.wait(n)
	if channel != 0 {
		peer = o.peer
	}
	return peer, dataplane.Allow
}

func (o *open4000) ICMP(peer netip.AddrPort, _ time.Time) dataplane.Notice {
	o.wait(-1)
	if peer.Addr() != o.peer.Addr() {
		return dataplane.NoticeNoPermission
	}
	return dataplane.NoticeSent
}

func (o *open4000) ToClient(peer netip.AddrPort, n int, _ time.Time) (uint16, dataplane.Verdict) {
	o.wait(n)
	if peer == o.peer {
		return 0x4000, dataplane.Allow
	}
	return 0, dataplane.Allow
}

// holdUp makes the worker wait at the next datagram, and returns how it goes on.
func (o *open4000) holdUp() (wait, goOn func()) {
	gate := make(chan struct{})
	o.held = make(chan struct{})
	o.shut.Store(&gate)
	return func() { <-o.held }, func() { close(gate) }
}

// end is a socket of another host.
type end struct {
	t    testing.TB
	fd   int
	at   netip.AddrPort
	in   *udpio.In
	left [][]byte // received, by datagram
	runs int      // messages with several datagrams
	from netip.AddrPort
}

func newEnd(t testing.TB, ip netip.Addr) *end {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(4 << 20)
	file, err := conn.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); file.Close() })
	e := &end{t: t, fd: int(file.Fd()), at: conn.LocalAddr().(*net.UDPAddr).AddrPort(), in: udpio.NewIn(8, udpio.MaxMessage, udpio.InOptions{})}
	e.at = netip.AddrPortFrom(e.at.Addr().Unmap(), e.at.Port())
	if err := udpio.EnableGRO(e.fd); err != nil {
		t.Fatal(err)
	}
	return e
}

// send sends datagrams, those of one size in a row as one message if runs.
func (e *end) send(to netip.AddrPort, all [][]byte, runs bool) {
	out := udpio.NewOut(1, udpio.MaxSegments)
	for len(all) > 0 {
		n := 1
		for runs && n < min(len(all), udpio.MaxSegments) && len(all[n]) == len(all[0]) && len(all[0]) > 0 && (n+1)*len(all[0]) < udpio.MaxMessage {
			n++
		}
		out.Reset()
		out.Start(to)
		for _, b := range all[:n] {
			out.Part(b)
		}
		if n > 1 {
			out.Segment(len(all[0]))
		}
		if _, err := out.Send(e.fd, 0, 1); err != nil {
			e.t.Fatal(err)
		}
		all = all[n:]
	}
}

// next is the next datagram that came.
func (e *end) next() []byte {
	e.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(e.left) == 0; {
		n, _ := e.in.Recv(e.fd, 8)
		if n == 0 && time.Now().After(deadline) {
			e.t.Fatal("nothing came")
		}
		for i := range n {
			b, size := bytes.Clone(e.in.Bytes(i)), e.in.Segment(i)
			e.from = e.in.Addr(i)
			for size > 0 && len(b) > size {
				e.left, b = append(e.left, b[:size]), b[size:]
			}
			e.left = append(e.left, b)
			if size > 0 {
				e.runs++
			}
		}
	}
	b := e.left[0]
	e.left = e.left[1:]
	return b
}

// line is a plane with one worker, a client, its flow and a peer.
type line struct {
	plane        *Plane
	listener     netip.AddrPort
	client, peer *end
	relay        *dataplane.Relay
	flow         *dataplane.Flow
	pass         *open4000
}

func newLine(t testing.TB, ip netip.Addr, o Options) *line {
	o.Workers = 1
	l := &line{plane: newPlane(t, o), client: newEnd(t, ip), peer: newEnd(t, ip)}
	var err error
	var id dataplane.ListenerID
	id, l.listener, err = l.plane.Listen(netip.AddrPortFrom(ip, 0), func(_ dataplane.Client, b []byte, _ time.Time, out []byte) []byte { return append(out, b...) })
	if err != nil {
		t.Fatal(err)
	}
	for l.relay == nil {
		probe := newEnd(t, ip).at // taken, but its successor may be free
		l.relay, err = l.plane.OpenRelay(netip.AddrPortFrom(ip, probe.Port()+1), netip.AddrPortFrom(ip, probe.Port()+1))
		if err != nil && err != dataplane.ErrPortInUse {
			t.Fatal(err)
		}
	}
	l.pass = &open4000{peer: l.peer.at}
	l.flow = &dataplane.Flow{Client: dataplane.Client{Listener: id, Addr: l.client.at}, Relay: l.relay, Pass: l.pass}
	if err := l.plane.Install(l.flow); err != nil {
		t.Fatal(err)
	}
	return l
}

// payloads are runs of one size with others in between, each with its number.
func payloads() (all [][]byte) {
	for i := range 150 {
		n := 160
		switch {
		case i%40 == 39:
			n = 0
		case i%23 == 22:
			n = 80 + i%3
		case i > 100:
			n = 1200
		}
		b := bytes.Repeat([]byte{byte(i)}, n)
		all = append(all, b)
	}
	return all
}

func framed(channel uint16, all [][]byte) (out [][]byte) {
	for _, b := range all {
		head := make([]byte, 4)
		dataplane.PutChannelHeader(head, len(b), channel)
		out = append(out, append(head, b...))
	}
	return out
}

// Whatever runs datagrams come and go in, each arrives whole and in order, and is
// judged and counted once.
func TestRunsArrive(t *testing.T) {
	for name, o := range map[string]Options{"all": {}, "no GSO": {NoGSO: true}, "no GRO": {NoGRO: true}, "coalescing": {Coalesce: MaxCoalesce}} {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			for _, runs := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %s runs=%t", name, ip, runs), func(t *testing.T) { runsArrive(t, newLine(t, netip.MustParseAddr(ip), o), runs) })
			}
		}
	}
}

func runsArrive(t *testing.T, l *line, runs bool) {
	all := payloads()
	packets, total := 0, 0
	for _, way := range []struct {
		from, to *end
		at       netip.AddrPort
		send     [][]byte
		want     [][]byte
		source   netip.AddrPort
	}{
		{l.client, l.peer, l.listener, framed(0x4000, all), all, l.relay.Bind},
		{l.peer, l.client, l.relay.Bind, all, framed(0x4000, all), l.listener},
	} {
		wait, goOn := l.pass.holdUp()
		way.from.send(way.at, way.send[:1], false)
		wait() // and all the others find the worker busy
		way.from.send(way.at, way.send[1:], runs)
		goOn()
		way.to.runs = 0
		for i, want := range way.want {
			if got := way.to.next(); !bytes.Equal(got, want) || way.to.from != way.source {
				t.Fatalf("datagram %d is %.8x of %d bytes from %s, want %.8x of %d from %s", i, got, len(got), way.to.from, want, len(want), way.source)
			}
		}
		if segmented := way.to.runs > 0; segmented != l.plane.gso.Load() {
			t.Errorf("%d messages of several datagrams came, segmentation is %t", way.to.runs, l.plane.gso.Load())
		}
	}
	for _, b := range all {
		packets, total = packets+1, total+len(b)
	}
	l.plane.Remove(l.relay)
	l.pass.mu.Lock()
	defer l.pass.mu.Unlock()
	asked := len(l.pass.saw)
	up, down := &l.flow.Count.ToPeer, &l.flow.Count.ToClient
	if asked != 2*packets || int(up.Packets()) != packets || int(up.Bytes()) != total || int(down.Packets()) != packets || int(down.Bytes()) != total {
		t.Errorf("asked %d times; up %d of %d bytes, down %d of %d; want %d of %d each",
			asked, up.Packets(), up.Bytes(), down.Packets(), down.Bytes(), packets, total)
	}
}

// Data indications come in runs as well.
func TestRunsOfIndications(t *testing.T) {
	l := newLine(t, netip.MustParseAddr("127.0.0.1"), Options{})
	other := newEnd(t, netip.MustParseAddr("127.0.0.1"))
	all := payloads()
	wait, goOn := l.pass.holdUp()
	other.send(l.relay.Bind, all[:1], false)
	wait()
	other.send(l.relay.Bind, all[1:], true)
	goOn()
	for i, want := range all {
		got := l.client.next()
		pad := -len(want) & 3
		if len(got) != 36+len(want)+pad || !bytes.Equal(got[36:36+len(want)], want) || !bytes.Equal(got[36+len(want):], make([]byte, pad)) || got[1] != 0x17 {
			t.Fatalf("datagram %d is %x", i, got)
		}
		if d := int(got[34])<<8 | int(got[35]); d != len(want) {
			t.Fatalf("DATA of datagram %d has %d bytes, want %d", i, d, len(want))
		}
	}
	if l.client.runs == 0 {
		t.Error("no message of several datagrams came")
	}
}

// A flood on one relay socket gives way to others after its share.
func TestFloodGivesWay(t *testing.T) {
	l := newLine(t, netip.MustParseAddr("127.0.0.1"), Options{NoGRO: true})
	quiet, err := openAny(l.plane)
	if err != nil {
		t.Fatal(err)
	}
	client2 := newEnd(t, netip.MustParseAddr("127.0.0.1"))
	if err := l.plane.Install(&dataplane.Flow{Client: dataplane.Client{Addr: client2.at}, Relay: quiet, Pass: l.pass}); err != nil {
		t.Fatal(err)
	}
	wait, goOn := l.pass.holdUp()
	flood := make([][]byte, 200)
	for i := range flood {
		flood[i] = []byte("flood")
	}
	l.peer.send(l.relay.Bind, flood[:1], false)
	wait()
	l.peer.send(l.relay.Bind, flood[1:], false)
	l.peer.send(quiet.Bind, [][]byte{[]byte("q")}, false)
	goOn()
	client2.next()
	for range flood {
		l.client.next()
	}
	l.plane.Remove(l.relay)
	l.plane.Remove(quiet)
	l.pass.mu.Lock()
	defer l.pass.mu.Unlock()
	for i, n := range l.pass.saw {
		if n == 1 {
			if i > 1+2*relayBatch {
				t.Errorf("%d datagrams of the flood were judged before the other's", i)
			}
			return
		}
	}
	t.Error("the other's datagram was not judged")
}

// What the kernel drops of a flood is counted when the relay is closed.
func TestOverflowIsCounted(t *testing.T) {
	l := newLine(t, netip.MustParseAddr("127.0.0.1"), Options{RelayBuffer: 4096, SocketBuffer: 4096})
	wait, goOn := l.pass.holdUp()
	l.peer.send(l.relay.Bind, [][]byte{{1}}, false)
	wait()
	many := make([][]byte, 100)
	for i := range many {
		many[i] = make([]byte, 1000)
	}
	l.peer.send(l.relay.Bind, many, false)
	l.client.send(l.listener, many, false)
	lost := overflowed(l.relay.Socket.(*socket).fd)
	goOn()
	for range 101 - lost {
		l.client.next()
	}
	if st := l.plane.Listeners()[0]; st.Overflowed == 0 || st.Wanted != 4096 || st.ReceiveBuffer < 4096 || st.SendBuffer < 4096 || st.Addr != l.listener {
		t.Errorf("the listener tells %+v", st)
	}
	l.plane.Remove(l.relay)
	c := l.plane.Counters()
	if n := c.Dropped(dataplane.ReceiveFull); lost == 0 || n != lost || l.flow.Count.Dropped() != lost || l.flow.Count.ToClient.Packets()+lost != 101 {
		t.Errorf("%d of 101 reached the client, the kernel dropped %d; counted are %d, of the flow %d", l.flow.Count.ToClient.Packets(), lost, n, l.flow.Count.Dropped())
	}
}

// A path with a small MTU takes everything: in fragments, and never as a segment.
func TestSmallMTU(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{SmallMTU: 1280}) {
		return
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		for _, n := range []int{1000, 1270, 4000} {
			l := newLine(t, netip.MustParseAddr(ip), Options{})
			all := make([][]byte, 40)
			for i := range all {
				all[i] = bytes.Repeat([]byte{byte(i)}, n)
			}
			wait, goOn := l.pass.holdUp()
			l.client.send(l.listener, framed(0x4000, all[:1]), false)
			wait()
			l.client.send(l.listener, framed(0x4000, all[1:]), false)
			goOn()
			for i, want := range all {
				if got := l.peer.next(); !bytes.Equal(got, want) {
					t.Fatalf("%s, %d bytes: datagram %d is %.8x of %d bytes", ip, n, i, got, len(got))
				}
			}
			if runs := l.peer.runs > 0; runs != (n == 1000) {
				t.Errorf("%s, %d bytes: %d messages of several datagrams", ip, n, l.peer.runs)
			}
			if d := l.flow.Count.Dropped(); d != 0 {
				t.Errorf("%s, %d bytes: %d dropped", ip, n, d)
			}
			l.plane.Close()
		}
	}
}

package mmsg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

// heard is a Data indication about an ICMP error.
type heard struct {
	peer       netip.AddrPort
	kind, code uint8
	mtu        uint32
}

// hear reads one, byte for byte as RFC 8656 §11.5 and §18.13 have it.
func hear(t testing.TB, m []byte) (h heard) {
	t.Helper()
	size, family := 8, byte(1)
	if len(m) == 56 {
		size, family = 20, 2
	}
	if len(m) != 24+size+12 || binary.BigEndian.Uint16(m) != 0x0017 || int(binary.BigEndian.Uint16(m[2:])) != len(m)-20 ||
		!bytes.Equal(m[4:8], []byte{0x21, 0x12, 0xa4, 0x42}) || !bytes.Equal(m[20:26], []byte{0, 0x12, 0, byte(size), 0, family}) ||
		!bytes.Equal(m[24+size:24+size+6], []byte{0x80, 0x04, 0, 8, 0, 0}) {
		t.Fatalf("%x is no notice of an ICMP error", m)
	}
	ip := bytes.Clone(m[28 : 24+size])
	for i := range ip {
		ip[i] ^= m[4+i]
	}
	addr, _ := netip.AddrFromSlice(ip)
	word := binary.BigEndian.Uint16(m[24+size+6:])
	return heard{
		netip.AddrPortFrom(addr, binary.BigEndian.Uint16(m[26:])^0x2112),
		uint8(word >> 9), uint8(word & 0x1ff), binary.BigEndian.Uint32(m[24+size+8:]),
	}
}

// closedPort is one that nobody listens on.
func closedPort(t testing.TB, ip netip.Addr) netip.AddrPort {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return netip.AddrPortFrom(ip, conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
}

// until waits for what a worker does by itself.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (l *line) notices(n dataplane.Notice) uint64 { return l.plane.Counters().Notices(n) }

// A closed port of a peer is told of, over UDP and over a stream.
func TestPortUnreachable(t *testing.T) {
	for ip, want := range map[string]heard{"127.0.0.1": {kind: 3, code: 3}, "::1": {kind: 1, code: 4}} {
		l := newLine(t, netip.MustParseAddr(ip), Options{})
		want.peer = closedPort(t, l.peer.at.Addr())
		l.client.send(l.listener, [][]byte{sendWith(want.peer, []byte("anyone?"), false)}, false)
		if got := hear(t, l.client.next()); got != want {
			t.Errorf("the client hears %+v, want %+v", got, want)
		}
		if n := l.flow.Count.ToClient.Packets(); n != 0 {
			t.Errorf("%d datagrams counted", n)
		}

		inbox := make(mailbox, 1)
		l.overStream(inbox)(sendWith(want.peer, []byte("anyone?"), false))
		if got := hear(t, <-inbox); got != want {
			t.Errorf("over a stream it hears %+v, want %+v", got, want)
		}
		until(t, "both to be counted", func() bool { return l.notices(dataplane.NoticeSent) == 2 })
		l.plane.Close()
	}
}

// mailbox is a client over a stream.
type mailbox chan []byte

func (m mailbox) Send(b []byte) dataplane.Verdict { return m.Queue(b) }
func (m mailbox) Queue(b []byte) dataplane.Verdict {
	select {
	case m <- bytes.Clone(b):
		return dataplane.Allow
	default:
		return dataplane.QueueFull
	}
}
func (m mailbox) Flush() {}

// Without a permission nothing is told; nor where the operator does not want it,
// or the client's connection has no room.
func TestErrorsNotTold(t *testing.T) {
	l := newLine(t, netip.MustParseAddr("127.0.0.1"), Options{})
	l.client.send(l.listener, [][]byte{sendWith(closedPort(t, netip.MustParseAddr("127.0.0.2")), nil, false)}, false)
	until(t, "the error", func() bool { return l.notices(dataplane.NoticeNoPermission) == 1 })
	l.settle() // nothing came before the mark

	send := l.overStream(make(mailbox))
	send(sendWith(closedPort(t, l.peer.at.Addr()), nil, false))
	until(t, "the error", func() bool { return l.notices(dataplane.NoticeUnsent) == 1 })

	off := newLine(t, netip.MustParseAddr("127.0.0.1"), Options{NoICMP: true})
	off.client.send(off.listener, [][]byte{sendWith(closedPort(t, off.peer.at.Addr()), nil, false)}, false)
	off.settle()
	if err, errno := unix.GetsockoptInt(off.relay.Socket.(*socket).fd, unix.SOL_SOCKET, unix.SO_ERROR); err != 0 || errno != nil {
		t.Errorf("the kernel keeps error %d, %v", err, errno)
	}
}

// Clients hear of the types that RFC 8656 §11.5 names and of no other, with the
// MTU where the datagram was too large (§18.13).
func TestErrorTypes(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	for ip, kinds := range map[string][][3]int{ // type, code, told
		"127.0.0.1": {{3, 0, 1}, {3, 1, 1}, {3, 2, 1}, {3, 3, 1}, {3, 4, 1}, {3, 13, 1}, {11, 0, 1}, {12, 0, 0}},
		"::1":       {{1, 0, 1}, {1, 1, 1}, {1, 4, 1}, {2, 0, 1}, {3, 0, 1}, {3, 1, 1}, {4, 0, 0}, {4, 1, 0}},
	} {
		l := newLine(t, netip.MustParseAddr(ip), Options{})
		f := newForger(t, l.peer.at.Addr())
		others := uint64(0)
		for _, k := range kinds {
			want := heard{peer: l.peer.at, kind: uint8(k[0]), code: uint8(k[1])}
			f.send(want.kind, want.code, 1400, l.relay.Bind, want.peer)
			if k[2] == 0 {
				others++
				until(t, fmt.Sprint(k), func() bool { return l.notices(dataplane.NoticeType) == others })
				l.settle()
				continue
			}
			if l.peer.at.Addr().Is4() && k[0] == 3 && k[1] == 4 || l.peer.at.Addr().Is6() && k[0] == 2 {
				want.mtu = 1400
			}
			if got := hear(t, l.client.next()); got != want {
				t.Errorf("%s: the client hears %+v, want %+v", ip, got, want)
			}
		}
		l.plane.Close()
	}
}

// After a router has said what it takes, what is larger goes in fragments, and
// none of it is lost; what is to stay whole is dropped.
func TestFragmentsAfterICMP(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	const datagrams = 40
	for ip, kind := range map[string][2]uint8{"127.0.0.1": {3, 4}, "::1": {2, 0}} {
		for _, o := range []Options{{}, {NoGSO: true}} {
			o.Now = func() time.Time { return time.Unix(0, 0) }
			l := newLine(t, netip.MustParseAddr(ip), o)
			wire := newTap(t)
			newForger(t, l.peer.at.Addr()).send(kind[0], kind[1], 1300, l.relay.Bind, l.peer.at)
			if got := hear(t, l.client.next()); got.mtu != 1300 {
				t.Errorf("%s: the client hears %+v", ip, got)
			}
			wait, goOn := l.pass.holdUp()
			for i := range 2*datagrams - 1 {
				l.client.send(l.listener, [][]byte{sendWith(l.peer.at, bytes.Repeat([]byte{byte(i)}, 1400), i%2 == 1)}, false)
				if i == 0 {
					wait() // and the others find the worker busy
				}
			}
			goOn()
			l.settle()
			for i := range datagrams {
				if b := l.peer.next(); len(b) != 1400 || b[0] != byte(2*i) {
					t.Fatalf("%s: datagram %d has %d bytes and begins with %d", ip, i, len(b), b[0])
				}
			}
			dropped := l.plane.Counters().Dropped(dataplane.Oversize)
			if got := wire.seen(l.relay.Bind.Port()); got.whole != 0 || got.fragments != 2*datagrams || got.largest > 1300 || dropped != datagrams-1 {
				t.Errorf("%s: %+v left, %d dropped", ip, got, dropped)
			}
			if n := l.notices(dataplane.NoticeFlood); n != 0 {
				t.Errorf("%s: what did not fit was taken for %d floods", ip, n)
			}
			l.plane.Close()
		}
	}
}

// everLater is a clock by which nothing is a flood.
func everLater() func() time.Time {
	var calls atomic.Int64
	return func() time.Time { return time.Unix(calls.Add(1), 0) }
}

// Errors that come between and amid calls cost no datagram, either way.
func TestErrorsLoseNothing(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		l := newLine(t, netip.MustParseAddr(ip), Options{Now: everLater()})
		f := newForger(t, l.peer.at.Addr())
		const rounds = 1000
		for i := range rounds {
			b := binary.BigEndian.AppendUint32(nil, uint32(i))
			for range errorBatch / 4 { // no more than a turn takes
				f.unreachable(l.relay.Bind)
			}
			l.client.send(l.listener, framed(0x4000, [][]byte{b, b}), false)
			f.unreachable(l.relay.Bind)
			l.peer.send(l.relay.Bind, [][]byte{b, b}, false)
			f.unreachable(l.relay.Bind)
			for range 2 {
				if got := l.peer.next(); !bytes.Equal(got, b) {
					t.Fatalf("%s: datagram %d came as %x", ip, i, got)
				}
				if got := l.client.next(); !bytes.Equal(got[4:], b) {
					t.Fatalf("%s: datagram %d came back as %x", ip, i, got)
				}
			}
		}
		const forged = rounds * (errorBatch/4 + 2)
		until(t, "the last error", func() bool { return l.notices(dataplane.NoticeNoPermission) == forged })
		if d := l.flow.Count.Dropped(); d != 0 || l.flow.Count.ToPeer.Packets() != 2*rounds || l.flow.Count.ToClient.Packets() != 2*rounds {
			t.Errorf("%s: %d dropped", ip, d)
		}
		l.plane.Close()
	}
}

// Errors of one relay socket give way to others after their share, and a flood of
// them is not read to its end: for a second the kernel is not asked for more.
func TestErrorsGiveWay(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		var clock atomic.Int64
		l := newLine(t, netip.MustParseAddr(ip), Options{Now: func() time.Time { return time.Unix(0, clock.Load()) }})
		other := newLineOn(t, l)
		f := newForger(t, l.peer.at.Addr())
		wait, goOn := l.pass.holdUp()
		f.unreachable(l.relay.Bind)
		wait()
		for range 10 * errorBatch {
			f.unreachable(l.relay.Bind)
		}
		l.peer.send(other.relay.Bind, [][]byte{[]byte("q")}, false)
		goOn()
		other.client.next()
		until(t, "the end of the flood", func() bool { return l.notices(dataplane.NoticeFlood) == 1 })
		l.settle()
		judged := l.notices(dataplane.NoticeNoPermission)
		if judged > maxErrors+errorBatch {
			t.Errorf("%s: %d errors were judged", ip, judged)
		}
		l.pass.mu.Lock()
		if i := slices.Index(l.pass.saw, 1); i < 0 || i > 1+2*errorBatch {
			t.Errorf("%s: the other's datagram was judged after %d errors", ip, i)
		}
		l.pass.mu.Unlock()

		gone := closedPort(t, l.peer.at.Addr())
		l.client.send(l.listener, [][]byte{sendWith(gone, nil, false)}, false)
		l.settle() // and nothing was heard before the mark
		clock.Add(int64(errorWindow))
		l.settle()
		l.client.send(l.listener, [][]byte{sendWith(gone, nil, false)}, false)
		if got := hear(t, l.client.next()); got.peer != gone {
			t.Errorf("%s: after the flood the client hears %+v", ip, got)
		}
		l.plane.Close()
	}
}

// newLineOn is another client and its flow on a line's plane.
func newLineOn(t testing.TB, l *line) *line {
	ip := l.peer.at.Addr()
	at := closedPort(t, ip)
	relay, err := l.plane.OpenRelay(at, at)
	if err != nil {
		t.Fatal(err)
	}
	other := &line{plane: l.plane, listener: l.listener, client: newEnd(t, ip), peer: l.peer, relay: relay, pass: l.pass}
	other.flow = &dataplane.Flow{Client: dataplane.Client{Addr: other.client.at}, Relay: relay, Pass: l.pass}
	if err := l.plane.Install(other.flow); err != nil {
		t.Fatal(err)
	}
	return other
}

// Whatever is forged at the same time, what a client sends leaves.
func TestFloodOfErrors(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	l := newLine(t, netip.MustParseAddr("127.0.0.1"), Options{})
	f, stop, forged := newForger(t, l.peer.at.Addr()), make(chan struct{}), 0
	var flood sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); flood.Wait() })
	defer end()
	flood.Go(func() {
		for ; ; forged++ {
			select {
			case <-stop:
				return
			default:
				f.unreachable(l.relay.Bind)
			}
		}
	})
	const datagrams = 5000
	for i := range datagrams {
		b := binary.BigEndian.AppendUint32(nil, uint32(i))
		l.client.send(l.listener, framed(0x4000, [][]byte{b}), false)
		if got := l.peer.next(); !bytes.Equal(got, b) {
			t.Fatalf("datagram %d came as %x", i, got)
		}
	}
	end()
	judged := l.notices(dataplane.NoticeNoPermission)
	if d := l.flow.Count.Dropped(); d != 0 || l.flow.Count.ToPeer.Packets() != datagrams || judged == 0 {
		t.Errorf("%d dropped, %d errors judged", d, judged)
	}
	t.Logf("%d errors were forged beside %d datagrams, %d of them judged", forged, datagrams, judged)
}

// A call that returns the error of a datagram before is made again.
func TestPendingErrors(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(ip)
		at, f, peer := closedPort(t, addr), newForger(t, addr), newEnd(t, addr)
		fd, err := open(at, func(fd int) error { return udpio.EnableErrors(fd, addr.Is6()) })
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		out := udpio.NewOut(1, 1)
		out.Start(peer.at)
		out.Part([]byte("there"))
		for name, try := range map[string]func() error{
			"once":         func() error { _, err := out.Send(fd, 0, 1); return err },
			"again":        func() error { _, err := send(out, fd, 0, 1, true); return err },
			"in fragments": func() error { return sendFragmented(out, fd, 0) },
		} {
			f.unreachable(at)
			if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd)}}, 10_000); n != 1 || err != nil {
				t.Fatalf("no error came: %v", err)
			}
			if err := try(); (err == nil) != (name != "once") {
				t.Errorf("%s, %s: %v", ip, name, err)
			}
			if name != "once" {
				peer.next()
			}
		}
	}
}

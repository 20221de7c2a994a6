package mmsg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

// sendWith is a Send indication, with DONT-FRAGMENT if it is to stay whole.
func sendWith(peer netip.AddrPort, payload []byte, whole bool) []byte {
	buf := make([]byte, dataplane.Headroom+len(payload)+dataplane.Tailroom)
	copy(buf[dataplane.Headroom:], payload)
	m := bytes.Clone(dataplane.PutData(buf, dataplane.Headroom, len(payload), peer))
	m[1] = 0x16 // a Data indication has the same attributes
	if whole {
		m = append(m, 0x00, 0x1a, 0, 0)
		binary.BigEndian.PutUint16(m[2:], uint16(len(m)-20))
	}
	return m
}

// settle returns when all that the client has sent is dealt with.
func (l *line) settle() {
	l.t().Helper()
	mark := []byte("\x00settle")
	l.client.send(l.listener, [][]byte{mark}, false)
	if got := l.client.next(); !bytes.Equal(got, mark) {
		l.t().Fatalf("%x came, want the mark", got)
	}
}

func (l *line) t() testing.TB { return l.client.t }

// What asks not to be fragmented leaves whole, with DF, or not at all, and is
// counted then; what does not ask leaves in fragments (RFC 8656 §11.3).
func TestDontFragment(t *testing.T) {
	const mtu = 1280
	if !relaytest.InNamespace(t, relaytest.Namespace{SmallMTU: mtu}) {
		return
	}
	for ip, fits := range map[string]int{"127.0.0.1": mtu - 28, "::1": mtu - 48} {
		for _, overStream := range []bool{false, true} {
			l := newLine(t, netip.MustParseAddr(ip), Options{NoGSO: true})
			send := func(m []byte) { l.client.send(l.listener, [][]byte{m}, false) }
			if overStream {
				send = l.overStream(new(nobody))
			}
			wire := newTap(t)
			for _, n := range []int{1000, fits, fits + 1, 4000} {
				for _, whole := range []bool{true, false} {
					name := fmt.Sprintf("%s stream=%t %d bytes whole=%t", ip, overStream, n, whole)
					before := l.plane.Counters().Dropped(dataplane.Oversize)
					wire.seen(0)
					send(sendWith(l.peer.at, make([]byte, n), whole))
					l.settle()
					dropped := l.plane.Counters().Dropped(dataplane.Oversize) - before
					got := wire.seen(l.relay.Bind.Port())
					switch large := n > fits; {
					case large && whole:
						if got != (seen{}) || dropped != 1 {
							t.Errorf("%s: %+v left, %d counted", name, got, dropped)
						}
						continue
					case large:
						if got.whole != 0 || got.fragments < 2 || got.largest > mtu || dropped != 0 {
							t.Errorf("%s: %+v left, %d counted", name, got, dropped)
						}
					case got.whole != 1 || got.fragments != 0 || whole && got.df == 0 && l.relay.Bind.Addr().Is4():
						t.Errorf("%s: %+v left", name, got)
					}
					if b := l.peer.next(); len(b) != n {
						t.Errorf("%s: %d bytes came", name, len(b))
					}
				}
			}
			l.plane.Close()
		}
	}
}

// overStream has the flow belong to a client that comes over a stream, and sends
// as it does.
func (l *line) overStream(stream dataplane.Stream) func(m []byte) {
	l.plane.Remove(l.relay)
	var err error
	if l.relay, err = l.plane.OpenRelay(l.relay.Bind, l.relay.Public); err != nil {
		l.t().Fatal(err)
	}
	c := dataplane.Client{Addr: l.client.at, Stream: stream}
	l.flow = &dataplane.Flow{Client: c, Relay: l.relay, Pass: l.pass}
	if err := l.plane.Install(l.flow); err != nil {
		l.t().Fatal(err)
	}
	return func(m []byte) {
		buf := append(make([]byte, dataplane.Headroom), m...)
		if n, kind := l.plane.Deliver(c, buf, []dataplane.Span{{From: dataplane.Headroom, To: int32(len(buf))}}); n != 1 || kind != dataplane.ToPeer {
			l.t().Fatal(n, kind)
		}
	}
}

// Datagrams that are to stay whole share a run with others, and each is served
// as it asks.
func TestWholeInRuns(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{SmallMTU: 1280}) {
		return
	}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		for n, want := range map[int]int{1000: 40, 1270: 20} {
			l := newLine(t, netip.MustParseAddr(ip), Options{})
			var all [][]byte
			for i := range 41 {
				all = append(all, sendWith(l.peer.at, bytes.Repeat([]byte{byte(i)}, n), i%2 == 0))
			}
			wait, goOn := l.pass.holdUp()
			l.client.send(l.listener, framed(0x4000, [][]byte{make([]byte, 1)}), false)
			wait()
			l.client.send(l.listener, all[1:], false)
			goOn()
			l.settle()
			l.peer.next() // the first, which held up the worker
			for i := 1; i < len(all); i++ {
				if whole := i%2 == 0; whole && n == 1270 {
					continue
				}
				if b := l.peer.next(); len(b) != n || b[0] != byte(i) {
					t.Fatalf("%s, %d bytes: datagram %d has %d bytes and begins with %d", ip, n, i, len(b), b[0])
				}
			}
			if runs := l.peer.runs > 0; runs != (n == 1000) {
				t.Errorf("%s, %d bytes: %d messages of several datagrams", ip, n, l.peer.runs)
			}
			if d := l.plane.Counters().Dropped(dataplane.Oversize); int(d) != 40-want {
				t.Errorf("%s, %d bytes: %d too large, want %d", ip, n, d, 40-want)
			}
			l.plane.Close()
		}
	}
}

package dataplane

import (
	"net/netip"
	"sync"
	"testing"
	"time"
)

// yes lets everything pass between channel 0x4000 and one peer.
type yes struct{ peer netip.AddrPort }

func (y yes) ToPeer(channel uint16, peer netip.AddrPort, _ int, _ time.Time) (netip.AddrPort, Verdict) {
	if channel != 0 {
		peer = y.peer
	}
	return peer, Allow
}

func (y yes) ICMP(netip.AddrPort, time.Time) Notice                     { return NoticeSent }
func (y yes) ToClient(netip.AddrPort, int, time.Time) (uint16, Verdict) { return 0x4000, Allow }

var (
	client = Client{Listener: 0, Addr: netip.MustParseAddrPort("198.51.100.7:5000")}
	bind   = netip.MustParseAddrPort("10.0.0.1:50000")
	public = netip.MustParseAddrPort("192.0.2.1:50000")
	noTime time.Time
)

func oneFlow(t testing.TB, peer netip.AddrPort) (*Switch, *Flow) {
	s := NewSwitch(Caps{MaxPayload: 1500, DontFragment: true})
	r := &Relay{Bind: bind, Public: public}
	if err := s.Add(r); err != nil {
		t.Fatal(err)
	}
	f := &Flow{Client: client, Relay: r, Pass: yes{peer}}
	if err := s.Install(f); err != nil {
		t.Fatal(err)
	}
	return s, f
}

func datagram(b []byte) ([]byte, int) {
	buf := make([]byte, Headroom+len(b)+Tailroom)
	return buf, copy(buf[Headroom:], b)
}

// A relay of ours hands over in process, so its address as a source on the
// network is a forgery, or a loop through somebody else.
func TestOwnRelayAsSourceIsDropped(t *testing.T) {
	s, f := oneFlow(t, peer4)
	for _, own := range []netip.AddrPort{bind, public} {
		for name, b := range map[string][]byte{
			"channel data": {0x40, 0, 0, 1, 9}, "send": stun(typeSend, peerAttr(peer4), attr(attrData, []byte("x"))),
			"binding request": stun(0x0001), "junk": {0xff},
		} {
			buf, n := datagram(b)
			if m := s.FromClient(Client{Addr: own}, buf, n, noTime); m.Kind != Stop {
				t.Errorf("%s from %s: kind %d", name, own, m.Kind)
			}
		}
		buf, n := datagram([]byte("x"))
		if m := s.FromPeer(f.Relay, own, buf, n, noTime); m.Kind != Stop {
			t.Errorf("peer %s: kind %d", own, m.Kind)
		}
	}
	if n := s.Counters.Dropped(OwnRelay); n != 10 {
		t.Errorf("%d counted, want 10", n)
	}
}

func TestSettleCounts(t *testing.T) {
	s, f := oneFlow(t, peer4)
	buf, n := datagram([]byte{0x40, 0, 0, 3, 1, 2, 3})
	m := s.FromClient(client, buf, n, noTime)
	if m.Kind != ToPeer || m.Peer != peer4 || len(m.Data) != 3 {
		t.Fatalf("%+v", m)
	}
	s.Sent(&m)
	buf, n = datagram([]byte{0x40, 0, 0, 3, 1, 2, 3})
	m = s.FromClient(client, buf, n, noTime)
	s.Failed(&m, SocketFull)
	if f.Count.ToPeer.Packets() != 1 || f.Count.ToPeer.Bytes() != 3 || f.Count.Dropped() != 1 ||
		s.Counters.Dropped(SocketFull) != 1 || s.Counters.ToPeer.Bytes() != 3 {
		t.Error("wrong counts")
	}
}

// Uninstall must wait for a move under way, and not be waited for by the next.
func TestUninstallWaitsForMoves(t *testing.T) {
	s, f := oneFlow(t, peer4)
	buf, n := datagram([]byte{0x40, 0, 0, 1, 9})
	m := s.FromClient(client, buf, n, noTime)
	done := make(chan struct{})
	go func() { s.Uninstall(f.Relay); close(done) }()
	for s.Find(bind) != nil { // until it has begun
	}
	select {
	case <-done:
		t.Fatal("returned while a datagram was being sent")
	default:
	}
	buf, n = datagram([]byte{0x40, 0, 0, 1, 9})
	for s.flow(client) != nil {
	}
	if m := s.FromClient(client, buf, n, noTime); m.Kind != Stop {
		t.Error("judged after the end began")
	}
	s.Sent(&m)
	<-done
	if f.Count.ToPeer.Packets() != 1 {
		t.Error("the move under way was not counted")
	}
}

func TestDirectoryUnderChange(t *testing.T) {
	var d Directory
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 5000)
			for range 1000 {
				r := &Relay{Bind: addr, Public: addr}
				if d.Add(r) != nil || d.Find(addr) != r || d.Add(&Relay{Bind: addr, Public: addr}) != ErrPortInUse {
					t.Error("lost", addr)
					return
				}
				d.Delete(r)
				if d.Find(addr) != nil {
					t.Error("kept", addr)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestDecisionAllocatesNothing(t *testing.T) {
	s, f := oneFlow(t, peer4)
	out, n := datagram(append([]byte{0x40, 0, 0, 160}, make([]byte, 160)...))
	in, k := datagram(make([]byte, 160))
	if a := testing.AllocsPerRun(1000, func() {
		m := s.FromClient(client, out, n, noTime)
		s.Sent(&m)
		m = s.FromPeer(f.Relay, peer4, in, k, noTime)
		s.Sent(&m)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

func BenchmarkSwitch(b *testing.B) {
	s, f := oneFlow(b, peer4)
	b.Run("to peer", func(b *testing.B) {
		buf, n := datagram(append([]byte{0x40, 0, 0, 160}, make([]byte, 160)...))
		b.ReportAllocs()
		for b.Loop() {
			m := s.FromClient(client, buf, n, noTime)
			s.Sent(&m)
		}
	})
	b.Run("to client", func(b *testing.B) {
		buf, n := datagram(make([]byte, 160))
		b.ReportAllocs()
		for b.Loop() {
			m := s.FromPeer(f.Relay, peer4, buf, n, noTime)
			s.Sent(&m)
		}
	})
}

// What another relay of ours refuses is not the sender's refusal: it has paid
// for it.
func TestHandedOverAndLost(t *testing.T) {
	s, f := oneFlow(t, peer4)
	if err := s.Add(&Relay{Bind: peer4, Public: peer4}); err != nil {
		t.Fatal(err)
	}
	buf, n := datagram([]byte{0x40, 0, 0, 1, 9})
	if m := s.FromClient(client, buf, n, noTime); m.Kind != Lost || f.Count.ToPeer.Packets() != 1 || s.Counters.Dropped(NoFlow) != 1 {
		t.Errorf("kind %d, %d sent, %d without a flow", m.Kind, f.Count.ToPeer.Packets(), s.Counters.Dropped(NoFlow))
	}
}

// A flow that is ending beside another, and has not been taken out yet, is not
// the end of the client.
func TestOtherFamilyWhileOneEnds(t *testing.T) {
	for _, ending := range []int{0, 1} {
		s, first := oneFlow(t, peer4)
		r := &Relay{Bind: peer6, Public: peer6}
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
		to := netip.MustParseAddrPort("[2001:db8::7]:7")
		second := &Flow{Client: client, Relay: r, Pass: yes{to}}
		if err := s.Install(second); err != nil {
			t.Fatal(err)
		}
		flows := []*Flow{first, second}
		if ending == 1 { // the first is asked, and sends to a peer of the other family
			first.Pass = yes{to}
		}
		flows[ending].Close()
		buf, n := datagram([]byte{0x40, 0, 0, 1, 9})
		m := s.FromClient(client, buf, n, noTime)
		if ending == 1 {
			if m.Kind != Stop || s.Counters.Dropped(NoFlow) != 1 || first.Count.Dropped() != 1 {
				t.Errorf("kind %d, %d without a flow", m.Kind, s.Counters.Dropped(NoFlow))
			}
			continue
		}
		if m.Kind != ToPeer || m.Relay != r || m.Peer != to {
			t.Fatalf("%+v", m)
		}
		s.Sent(&m)
	}
}

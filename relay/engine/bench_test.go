package engine

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// work is what both sides of the comparison do.
var work = []struct {
	name string
	// cycle is repeated on one open leg; a cycle that begins with an Allocate is
	// on a new one each time.
	cycle []Request
}{
	{"Refresh", []Request{{Method: Refresh, Lifetime: 600 * time.Second}}},
	{"CreatePermission", []Request{{Method: CreatePermission, Peers: []netip.AddrPort{peerA}}}},
	{"ChannelBind", []Request{{Method: ChannelBind, Channel: 0x4000, Peer: peerA}}},
	{"AllocateRefresh0", []Request{{Method: Allocate, Lifetime: 600 * time.Second}, {Method: Refresh}}},
}

// BenchmarkStock is pion alone: requests encoded before, nothing handed over.
// An operation is a cycle.
func BenchmarkStock(b *testing.B) {
	for _, w := range work {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			var cycle [][]byte
			at := 0
			from := pseudoAddr(2)
			s, err := startStock(func(s *stock) ([]byte, *net.UDPAddr) {
				if cycle == nil {
					for _, r := range w.cycle {
						cycle = append(cycle, s.request(r, uint32(r.Lifetime/time.Second)))
					}
					if w.cycle[0].Method != Allocate {
						return s.request(Request{Method: Allocate}, 600), from
					}
				}
				if at == 0 {
					b.ResetTimer()
				}
				if at == b.N*len(cycle) {
					b.StopTimer()
					return nil, nil
				}
				at++
				return cycle[(at-1)%len(cycle)], from
			})
			if err != nil {
				b.Fatal(err)
			}
			s.end.Wait()
			if s.last.code != 0 && s.last.code != 401 {
				b.Errorf("pion answered %d", s.last.code)
			}
		})
	}
}

// BenchmarkDo is the same by Do.
func BenchmarkDo(b *testing.B) {
	for _, w := range work {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			e := newEngine(b, Options{})
			fresh := func() *Leg {
				return e.NewLeg(func() (netip.AddrPort, error) { return relay4, nil }, func() {})
			}
			l := fresh()
			if w.cycle[0].Method != Allocate {
				e.Do(allocate(l, 600*time.Second))
			}
			for b.Loop() {
				for _, r := range w.cycle {
					if r.Method == Allocate {
						l = fresh()
					}
					r.Leg = l
					if res, err := e.Do(r); !res.OK() {
						b.Fatal(res, err)
					}
				}
			}
		})
	}
}

// BenchmarkSubmit is the queue without a wait, for a Refresh.
func BenchmarkSubmit(b *testing.B) {
	b.ReportAllocs()
	e := newEngine(b, Options{})
	l, _ := legOf(e, relay4)
	e.Do(allocate(l, 600*time.Second))
	start := func() (Request, bool) { return refresh(l, 600*time.Second), true }
	done := func(r Result) {
		if !r.OK() {
			b.Error(r)
		}
	}
	for b.Loop() {
		for !e.Submit(start, done) {
			e.Do(refresh(l, 600*time.Second))
		}
	}
	e.Do(refresh(l, 600*time.Second)) // behind all of them
}

// BenchmarkCodec is one request signed and one answer read.
func BenchmarkCodec(b *testing.B) {
	b.ReportAllocs()
	c := newCodec([]byte("12345678901234567890"))
	r := Request{Method: CreatePermission, Peers: []netip.AddrPort{peerA}}
	response := sampleResponses(b)[0]
	buf := make([]byte, 0, maxMessage)
	for b.Loop() {
		buf = c.appendRequest(buf[:0], &r, 0, 1, "nonce-of-25-bytes--------")
		if _, ok := decode(response); !ok {
			b.Fatal("not decoded")
		}
	}
}

// TestSubmitAllocatesNothing: what runs in a packet loop allocates nothing, and neither
// does the engine's part of a request.
func TestSubmitAllocatesNothing(t *testing.T) {
	e := newEngine(t, Options{})
	declined := make(chan struct{}, 1)
	start := func() (Request, bool) {
		declined <- struct{}{}
		return Request{}, false
	}
	done := func(Result) {}
	if n := testing.AllocsPerRun(1000, func() {
		e.Submit(start, done)
		<-declined
		e.Stalled(time.Time{})
		e.Depth()
	}); n != 0 {
		t.Errorf("a declined Submit allocates %v times", n)
	}
	c := newCodec([]byte("12345678901234567890"))
	r := Request{Method: ChannelBind, Channel: 0x4000, Peer: peer6}
	response := sampleResponses(t)[0]
	buf := make([]byte, 0, maxMessage)
	if n := testing.AllocsPerRun(1000, func() {
		buf = c.appendRequest(buf[:0], &r, 0, 1, "nonce")
		decode(response)
	}); n != 0 {
		t.Errorf("the codec allocates %v times", n)
	}
}

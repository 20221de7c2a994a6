package mmsg

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

func newPlane(t testing.TB, o Options) *Plane {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// The kernel steers as we think it does: every client comes to the worker that
// its flow would be served by.
func TestSteering(t *testing.T) {
	const workers = 7
	for _, ip := range []string{"127.0.0.1", "::1"} {
		p := newPlane(t, Options{Workers: workers})
		got := make(chan netip.AddrPort, 1)
		_, at, err := p.Listen(netip.AddrPortFrom(netip.MustParseAddr(ip), 0), func(c dataplane.Client, _ []byte, _ time.Time, _ []byte) []byte {
			got <- c.Addr
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !p.steering.Load() {
			t.Fatal("no steering: this kernel has no SO_ATTACH_REUSEPORT_CBPF (Linux 4.5)")
		}
		var had [workers]uint64
		seen := map[int]bool{}
		for i := range 64 {
			from := netip.AddrPortFrom(netip.MustParseAddr(ip), 0)
			if from.Addr().Is4() {
				from = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(i), byte(3 * i), 1}), 0)
			}
			conn, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(at))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("\x00")); err != nil {
				t.Fatal(err)
			}
			client := <-got
			want := steer(client, workers)
			seen[want] = true
			for n, w := range p.workers {
				if c := w.counted.Control.Packets(); (c > had[n]) != (n == want) {
					t.Errorf("%s is worker %d's, and worker %d had %d datagrams", client, want, n, c-had[n])
				}
				had[n] = w.counted.Control.Packets()
			}
		}
		if len(seen) != workers {
			t.Errorf("64 clients came to %d of %d workers", len(seen), workers)
		}
	}
}

// A client whose datagrams come to another worker than its flow's is served all
// the same.
func TestClientOfAnotherWorker(t *testing.T) {
	p := newPlane(t, Options{Workers: 2})
	relay, err := openAny(p)
	if err != nil {
		t.Fatal(err)
	}
	c := dataplane.Client{Addr: netip.MustParseAddrPort("192.0.2.1:5000")}
	if err := p.Install(&dataplane.Flow{Client: c, Relay: relay}); err != nil {
		t.Fatal(err)
	}
	for _, w := range p.workers {
		if s := w.find(&c, nil); s == nil || s.relay != relay {
			t.Errorf("worker %d does not find it", w.number)
		}
	}
	other := dataplane.Client{Addr: netip.MustParseAddrPort("192.0.2.1:5001")}
	if s := p.workers[0].find(&other, nil); s != nil {
		t.Error("somebody else was found")
	}
}

// openAny opens a relay on a port that is free.
func openAny(p *Plane) (*dataplane.Relay, error) {
	return openOn(p, netip.MustParseAddr("127.0.0.1"))
}

func openOn(p *Plane, ip netip.Addr) (*dataplane.Relay, error) {
	for {
		at := netip.AddrPortFrom(ip, uint16(20000+rand.IntN(40000)))
		r, err := p.OpenRelay(at, at)
		if err != dataplane.ErrPortInUse {
			return r, err
		}
	}
}

// either lets everything pass to a peer that is sent to.
type either struct{}

func (either) ToPeer(_ uint16, peer netip.AddrPort, _ int, _ time.Time) (netip.AddrPort, dataplane.Verdict) {
	return peer, dataplane.Allow
}

func (either) ToClient(netip.AddrPort, int, time.Time) (uint16, dataplane.Verdict) {
	return 0, dataplane.Allow
}

func (either) ICMP(netip.AddrPort, time.Time) dataplane.Notice { return dataplane.NoticeSent }

// A flow that is ending beside another, and has not been taken out of the table
// yet, is not the end of its client.
func TestOtherFamilyWhileOneEnds(t *testing.T) {
	p := newPlane(t, Options{Workers: 2})
	install := func(c dataplane.Client) (all [2]*socket) {
		for i, ip := range []string{"127.0.0.1", "::1"} {
			r, err := openOn(p, netip.MustParseAddr(ip))
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Install(&dataplane.Flow{Client: c, Relay: r, Pass: either{}}); err != nil {
				t.Fatal(err)
			}
			all[i] = r.Socket.(*socket)
		}
		return all
	}
	udp := dataplane.Client{Addr: netip.MustParseAddrPort("192.0.2.1:5000")}
	tcp := dataplane.Client{Addr: udp.Addr, Stream: &nobody{1}}
	datagrams, streams := install(udp), install(tcp)
	w, err := newWorker(p, 2) // that serves nobody: what it looks up is in another's table
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for ending := range 2 {
		stays, flow := datagrams[1-ending], datagrams[ending].flow.Swap(nil)
		if s, f := w.ofClient(&udp); s != stays || f != stays.flow.Load() {
			t.Errorf("the worker found %v, want %v", s, stays)
		}
		w.flush()
		datagrams[ending].flow.Store(flow)

		stays, flow = streams[1-ending], streams[ending].flow.Swap(nil)
		u := upstreams.Get().(*upstream)
		u.begin(p)
		if !u.enter(&tcp) || u.socket != stays {
			t.Errorf("the stream found %v, want %v", u.socket, stays)
		}
		u.flush()
		streams[ending].flow.Store(flow)
	}
}

func TestClientsAreAMap(t *testing.T) {
	all := make([]dataplane.Client, 1000)
	for i := range all {
		all[i] = dataplane.Client{Listener: dataplane.ListenerID(i % 3), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 7), 1}), uint16(i%7))}
		if i%5 == 0 {
			all[i].Stream = &nobody{i}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var table clients
		table.init()
		type place struct {
			dataplane.Client
			v6 bool
		}
		model := map[place]*socket{}
		draw := func(t *rapid.T) place {
			return place{rapid.SampledFrom(all).Draw(t, "client"), rapid.Bool().Draw(t, "v6")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				c := draw(t)
				s := &socket{v6: c.v6}
				if added := table.add(c.Client, s); added != (model[c] == nil) {
					t.Fatalf("added %t beside %v", added, model[c])
				} else if added {
					model[c] = s
				}
			},
			"remove": func(t *rapid.T) {
				c := draw(t)
				table.remove(c.Client, new(socket)) // not the one
				if s := model[c]; s != nil {
					table.remove(c.Client, s)
					delete(model, c)
				}
			},
			"": func(t *rapid.T) {
				c := draw(t)
				mine, other := model[c], model[place{c.Client, !c.v6}]
				if got := table.beside(&c.Client, other); got != mine || table.n != len(model) {
					t.Fatalf("found %v, want %v; %d sockets, want %d", got, mine, table.n, len(model))
				}
				if got := table.find(&c.Client); (got == nil) != (mine == nil && other == nil) || got != nil && got != mine && got != other {
					t.Fatalf("found %v, want %v or %v", got, mine, other)
				}
			},
		})
	})
}

type nobody struct{ n int }

func (*nobody) Send([]byte) dataplane.Verdict  { return dataplane.Ended }
func (*nobody) Queue([]byte) dataplane.Verdict { return dataplane.Ended }
func (*nobody) Flush()                         {}

// Who is in the table all the while is found, whatever is written beside.
func TestClientsBesideWriters(t *testing.T) {
	var table clients
	table.init()
	at := func(i int) dataplane.Client {
		return dataplane.Client{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5000)}
	}
	stays := new(socket)
	for i := range 64 {
		table.add(at(i), stays)
	}
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for i := range 64 {
					c := at(i)
					if table.find(&c) != stays {
						t.Errorf("client %d is gone", i)
						return
					}
				}
			}
		})
	}
	for n := range 2 {
		writers.Go(func() {
			s := new(socket)
			for round := range 20 {
				for i := range 1000 {
					table.add(at(64+2*i+n), s)
				}
				for i := range 1000 {
					table.remove(at(64+2*i+n), s)
				}
				_ = round
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if table.n != 64 {
		t.Errorf("%d clients, want 64", table.n)
	}
}

// What the kernel refuses is counted by reason, and what is behind it is sent.
func TestUnsent(t *testing.T) {
	p := newPlane(t, Options{Workers: 1})
	relay, err := openAny(p)
	if err != nil {
		t.Fatal(err)
	}
	f := &dataplane.Flow{Relay: relay}
	s := relay.Socket.(*socket)
	w, err := newWorker(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	queue := func() *message {
		w.forget()
		w.out.Reset()
		w.sent = w.sent[:0]
		for range 5 {
			w.queue(run{socket: s, flow: f, way: toPeer, to: relay.Bind}, item{body: make([]byte, 100)})
		}
		w.build(&w.runs[0], s.fd)
		return &w.sent[0]
	}
	p.gso.Store(false)
	queue()
	if n := w.unsent(s.fd, 1, 5, unix.EAGAIN); n != 4 || w.counted.Dropped(dataplane.SocketFull) != 4 || f.Count.Dropped() != 4 {
		t.Errorf("a full socket: %d dealt with, %d counted, %d of the flow; want 4", n, w.counted.Dropped(dataplane.SocketFull), f.Count.Dropped())
	}
	for err, v := range map[error]dataplane.Verdict{unix.ENOBUFS: dataplane.SocketFull, unix.ENETUNREACH: dataplane.SendError, unix.EPERM: dataplane.SendError} {
		before := w.counted.Dropped(v)
		if n := w.unsent(s.fd, 0, 5, err); n != 1 || w.counted.Dropped(v) != before+1 {
			t.Errorf("%v: %d dealt with, %d counted as %s", err, n, w.counted.Dropped(v)-before, v)
		}
	}
	for _, err := range []error{unix.EINVAL, unix.EMSGSIZE, unix.EIO} {
		p.gso.Store(true)
		s.segment[toPeer].Store(0)
		if m := queue(); m.n != 5 {
			t.Fatalf("%d datagrams in a message", m.n)
		}
		before := f.Count.ToPeer.Packets()
		if n := w.unsent(s.fd, 0, 1, err); n != 1 || f.Count.ToPeer.Packets() != before+5 {
			t.Errorf("%v: %d dealt with, %d sent one by one", err, n, f.Count.ToPeer.Packets()-before)
		}
		if m := queue(); m.n != 1 {
			t.Errorf("after %v %d datagrams are in a message again", err, m.n)
		}
		if p.gso.Load() != (err != unix.EIO) {
			t.Errorf("after %v segmentation is %t", err, p.gso.Load())
		}
	}
}

// A run is cut where the sizes say so, and never beyond what the kernel takes.
func TestRunsAreCut(t *testing.T) {
	p := newPlane(t, Options{Workers: 1})
	if err := p.startNow(); err != nil {
		t.Fatal(err)
	}
	w, err := newWorker(p, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	p.gso.Store(true)
	s := new(socket)
	rapid.Check(t, func(t *rapid.T) {
		w.forget()
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.Just(100), rapid.IntRange(0, maxPayload)), 1, 200).Draw(t, "sizes")
		for _, n := range sizes {
			w.queue(run{socket: s, way: toPeer}, item{body: make([]byte, n)})
		}
		w.out.Reset()
		w.sent = w.sent[:0]
		w.build(&w.runs[0], -1)
		at := 0
		for _, m := range w.sent {
			part := sizes[at : at+m.n]
			total := 0
			for i, n := range part {
				if i < len(part)-1 && n != part[0] || n > part[0] || len(part) > 1 && n == 0 {
					t.Fatalf("%v in one message", part)
				}
				total += n
			}
			if total != m.bytes || total > udpio.MaxMessage || m.n > udpio.MaxSegments {
				t.Fatalf("%d datagrams of %d bytes in a message, counted as %d", m.n, total, m.bytes)
			}
			at += m.n
		}
		if at != len(sizes) {
			t.Fatalf("%d of %d datagrams are in messages", at, len(sizes))
		}
	})
}

func (p *Plane) startNow() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.start()
}

func BenchmarkClients(b *testing.B) {
	for _, n := range []int{1, 100, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var table clients
			table.init()
			all := make([]dataplane.Client, n)
			for i := range all {
				all[i] = dataplane.Client{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5000)}
				table.add(all[i], new(socket))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if table.find(&all[i]) == nil {
					b.Fatal("not found")
				}
				if i++; i == n {
					i = 0
				}
			}
		})
	}
}

package load

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay/dataplane"
)

// rig is a direction whose clock stands still. Its flows begin at peers and end
// at clients that share one socket.
type rig struct {
	*direction
	clock int64
	home  socket
	desk  *desk
	told  []byte // the last response that was handed on
}

var (
	server = netip.MustParseAddrPort("192.0.2.1:3478")
	peerAt = netip.MustParseAddrPort("192.0.2.9:9000")
)

func newRig(flows, burst, window int, how framing) *rig {
	r := &rig{clock: 1000}
	src, dst := make([]line, flows), make([]line, flows)
	for i := range dst {
		dst[i] = line{
			socket: &r.home, to: server, local: hostOf(netip.MustParsePrefix("10.0.0.0/24"), i),
			framing: how, channel: 0x4000 + uint16(i), peer: peerAt,
		}
	}
	r.direction = &direction{
		run: 42, src: src, dst: dst, size: 64, burst: burst, most: chunkOf(64, burst), window: window, flows: make([]flow, flows),
		now: func() int64 { return r.clock }, answer: func(b []byte) { r.told = b }, active: true,
	}
	pool := desks{frame: 64, chunk: r.most}
	r.desk = pool.get()
	return r
}

// out is what is reserved, by flow.
func (r *rig) out(packets int) (all []chunk) {
	r.reserve(r.desk, packets)
	return append(all, r.desk.chunks...)
}

// packet is one that arrives for flow i, as the server frames it.
func (r *rig) packet(i int, seq uint64, sent int64) *packet {
	buf := make([]byte, dataplane.Headroom+64+dataplane.Tailroom)
	s := stamp{r.run, uint64(i), seq, sent}
	s.put(buf[dataplane.Headroom:])
	l := &r.dst[i]
	p := &packet{from: l.to, local: l.local}
	switch l.framing {
	case channel:
		p.b = dataplane.PutChannelData(buf, dataplane.Headroom, 64, l.channel)
	case indication:
		p.b = dataplane.PutData(buf, dataplane.Headroom, 64, l.peer)
	default:
		p.b = buf[dataplane.Headroom : dataplane.Headroom+64]
	}
	return p
}

func TestTurns(t *testing.T) {
	r := newRig(3, 4, 256, raw)
	if got := r.out(3); len(got) != 0 {
		t.Errorf("half a burst: %v", got)
	}
	want := []chunk{{1, 4, 0}, {2, 4, 0}, {0, 4, 0}, {1, 4, 4}}
	if got := r.out(17); len(got) != 4 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[3] != want[3] {
		t.Errorf("%v", got)
	}
	r.src[2].stream = newStream(nil)
	r.src[2].stream.dead.Store(true)
	r.dst[0].stream = r.src[2].stream
	if got := r.out(8); len(got) != 2 || got[0].flow != 1 || got[1].flow != 1 {
		t.Errorf("broken lines have a turn: %v", got)
	}
	r.src[1].stream = r.src[2].stream
	if got := r.out(8); len(got) != 0 {
		t.Errorf("all lines are broken: %v", got)
	}
}

// A burst that does not fit one system call is sent in several.
func TestLongBursts(t *testing.T) {
	r := newRig(2, 100, 256, raw)
	got := r.out(200)
	if len(got) != 4 || got[0] != (chunk{1, 64, 0}) || got[1] != (chunk{1, 36, 64}) || got[2] != (chunk{0, 64, 0}) {
		t.Errorf("%v", got)
	}
	if n := chunkOf(4000, 256); n != 16 {
		t.Errorf("%d frames of 4000 bytes at once", n)
	}
}

func TestWindow(t *testing.T) {
	r := newRig(1, 1, 10, channel)
	r.out(r.room())
	if n := r.room(); n != 0 {
		t.Fatalf("the window lets %d out", n)
	}
	r.take(r.packet(0, 3, r.clock), &r.home, nil, r.clock)
	if n := r.room(); n != 1 {
		t.Errorf("after an arrival it lets %d out", n)
	}
	r.reopen(r.clock+int64(silence), silence)
	if r.tally.stalls != 0 {
		t.Error("it is a stall too early")
	}
	r.reopen(r.clock+int64(silence)+1, silence)
	if n := r.room(); n != 10 || r.tally.stalls != 1 {
		t.Errorf("after a stall it lets %d out; %d stalls", n, r.tally.stalls)
	}
	r.out(10)
	for seq := range uint64(3) { // late, not lost
		r.take(r.packet(0, seq, r.clock), &r.home, nil, r.clock)
	}
	if n := r.room(); n != 3 {
		t.Errorf("after late ones it lets %d out", n)
	}
	r.active = false
	r.reopen(r.clock+int64(time.Hour), silence)
	if r.tally.stalls != 1 {
		t.Error("what has ended stalls")
	}
}

// What was given up and comes after all does not widen the window for ever.
func TestWindowAfterLateOnes(t *testing.T) {
	r := newRig(1, 1, 4, channel)
	r.out(4)
	r.tally.last = r.clock
	r.reopen(r.clock+int64(time.Second), silence)
	for seq := range uint64(4) {
		r.take(r.packet(0, seq, r.clock), &r.home, nil, r.clock)
	}
	if n := r.room(); n != 4 {
		t.Errorf("it lets %d out", n)
	}
	r.out(4)
	if n := r.room(); n != 0 {
		t.Errorf("it lets %d more out", n)
	}
}

func TestMeasured(t *testing.T) {
	r := newRig(2, 1, 100, indication)
	r.out(10)
	r.clock += 1000
	r.measure()
	r.clock++
	r.out(6)
	for i, seq := range []uint64{0, 1, 2, 3, 4, 5, 6, 7} { // of flow 1: 5 before, 3 measured
		sent := int64(1000)
		if i >= 5 {
			sent = r.clock
		}
		r.take(r.packet(1, seq, sent), &r.home, nil, r.clock+5000)
	}
	if n := r.count(); n != 8 {
		t.Errorf("%d have arrived since", n)
	}
	var all histogram
	f, _ := r.report(2, &all)
	if f.Sent != 6 || f.Received != 3 || f.Lost != 3 || f.Bad != 0 || f.PPS != 4 || f.Latency.P50 != 5 || f.Jitter != 0 || all.n != 3 {
		t.Errorf("%+v", f)
	}
	if missing, arrived := r.missing(); missing != 8 || arrived != 8 {
		t.Errorf("%d are missing, %d have arrived", missing, arrived)
	}
}

func TestBad(t *testing.T) {
	for name, spoil := range map[string]func(r *rig, p *packet) (*socket, *line){
		"from elsewhere":     func(r *rig, p *packet) (*socket, *line) { p.from = peerAt; return &r.home, nil },
		"another socket":     func(r *rig, p *packet) (*socket, *line) { return new(socket), nil },
		"another connection": func(r *rig, p *packet) (*socket, *line) { return &r.home, &r.dst[0] },
		"another client":     func(r *rig, p *packet) (*socket, *line) { p.local = r.dst[0].local; return &r.home, nil },
		"another run":        func(r *rig, p *packet) (*socket, *line) { r.run++; return &r.home, nil },
		"another channel":    func(r *rig, p *packet) (*socket, *line) { p.b[1]++; return &r.home, nil },
		"no such flow":       func(r *rig, p *packet) (*socket, *line) { p.b[4+8] = 99; return &r.home, nil },
		"never sent":         func(r *rig, p *packet) (*socket, *line) { p.b[4+16] = 99; return &r.home, nil },
		"shorter":            func(r *rig, p *packet) (*socket, *line) { p.b[3]--; p.b = p.b[:len(p.b)-1]; return &r.home, nil },
		"without framing":    func(r *rig, p *packet) (*socket, *line) { p.b = p.b[4:]; return &r.home, nil },
		"empty":              func(r *rig, p *packet) (*socket, *line) { p.b = nil; return &r.home, nil },
		"twice": func(r *rig, p *packet) (*socket, *line) {
			r.take(p, &r.home, nil, r.clock)
			return &r.home, nil
		},
	} {
		r := newRig(2, 1, 10, channel)
		r.out(4)
		p := r.packet(1, 1, r.clock)
		s, l := spoil(r, p)
		r.take(p, s, l, r.clock)
		if r.tally.bad != 1 || r.tally.first == "" {
			t.Errorf("%s: %d bad, %d arrived", name, r.tally.bad, r.tally.arrived)
		}
	}
	r := newRig(1, 1, 10, indication)
	r.out(1)
	r.dst[0].peer = server
	p := r.packet(0, 0, r.clock)
	r.dst[0].peer = peerAt
	if r.take(p, &r.home, nil, r.clock); r.tally.bad != 1 {
		t.Error("from another peer")
	}
}

// Responses go to who waits for them; a peer, to whom a client may send what
// looks like one, has none.
func TestResponsesAreHandedOn(t *testing.T) {
	b := answer(t, stun.BindingSuccess)
	r := newRig(1, 1, 1, channel)
	if r.take(&packet{b: b, from: server}, &r.home, nil, 0); !bytes.Equal(r.told, b) || r.tally.bad != 0 {
		t.Errorf("%x", r.told)
	}
	r = newRig(1, 1, 1, raw)
	if r.take(&packet{b: b, from: server}, &r.home, nil, 0); r.told != nil || r.tally.bad != 1 {
		t.Errorf("%x", r.told)
	}
}

func TestOperations(t *testing.T) {
	mask := transactionID{7, 7, 7}
	for how, right := range map[framing][]byte{
		binding:   answer(t, stun.BindingSuccess),
		challenge: answer(t, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.ErrorCodeAttribute{Code: 401}, stun.NewNonce("n")),
	} {
		wrong := answer(t, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.ErrorCodeAttribute{Code: 486})
		r := newRig(2, 1, 10, how)
		for i := range r.dst {
			r.dst[i].mask = &mask
		}
		r.out(3)
		for _, b := range [][]byte{right, wrong} {
			id := question{1, r.clock}.id(&mask)
			copy(b[8:], id[:])
			r.take(&packet{b: b, from: server}, &r.home, nil, r.clock+1000)
		}
		if ta := &r.tally; ta.arrived != 2 || ta.received != 1 || ta.bad != 1 || ta.latency.max != 1000 {
			t.Errorf("%d arrived, %d right, %d bad, %d ns", ta.arrived, ta.received, ta.bad, ta.latency.max)
		}
		id := question{2, r.clock}.id(&mask) // of no client
		copy(right[8:], id[:])
		if r.take(&packet{b: right, from: server}, &r.home, nil, r.clock); r.tally.bad != 2 {
			t.Error("an answer that nobody asked for")
		}
	}
}

// The way of a packet allocates nothing.
func TestPacketAllocatesNothing(t *testing.T) {
	mask := transactionID{7}
	for _, how := range []framing{raw, channel, indication, challenge} {
		r := newRig(4, 4, 1<<20, how)
		if how == challenge {
			for i := range r.dst {
				r.dst[i].mask, r.src[i].mask, r.src[i].framing = &mask, &mask, how
			}
		}
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSocket(conn.(*net.UDPConn), 1<<20, false, &desks{frame: 64, chunk: 4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.src {
			r.src[i].socket, r.src[i].to = s, netip.MustParseAddrPort(conn.LocalAddr().String())
		}
		seq := uint64(0)
		p := r.packet(1, 0, r.clock)
		id := question{1, r.clock}.id(&mask)
		if how == challenge {
			p.b = answer(t, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.ErrorCodeAttribute{Code: 401}, stun.NewNonce("n"), stun.NewRealm("r"))
			copy(p.b[8:], id[:])
		}
		if n := testing.AllocsPerRun(200, func() {
			r.sendDue(r.desk, 16)
			r.take(p, &r.home, nil, r.clock)
			seq++
			if k, err := s.receive(); err == nil {
				for k.in.next() != nil {
				}
				s.desks.put(k)
			}
		}); n != 0 {
			t.Errorf("framing %d: %v allocations", how, n)
		}
		s.close()
	}
}

// The end of a run waits for stragglers, for as long as some come.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := good()
		o.Clients = 1
		b := onPipes(t, o, &fakeServer{})
		l, s := b.near.lines[0], stamp{run: b.down.run}
		b.down.reserve(b.desks.get(), 4)
		begin := time.Now()
		for i := range 3 { // the last of four never comes
			time.AfterFunc(time.Duration(i+1)*400*time.Millisecond, func() {
				m := make([]byte, l.frameSize(o.Size))
				l.put(m, o.Size, &s)
				s.seq++
				b.down.mu.Lock()
				defer b.down.mu.Unlock()
				b.down.take(&packet{b: m, from: l.to}, nil, nil, b.now())
			})
		}
		b.drain(b.active())
		if took := time.Since(begin); took < 1700*time.Millisecond || took > 1720*time.Millisecond || b.down.tally.bad > 0 {
			t.Errorf("%v, %d bad", took, b.down.tally.bad)
		}
		s.seq = 3
		b.down.tally.arrived++
		begin = time.Now()
		if b.drain(b.active()); time.Since(begin) > 0 {
			t.Errorf("nothing is missing, and it took %v", time.Since(begin))
		}
	})
}

package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/relay/dataplane"
)

// line is where one flow's packets leave from, and where those of the other
// direction arrive: a client's way to the server, or a peer's to a relay. It is
// set once, before anything is sent on it.
type line struct {
	socket *socket // one of the two
	stream *stream

	to      netip.AddrPort // where datagrams go, and come from: the server or a relay
	local   netip.Addr     // of a socket with many addresses
	framing framing
	channel uint16
	peer    netip.AddrPort // of indications; what Data indications must tell
	mask    *transactionID // of challenge and binding
}

// packet is what a socket or a stream has received.
type packet struct {
	b     []byte
	from  netip.AddrPort
	local netip.Addr // not valid: not known
}

// chunk is consecutive packets of one flow that are to be sent.
type chunk struct {
	flow  uint32
	n     int32
	first uint64 // sequence number
}

// direction is all the packets one way. Packets are sent by whoever finds that
// they are due: the receiver of those before them, or the pacer.
type direction struct {
	run      uint64
	src, dst []line // by flow
	size     int
	burst    int
	most     int // packets in a chunk: what one system call can take
	window   int // packets in flight; 0: by the clock
	pace     pace
	unsent   atomic.Int64 // due, but too late to be sent
	now      func() int64
	// answer takes STUN responses, unless they are what is counted.
	answer func(b []byte)

	mu     sync.Mutex // guards the fields below
	flows  []flow
	active bool
	turn   int // whose burst it is
	left   int // how much of it
	tally  tally
}

// tally is what a direction counts. Since is the time from which on packets are
// measured, which were sent then or later.
type tally struct {
	since    int64
	sent     uint64 // all
	arrived  uint64 // all
	bad      uint64 // all that was not what was sent: another run or flow, misframed, doubled
	givenUp  uint64 // by a reopened window, less those that came after all
	stalls   uint64
	last     int64  // when something arrived
	before   uint64 // sent until since
	received uint64 // of those sent since
	counted  uint64 // that arrived from measure to count
	first    string // what was wrong with the first bad one
	latency  histogram
}

// measure begins to measure: what is sent from now on.
func (d *direction) measure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, now := &d.tally, d.now()
	d.unsent.Store(0)
	t.since, t.before, t.received, t.stalls = now, t.sent, 0, 0
	t.latency = histogram{}
	for i := range d.flows {
		d.flows[i].forget()
	}
	t.counted = -t.arrived
}

func (d *direction) start(now int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active, d.tally.last = true, now
}

func (d *direction) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.active = false
}

// count ends what measure began: how many have arrived since.
func (d *direction) count() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tally.counted += d.tally.arrived
	return d.tally.counted
}

// missing is how many packets have not arrived, and how many have.
func (d *direction) missing() (missing, arrived uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &d.tally
	return t.sent - min(t.arrived, t.sent), t.arrived
}

// reserve takes up to so many packets, in whole bursts, and writes down at the
// desk whose they are. They are sent, by their stamp, when they are counted.
// The caller holds mu, and sends them without it.
func (d *direction) reserve(k *desk, packets int) {
	chunks := k.chunks[:0]
	k.time = d.now()
	for packets > 0 && len(chunks) < cap(chunks) {
		if d.left == 0 {
			if packets < d.burst || !d.nextTurn() {
				break
			}
			d.left = d.burst
		}
		n := min(d.left, d.most)
		f := &d.flows[d.turn]
		chunks = append(chunks, chunk{uint32(d.turn), int32(n), f.sent})
		f.sent += uint64(n)
		d.left -= n
		packets -= n
		d.tally.sent += uint64(n)
	}
	k.chunks = chunks
}

// nextTurn goes on to the next flow whose lines are whole; false: none is.
func (d *direction) nextTurn() bool {
	for range d.flows {
		d.turn = (d.turn + 1) % len(d.flows)
		if !d.src[d.turn].broken() && !d.dst[d.turn].broken() {
			return true
		}
	}
	return false
}

// room is how many packets the window lets out.
func (d *direction) room() int {
	t := &d.tally
	out := int64(t.sent) - int64(t.arrived) - int64(t.givenUp)
	if out < 0 { // what was given up came after all
		t.givenUp -= uint64(-out)
		out = 0
	}
	return d.window - int(out)
}

// refill sends what the window has room for.
func (d *direction) refill(k *desk) {
	for {
		d.mu.Lock()
		packets := 0
		if d.active {
			packets = d.room()
		}
		d.reserve(k, packets)
		d.mu.Unlock()
		if len(k.chunks) == 0 {
			return
		}
		d.send(k)
	}
}

// sendDue sends so many packets, in whole bursts.
func (d *direction) sendDue(k *desk, packets int) {
	for packets > 0 {
		d.mu.Lock()
		d.reserve(k, packets)
		d.mu.Unlock()
		if len(k.chunks) == 0 {
			return
		}
		for _, c := range k.chunks {
			packets -= int(c.n)
		}
		d.send(k)
	}
}

// reopen gives up what was sent when nothing has arrived for so long, so that
// loss can't stop a closed loop.
func (d *direction) reopen(now int64, silence time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &d.tally
	out := d.window - d.room()
	if !d.active || out <= 0 || now-t.last <= int64(silence) {
		return
	}
	t.givenUp += uint64(out)
	t.stalls++
	t.last = now
}

// send frames and sends the desk's chunks.
func (d *direction) send(k *desk) {
	s := stamp{run: d.run, time: k.time}
	for i, c := range k.chunks {
		l := &d.src[c.flow]
		size := l.frameSize(d.size)
		b := k.slot(i)[:size*int(c.n)]
		s.flow, s.seq = uint64(c.flow), c.first
		for at := 0; at < len(b); at += size {
			l.put(b[at:], d.size, &s)
			s.seq++
			if l.mask != nil {
				s.time++ // no two have the same id
			}
		}
		if l.stream != nil {
			l.stream.write(b)
			continue
		}
		k.out.add(l.socket, l.to, l.local, b, size)
	}
	k.out.flush()
}

// broken reports whether nothing can be sent on the line any more.
func (l *line) broken() bool { return l.stream != nil && l.stream.dead.Load() }

// take takes what has arrived: over is the line, if it is known before the
// packet is read, as that of a connection. The caller holds mu.
func (d *direction) take(p *packet, socket *socket, over *line, now int64) {
	payload, ok := p.b, true
	var peer netip.AddrPort
	var number uint16
	if d.dst[0].framing != raw {
		switch {
		case isResponse(p.b):
			d.takeResponse(p, now)
			return
		case isData(p.b):
			peer, payload, ok = parseData(p.b)
		default:
			number, payload, ok = dataplane.ParseChannelData(p.b)
		}
	}
	s, stamped := parseStamp(payload)
	t := &d.tally
	if !ok || !stamped || len(payload) != d.size || s.run != d.run || s.flow >= uint64(len(d.flows)) {
		t.refuse(p, "not a packet of this run and of its size")
		return
	}
	t.last = now
	l, f := &d.dst[s.flow], &d.flows[s.flow]
	switch {
	case l.socket != socket || over != nil && l != over || p.local.IsValid() && p.local != l.local:
		t.refuse(p, "of another client")
		return
	case p.from != l.to:
		t.refuse(p, "not from "+l.to.String())
		return
	case number != l.number() || peer != l.told():
		t.refuse(p, "by another channel or of another peer")
		return
	case !f.arrive(s.seq):
		t.refuse(p, "doubled, or never sent")
		return
	}
	t.arrived++
	if s.time > t.since {
		t.received++
		t.latency.add(now - s.time)
		f.time(now - s.time)
	}
}

// refuse counts a bad packet.
func (t *tally) refuse(p *packet, why string) {
	if t.bad++; t.first == "" {
		t.first = fmt.Sprintf("%d bytes from %s: %s", len(p.b), p.from, why)
	}
}

// takeFrames takes what has arrived on the connection of a line.
func (d *direction) takeFrames(f *frames, l *line, now int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := packet{from: l.to}
	for {
		var err error
		if p.b, err = f.next(); p.b == nil {
			return err
		}
		d.take(&p, nil, l, now)
	}
}

// number and told are what an arriving packet must tell.
func (l *line) number() uint16 {
	if l.framing == channel {
		return l.channel
	}
	return 0
}

func (l *line) told() netip.AddrPort {
	if l.framing == indication {
		return l.peer
	}
	return netip.AddrPort{}
}

// takeResponse counts an answer to challenge or binding, or hands it on.
func (d *direction) takeResponse(p *packet, now int64) {
	mask := d.dst[0].mask
	if mask == nil {
		d.answer(p.b)
		return
	}
	q := questionOf(p.b[8:stunHeader], mask)
	t := &d.tally
	if q.flow >= uint32(len(d.flows)) || p.from != d.dst[q.flow].to || q.time > now+int64(time.Millisecond) {
		t.refuse(p, "not an answer to what was asked")
		return
	}
	t.last = now
	t.arrived++ // and the window has room again, whatever was answered
	if q.time <= t.since {
		return
	}
	if !answers(d.dst[0].framing, p.b) {
		t.refuse(p, "not the answer that it should be")
		return
	}
	t.received++
	t.latency.add(now - q.time)
}

// answers reports whether b is the answer that the question is to get.
func answers(asked framing, b []byte) bool {
	kind := binary.BigEndian.Uint16(b)
	if asked == binding {
		return kind == methodBinding|classSuccess
	}
	if kind != methodAllocate|classError {
		return false
	}
	r, ok := parseResponse(b)
	return ok && r.code == 401
}

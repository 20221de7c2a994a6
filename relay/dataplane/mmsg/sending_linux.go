package mmsg

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

const (
	// maxItems bounds the datagrams that wait to be sent. One message with
	// UDP_GRO has up to 128 of them in later kernels.
	maxItems  = 1024
	maxRuns   = maxItems
	maxOut    = 256  // messages in one sendmmsg
	maxParts  = 1024 // of them in all, and in one message (UIO_MAXIOV)
	headRoom  = maxItems * dataplane.Headroom
	maxAnswer = batch * dataplane.MaxControl
)

// sending is what a worker has to send at the end of a batch, sorted into runs.
type sending struct {
	batch   uint64 // numbers the batches
	items   []item
	runs    []run
	entered []*dataplane.Flow
	streams []dataplane.Stream
	heads   []byte // framing of items, one behind the other
	answers []byte
	scratch []byte // a message for a stream

	out  *udpio.Out
	sent []message // what each message of out holds
	one  *udpio.Out
}

// item is a datagram: framing, payload, padding.
type item struct {
	head, body []byte
	pad        int
	next       int32 // in its run; -1: the last
}

func (i *item) size() int { return len(i.head) + len(i.body) + i.pad }

// run is datagrams over one socket to one destination, in order.
type run struct {
	socket      *socket // nil: answers
	flow        *dataplane.Flow
	way         way
	to          netip.AddrPort
	listener    dataplane.ListenerID // the way to a client
	first, last int32
}

// way is a direction.
type way uint8

const (
	toPeer way = iota
	toClient
)

// message is some datagrams of a run.
type message struct {
	run      *run
	first    int32
	n, bytes int // datagrams, payload
}

var zeros [4]byte

func (x *sending) init() {
	x.batch = 1
	x.items, x.runs = make([]item, 0, maxItems), make([]run, 0, maxRuns)
	x.heads, x.answers = make([]byte, 0, headRoom), make([]byte, 0, maxAnswer)
	x.scratch = make([]byte, dataplane.Headroom+maxPayload+dataplane.Tailroom)
	x.out, x.one, x.sent = udpio.NewOut(maxOut, maxParts), udpio.NewOut(1, 3), make([]message, 0, maxOut)
}

// enter keeps the flow of a socket until the end of the batch. nil: there is
// none. A flow that another worker serves is entered for each datagram, since
// only its own may write that it is.
func (w *worker) enter(s *socket) *dataplane.Flow {
	f := s.flow.Load() // before the rest of s is there
	if f == nil || s.worker == w && s.entered == w.batch {
		return f
	}
	if !f.Enter() {
		return nil
	}
	if s.worker == w {
		s.entered = w.batch
	}
	w.entered = append(w.entered, f)
	return f
}

// makeRoom makes sure that one more datagram can be queued. Nobody is entered
// afterwards.
func (w *worker) makeRoom() {
	if len(w.items) == maxItems {
		w.flush()
	}
}

func (w *worker) toPeer(s *socket, f *dataplane.Flow, peer netip.AddrPort, payload []byte) {
	w.queue(run{socket: s, flow: f, way: toPeer, to: peer}, item{body: payload})
}

func (w *worker) toDatagramClient(s *socket, f *dataplane.Flow, channel uint16, from netip.AddrPort, payload []byte) {
	head := w.heads[len(w.heads) : len(w.heads)+dataplane.Headroom]
	it := item{body: payload}
	if channel != 0 {
		it.head = head[:dataplane.PutChannelHeader(head, len(payload), channel)]
	} else {
		it.head = head[:dataplane.PutDataHeader(head, len(payload), from)]
		it.pad = -len(payload) & 3
	}
	w.heads = w.heads[:len(w.heads)+len(it.head)]
	w.queue(run{socket: s, flow: f, way: toClient, to: f.Client.Addr, listener: f.Client.Listener}, it)
}

// queue adds an item to the run that goes the same way. There may be another
// run of the same flow to another peer in between.
func (w *worker) queue(r run, it item) {
	it.next = -1
	w.items = append(w.items, it)
	at := int32(len(w.items) - 1)
	if old := w.run(&r); old != nil {
		w.items[old.last].next, old.last = at, at
		return
	}
	r.first, r.last = at, at
	w.runs = append(w.runs, r)
	if r.socket != nil && r.socket.worker == w {
		r.socket.runs[r.way] = w.batch<<16 | uint64(len(w.runs)-1)
	}
}

// run is the run that r goes on, or nil.
func (w *worker) run(r *run) *run {
	at := len(w.runs) - 1 // what other workers serve
	if r.socket != nil && r.socket.worker == w {
		known := r.socket.runs[r.way]
		if known>>16 != w.batch {
			return nil
		}
		at = int(known & 0xffff)
	}
	if at < 0 {
		return nil
	}
	if x := &w.runs[at]; x.socket == r.socket && x.way == r.way && x.to == r.to && x.listener == r.listener {
		return x
	}
	return nil
}

// answer has a message judged that is no data, and queues the answer.
func (w *worker) answer(d *door, c *dataplane.Client, b []byte) {
	if maxAnswer-len(w.answers) < dataplane.MaxControl {
		w.flush()
	}
	at := len(w.answers)
	a := d.control(*c, b, w.now, w.answers[at:at:at+dataplane.MaxControl])
	if len(a) == 0 {
		return
	}
	if cap(a) == dataplane.MaxControl { // else it is not in our room
		w.answers = w.answers[:at+len(a)]
	}
	w.queue(run{way: toClient, to: c.Addr, listener: d.id}, item{body: a})
}

// toStream sends a payload over TCP or TLS.
func (w *worker) toStream(f *dataplane.Flow, channel uint16, from netip.AddrPort, payload []byte) {
	stream := f.Client.Stream
	v := stream.Queue(frame(w.scratch, channel, from, payload))
	if v != dataplane.Allow {
		w.counted.Drop(f, v)
		return
	}
	f.Count.ToClient.Add(len(payload))
	w.counted.ToClient[f.Class].Add(len(payload))
	if n := len(w.streams); n == 0 || w.streams[n-1] != stream {
		w.streams = append(w.streams, stream)
	}
}

// frame copies a payload into room and frames it there.
func frame(room []byte, channel uint16, from netip.AddrPort, payload []byte) []byte {
	copy(room[dataplane.Headroom:], payload)
	if channel != 0 {
		return dataplane.PutChannelData(room, dataplane.Headroom, len(payload), channel)
	}
	return dataplane.PutData(room, dataplane.Headroom, len(payload), from)
}

// flush sends everything, counts it and leaves the flows.
func (w *worker) flush() {
	listener := dataplane.ListenerID(-1)
	for i := range w.runs {
		if r := &w.runs[i]; r.way == toPeer {
			w.build(r, r.socket.fd)
			w.transmit(r.socket.fd)
		}
	}
	for i := range w.runs {
		r := &w.runs[i]
		if r.way != toClient {
			continue
		}
		if r.listener != listener {
			if listener >= 0 {
				w.transmit(w.door(listener).fd)
			}
			listener = r.listener
		}
		w.build(r, w.door(listener).fd)
	}
	if listener >= 0 {
		w.transmit(w.door(listener).fd)
	}
	for _, s := range w.streams {
		s.Flush()
	}
	for _, f := range w.entered {
		f.Leave()
	}
	w.forget()
}

// forget begins the next batch.
func (w *worker) forget() {
	clear(w.streams)
	clear(w.entered)
	clear(w.runs)
	w.items, w.runs, w.entered, w.streams = w.items[:0], w.runs[:0], w.entered[:0], w.streams[:0]
	w.heads, w.answers = w.heads[:0], w.answers[:0]
	w.batch++
}

// build makes messages of a run: of datagrams of one size, and one smaller at
// the end, the kernel makes itself (UDP_SEGMENT).
func (w *worker) build(r *run, fd int) {
	for at := r.first; at >= 0; {
		if !w.out.Room(3) {
			w.transmit(fd)
		}
		first := &w.items[at]
		m := message{run: r, first: at, n: 1, bytes: len(first.body)}
		size, total := first.size(), first.size()
		w.out.Start(r.to)
		w.add(first)
		at = first.next
		for at >= 0 && w.segments(r, size) {
			it := &w.items[at]
			n := it.size()
			if n > size || n == 0 || total+n > udpio.MaxMessage || m.n == udpio.MaxSegments || !w.out.RoomForParts(3) {
				break
			}
			w.add(it)
			m.n, m.bytes, total, at = m.n+1, m.bytes+len(it.body), total+n, it.next
			if n < size {
				break
			}
		}
		if m.n > 1 {
			w.out.Segment(size)
		}
		w.sent = append(w.sent, m)
	}
}

func (w *worker) add(it *item) {
	w.out.Part(it.head)
	w.out.Part(it.body)
	w.out.Part(zeros[:it.pad])
}

// segments reports whether datagrams of a size may go in one message.
func (w *worker) segments(r *run, size int) bool {
	if size == 0 || r.socket == nil || !w.p.gso.Load() {
		return false
	}
	limit := r.socket.segment[r.way].Load()
	return limit == 0 || size < int(limit)
}

// transmit sends the messages that were built, over one socket.
func (w *worker) transmit(fd int) {
	for at, all := 0, w.out.Len(); at < all; {
		n, err := w.out.Send(fd, at, all)
		for _, m := range w.sent[at : at+n] {
			w.settle(&m, dataplane.Allow)
		}
		if at += n; err != nil {
			at += w.unsent(fd, at, all, err)
		}
	}
	w.out.Reset()
	w.sent = w.sent[:0]
}

// unsent deals with message at, which the kernel refused, and returns how many
// messages are dealt with.
func (w *worker) unsent(fd, at, all int, err error) int {
	m := &w.sent[at]
	switch {
	case m.n > 1 && (err == unix.EINVAL || err == unix.EMSGSIZE || err == unix.EIO || err == unix.EOPNOTSUPP):
		w.singly(fd, m, err)
	case err == unix.EAGAIN: // nor would it take the others
		for i := at; i < all; i++ {
			w.settle(&w.sent[i], dataplane.SocketFull)
		}
		return all - at
	case err == unix.EMSGSIZE:
		w.settle(m, verdict(w.out.SendFragmented(fd, at)))
	default:
		w.settle(m, verdict(err))
	}
	return 1
}

// singly sends the datagrams of a message one by one: the path does not take
// them as segments, because they are larger than its MTU (EINVAL, EMSGSIZE), or
// because the device can't compute checksums (EIO).
func (w *worker) singly(fd int, m *message, err error) {
	if errors.Is(err, unix.EIO) {
		w.p.gso.Store(false)
	} else {
		m.run.socket.segment[m.run.way].Store(int32(w.items[m.first].size()))
	}
	at := m.first
	for range m.n {
		it := &w.items[at]
		w.one.Reset()
		w.one.Start(m.run.to)
		w.one.Part(it.head)
		w.one.Part(it.body)
		w.one.Part(zeros[:it.pad])
		w.settle(&message{run: m.run, n: 1, bytes: len(it.body)}, sendOne(w.one, fd))
		at = it.next
	}
}

// settle counts what became of a message.
func (w *worker) settle(m *message, v dataplane.Verdict) {
	f := m.run.flow
	switch {
	case v != dataplane.Allow:
		w.counted.DropMany(f, v, m.n)
	case f == nil: // an answer
	case m.run.way == toPeer:
		f.Count.ToPeer.AddMany(m.n, m.bytes)
		w.counted.ToPeer[f.Class].AddMany(m.n, m.bytes)
	default:
		f.Count.ToClient.AddMany(m.n, m.bytes)
		w.counted.ToClient[f.Class].AddMany(m.n, m.bytes)
	}
}

package mmsg

import (
	"net/netip"

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
	sender

	batch   uint64 // numbers the batches
	runs    []run
	entered []*dataplane.Flow
	streams []dataplane.Stream
	heads   []byte // framing of items, one behind the other
	answers []byte
	scratch []byte // a message for a stream
}

func (x *sending) init(p *Plane, counted *dataplane.Counters) {
	x.sender = newSender(p, counted, maxItems, maxOut, maxParts)
	x.batch = 1
	x.runs = make([]run, 0, maxRuns)
	x.heads, x.answers = make([]byte, 0, headRoom), make([]byte, 0, maxAnswer)
	x.scratch = make([]byte, dataplane.Headroom+maxPayload+dataplane.Tailroom)
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

func (w *worker) toPeer(s *socket, f *dataplane.Flow, peer netip.AddrPort, data *dataplane.Data) {
	w.queue(run{socket: s, flow: f, way: toPeer, to: peer}, item{body: data.Payload, whole: data.DontFragment})
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

// toStreamClient sends a payload over TCP or TLS.
func (w *worker) toStreamClient(f *dataplane.Flow, channel uint16, from netip.AddrPort, payload []byte) {
	if v := w.toStream(f, frame(w.scratch, channel, from, payload)); v != dataplane.Allow {
		w.counted.Drop(f, v)
		return
	}
	f.Count.ToClient.Add(len(payload))
	w.counted.ToClient[f.Class].Add(len(payload))
}

// toStream queues a message for the client of f, until the end of the batch.
func (w *worker) toStream(f *dataplane.Flow, b []byte) dataplane.Verdict {
	stream := f.Client.Stream
	v := stream.Queue(b)
	if n := len(w.streams); v == dataplane.Allow && (n == 0 || w.streams[n-1] != stream) {
		w.streams = append(w.streams, stream)
	}
	return v
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

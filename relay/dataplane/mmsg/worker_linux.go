package mmsg

import (
	"net/netip"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

const (
	maxPayload = 4096 // as package std

	batch      = 64  // messages of a listener in a turn
	relayBatch = 32  // of a relay socket, so that a flood has a smaller share
	smallRoom  = 192 // messages, one datagram each, that are held before they are sent
	largeRoom  = 32  // messages of many datagrams
	maxEvents  = 128

	// yieldAfter is how many messages in one batch show that the worker has no
	// idle moments left, in which the runtime would give others its place.
	yieldAfter = 32
)

// worker is a thread that moves datagrams. Everything in it is its own but for
// what writers change by atomic stores.
type worker struct {
	p       *Plane
	number  int
	epoll   int
	wake    int
	clients clients
	counted dataplane.Counters

	events  [maxEvents]unix.EpollEvent
	ready   []source // sockets that may have more
	later   []source
	small   *udpio.In // for sockets that give one datagram a message
	large   *udpio.In // for those with UDP_GRO
	now     time.Time
	serving int  // messages since the last wait
	full    bool // the kernel may have more to tell
	stopped bool

	sending
}

// source is a socket with something to read.
type source struct {
	listener *door
	relay    *socket
}

// door is a worker's socket of a listener.
type door struct {
	*listener
	fd     int
	queued bool // in ready
}

func newWorker(p *Plane, number int) (*worker, error) {
	w := &worker{
		p: p, number: number, epoll: -1, wake: -1,
		small: udpio.NewIn(smallRoom, maxPayload+dataplane.MaxFraming, udpio.InOptions{}),
		large: udpio.NewIn(largeRoom, udpio.MaxMessage, udpio.InOptions{}),
	}
	w.clients.init()
	w.sending.init()
	var err error
	if w.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	if w.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		w.close()
		return nil, err
	}
	if err = w.watch(w.wake, keyWake); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *worker) close() {
	for _, fd := range []int{w.epoll, w.wake} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// watch has the worker told when the socket has something to read: once, until
// it has been read empty.
func (w *worker) watch(fd int, key uint64) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET&0xffffffff}
	*(*uint64)(unsafe.Pointer(&e.Fd)) = key // epoll_data
	return unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &e)
}

// stop has runWorker return soon.
func (w *worker) stop() {
	_, _ = unix.Write(w.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// runWorker serves the worker's sockets until stop.
func (w *worker) runWorker() {
	for !w.stopped {
		w.wait()
		w.now, w.serving = w.p.o.Now(), 0
		w.turn()
		w.flush()
		w.recycle()
		switch {
		case w.serving >= yieldAfter:
			runtime.Gosched()
		case w.p.o.Coalesce > 0 && w.serving > 0 && len(w.ready) == 0 && !w.full:
			nap(w.p.o.Coalesce)
		}
	}
}

// nap blocks the thread: a timer of the runtime would cost it a search for
// other work first.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil)
}

// wait waits for sockets with something to read, but not if some have it still.
func (w *worker) wait() {
	timeout := -1
	if len(w.ready) > 0 {
		timeout = 0
	}
	n, err := unix.EpollWait(w.epoll, w.events[:], timeout)
	if err != nil {
		return // EINTR: nothing else can be wrong with it
	}
	w.full = n == len(w.events)
	for i := range w.events[:n] {
		switch key := *(*uint64)(unsafe.Pointer(&w.events[i].Fd)); {
		case key == keyWake:
			w.stopped = true
		case key&keyListener != 0:
			if d := w.door(dataplane.ListenerID(key &^ keyListener)); !d.queued {
				d.queued = true
				w.ready = append(w.ready, source{listener: d})
			}
		default:
			// Without a flow it has been closed since, and its worker is not known.
			if s := w.p.sockets.find(key); s != nil && s.flow.Load() != nil && s.worker == w && !s.queued {
				s.queued = true
				w.ready = append(w.ready, source{relay: s})
			}
		}
	}
}

// door is the worker's own of a listener.
func (w *worker) door(id dataplane.ListenerID) *door {
	return (*w.p.listeners.Load())[id].doors[w.number]
}

// turn gives each socket that is ready one turn.
func (w *worker) turn() {
	now := w.ready
	w.ready = w.later[:0]
	for _, from := range now {
		if from.listener != nil {
			w.serveListener(from.listener)
		} else {
			w.serveRelay(from.relay)
		}
	}
	clear(now)
	w.later = now[:0]
}

// room is where the next messages of a socket are received.
func (w *worker) room(gro bool, most int) *udpio.In {
	in := w.small
	if gro {
		in, most = w.large, min(most, largeRoom)
	}
	if in.Room() < min(most, 16) {
		w.flush()
		w.recycle()
	}
	return in
}

// recycle forgets what was received; it has been sent.
func (w *worker) recycle() {
	w.small.Reset()
	w.large.Reset()
}

func (w *worker) serveListener(d *door) {
	in := w.room(d.gro, batch)
	first, most := in.Len(), min(batch, in.Room())
	n, err := in.More(d.fd, most)
	w.serving += n
	for i := first; i < first+n; i++ {
		w.fromClient(d, in, i)
	}
	if d.queued = more(n, most, err); d.queued {
		w.ready = append(w.ready, source{listener: d})
	}
}

// more reports whether a socket that gave n messages may have more. An error
// other than that there is nothing belongs to a datagram sent before; it is gone
// now that it has been told.
func more(n, most int, err error) bool {
	return n == most && n > 0 || err != nil && err != unix.EAGAIN && err != unix.EBADF
}

func (w *worker) serveRelay(s *socket) {
	s.queued = false
	in := w.room(w.p.gro, relayBatch)
	if w.enter(s) == nil {
		return
	}
	first, most := in.Len(), min(relayBatch, in.Room())
	n, err := in.More(s.fd, most)
	w.serving += n
	for i := first; i < first+n; i++ {
		w.fromPeer(s, in, i)
	}
	if s.queued = more(n, most, err); s.queued {
		w.ready = append(w.ready, source{relay: s})
	}
}

// split calls do for each datagram in message i.
func split(in *udpio.In, i int, gro bool, do func(b []byte)) {
	b := in.Bytes(i)
	if gro {
		if size := in.Segment(i); size > 0 {
			for len(b) > size {
				do(b[:size])
				b = b[size:]
			}
		}
	}
	do(b)
}

// fromClient takes a message that came to a listener.
func (w *worker) fromClient(d *door, in *udpio.In, i int) {
	c := dataplane.Client{Listener: d.id, Addr: in.Addr(i)}
	own := w.p.relays.Find(c.Addr) != nil
	cut := in.Truncated(i)
	split(in, i, d.gro, func(b []byte) {
		switch {
		case own:
			// A relay of ours never talks to a listener of ours over the network:
			// loops and nested allocations end here (RFC 8656 §21.1.7).
			w.counted.Drop(nil, dataplane.OwnRelay)
		case cut || len(b) > maxPayload+dataplane.MaxFraming:
			w.counted.Drop(nil, dataplane.Oversize)
		default:
			w.message(d, &c, b)
		}
	})
}

// message takes a datagram of a client.
func (w *worker) message(d *door, c *dataplane.Client, b []byte) {
	w.makeRoom()
	data, kind := dataplane.ParseData(b)
	switch kind {
	case dataplane.Stop:
		w.counted.Drop(nil, dataplane.Malformed)
		return
	case dataplane.HandUp:
		w.counted.Control.Add(len(b))
		w.answer(d, c, b)
		return
	}
	s := w.find(c)
	if s == nil {
		w.counted.Drop(nil, dataplane.NoFlow)
		return
	}
	f := w.enter(s)
	if f == nil {
		w.counted.Drop(nil, dataplane.NoFlow)
		return
	}
	peer, v := judge(f, &data, w.now)
	if v != dataplane.Allow {
		w.counted.Drop(f, v)
		return
	}
	if other := w.p.relays.Find(peer); other != nil {
		w.handOver(f, other, data.Payload)
		return
	}
	w.toPeer(s, f, peer, data.Payload)
}

// find is the client's relay socket. Its datagrams may come to another worker
// than the one that serves it: see steer.
func (w *worker) find(c *dataplane.Client) *socket {
	if s := w.clients.find(c); s != nil || len(w.p.workers) == 1 {
		return s
	}
	if home := w.p.workers[steer(c.Addr, len(w.p.workers))]; home != w {
		return home.clients.find(c)
	}
	return nil
}

func judge(f *dataplane.Flow, data *dataplane.Data, now time.Time) (netip.AddrPort, dataplane.Verdict) {
	if len(data.Payload) > maxPayload {
		return netip.AddrPort{}, dataplane.Oversize
	}
	return f.Pass.ToPeer(data.Channel, data.Peer, len(data.Payload), now)
}

// handOver gives a payload to the flow of another relay of ours. For the sender
// it has left.
func (w *worker) handOver(f *dataplane.Flow, other *dataplane.Relay, payload []byte) {
	f.Count.ToPeer.Add(len(payload))
	w.counted.ToPeer[f.Class].Add(len(payload))
	w.counted.HandedOver.Add(len(payload))
	s := other.Socket.(*socket)
	g := w.enter(s)
	if g == nil {
		w.counted.Drop(nil, dataplane.NoFlow)
		return
	}
	w.toClient(s, g, f.Relay.Public, payload)
}

// fromPeer takes a message that came to a relay socket.
func (w *worker) fromPeer(s *socket, in *udpio.In, i int) {
	from := in.Addr(i)
	own := w.p.relays.Find(from) != nil // those are handed over, so this one is forged
	cut := in.Truncated(i)
	split(in, i, w.p.gro, func(b []byte) {
		w.makeRoom()
		f := w.enter(s)
		switch {
		case own:
			w.counted.Drop(nil, dataplane.OwnRelay)
		case f == nil:
			w.counted.Drop(nil, dataplane.NoFlow)
		case cut:
			w.counted.Drop(f, dataplane.Oversize)
		default:
			w.toClient(s, f, from, b)
		}
	})
}

// toClient judges a payload and queues it for the client of f, which is entered.
func (w *worker) toClient(s *socket, f *dataplane.Flow, from netip.AddrPort, payload []byte) {
	if len(payload) > maxPayload {
		w.counted.Drop(f, dataplane.Oversize)
		return
	}
	channel, v := f.Pass.ToClient(from, len(payload), w.now)
	switch {
	case v != dataplane.Allow:
		w.counted.Drop(f, v)
	case f.Client.Stream != nil:
		w.toStream(f, channel, from, payload)
	default:
		w.toDatagramClient(s, f, channel, from, payload)
	}
}

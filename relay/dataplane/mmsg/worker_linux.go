package mmsg

import (
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

const (
	maxPayload = 4096 // as package std

	batch      = 64        // messages of a listener in a turn
	relayBatch = 32        // of a relay socket, so that a flood has a smaller share
	smallRoom  = 192       // messages, one datagram each, that are held before they are sent
	roomFor    = 8         // messages at least in a turn
	largeRoom  = 128       // messages of many datagrams
	maxHeld    = 192 << 10 // bytes; what is sent much later has left the cache
	maxEvents  = 128

	// yieldAfter is how many datagrams in one batch show that the worker has no
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
	errors  *udpio.In
	deaf    []*socket // whose errors the kernel keeps to itself for now, the first first
	now     time.Time
	serving int  // datagrams since the last wait
	held    int  // bytes received and not sent
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
		small:  udpio.NewIn(smallRoom, maxPayload+dataplane.MaxFraming, udpio.InOptions{}),
		large:  udpio.NewIn(largeRoom, udpio.MaxMessage, udpio.InOptions{}),
		errors: udpio.NewIn(errorBatch, 0, udpio.InOptions{}),
	}
	w.clients.init()
	w.sending.init(p, &w.counted)
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
		w.listenAgain()
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

// wait waits for sockets with something to read, but not if some have it still,
// nor beyond the end of a flood.
func (w *worker) wait() {
	timeout := -1
	if len(w.deaf) > 0 {
		timeout = int(errorWindow / time.Millisecond)
	}
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
			if s := w.p.sockets.find(key); s != nil && s.flow.Load() != nil && s.worker == w {
				s.failed = s.failed || w.events[i].Events&unix.EPOLLERR != 0
				if !s.queued {
					s.queued = true
					w.ready = append(w.ready, source{relay: s})
				}
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
func (w *worker) room(gro bool) *udpio.In {
	in := w.small
	if gro {
		in = w.large
	}
	if in.Room() < roomFor || w.held > maxHeld {
		w.flush()
		w.recycle()
	}
	return in
}

// recycle forgets what was received; it has been sent.
func (w *worker) recycle() {
	w.small.Reset()
	w.large.Reset()
	w.held = 0
}

func (w *worker) serveListener(d *door) {
	in := w.room(d.gro)
	first, most := in.Len(), min(batch, in.Room())
	n, err := in.More(d.fd, most)
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
	if s.failed {
		w.serveErrors(s)
	}
	in := w.room(w.p.gro)
	if w.enter(s) == nil {
		return
	}
	first, most := in.Len(), min(relayBatch, in.Room())
	n, err := in.More(s.fd, most)
	for i := first; i < first+n; i++ {
		w.fromPeer(s, in, i)
	}
	if s.queued = more(n, most, err); s.queued {
		w.ready = append(w.ready, source{relay: s})
	}
}

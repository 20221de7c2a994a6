package mmsg

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// Plane is the data plane for Linux.
type Plane struct {
	o       Options
	whole   bool        // datagrams can be kept from being fragmented
	gro     bool        // what arrives as one message may be many datagrams
	icmp    bool        // the kernel tells of ICMP errors
	gso     atomic.Bool // false once a device could not
	workers []*worker

	relays    dataplane.Directory
	sockets   sockets
	streams   clients // of TCP and TLS
	counted   dataplane.Counters
	listeners atomic.Pointer[[]*listener]
	steering  atomic.Bool

	mu      sync.RWMutex // guards the following; held for reading where a listener's socket is used
	started bool
	closed  bool
	running sync.WaitGroup
}

// listener is an address that clients send to.
type listener struct {
	id      dataplane.ListenerID
	local   netip.AddrPort
	control dataplane.Control
	gro     bool
	doors   []*door // by worker
}

var _ dataplane.Plane = (*Plane)(nil)

// New makes a plane that has nothing open yet.
func New(o Options) (*Plane, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	p := &Plane{o: o, whole: canKeepWhole()}
	p.streams.init()
	p.listeners.Store(new([]*listener))
	return p, nil
}

// startLocked starts the workers, with the first socket.
func (p *Plane) startLocked() error {
	if p.closed {
		return dataplane.ErrClosed
	}
	if p.started {
		return nil
	}
	var workers []*worker
	for i := range p.o.Workers {
		w, err := newWorker(p, i)
		if err != nil {
			for _, w := range workers {
				w.close()
			}
			return fmt.Errorf("mmsg: worker %d: %w", i, err)
		}
		workers = append(workers, w)
	}
	p.probe()
	p.workers, p.started = workers, true
	for _, w := range workers {
		p.running.Go(w.runWorker)
	}
	return nil
}

// Listen implements dataplane.Plane.
func (p *Plane) Listen(at netip.AddrPort, control dataplane.Control) (dataplane.ListenerID, netip.AddrPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.startLocked(); err != nil {
		return 0, netip.AddrPort{}, err
	}
	old := *p.listeners.Load()
	l := &listener{id: dataplane.ListenerID(len(old)), local: at, control: control, gro: p.gro}
	if err := l.open(p); err != nil {
		l.close()
		return 0, netip.AddrPort{}, fmt.Errorf("listen on udp %s: %w", at, err)
	}
	all := append(old[:len(old):len(old)], l)
	p.listeners.Store(&all)
	for i, d := range l.doors {
		if err := p.workers[i].watch(d.fd, keyListener|uint64(l.id)); err != nil {
			return 0, netip.AddrPort{}, fmt.Errorf("listen on udp %s: %w", at, err) // closed with the plane
		}
	}
	return l.id, l.local, nil
}

// OpenRelay implements dataplane.Plane.
func (p *Plane) OpenRelay(bind, public netip.AddrPort) (*dataplane.Relay, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for !p.started || p.closed {
		if err := p.start(); err != nil {
			return nil, err
		}
	}
	fd, err := open(bind, func(fd int) error { return p.tuneRelay(fd, bind.Addr().Is6()) })
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, dataplane.ErrPortInUse
	} else if err != nil {
		return nil, fmt.Errorf("open relay socket on %s: %w", bind, err)
	}
	s := &socket{fd: fd, v6: bind.Addr().Is6()}
	s.relay = &dataplane.Relay{Bind: bind, Public: public, Socket: s}
	if err := p.sockets.add(s); err != nil {
		unix.Close(fd)
		return nil, err
	}
	if err := p.relays.Add(s.relay); err != nil {
		p.sockets.remove(s)
		unix.Close(fd)
		return nil, err
	}
	return s.relay, nil
}

// start starts the workers; p.mu is held for reading, before and after.
func (p *Plane) start() error {
	p.mu.RUnlock()
	defer p.mu.RLock()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startLocked()
}

func (p *Plane) tuneRelay(fd int, ip6 bool) error {
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, p.o.RelayBuffer)
	if p.icmp {
		if err := udpio.EnableErrors(fd, ip6); err != nil {
			return err
		}
	}
	if p.gro {
		return udpio.EnableGRO(fd)
	}
	return nil
}

// clientsOf is the table that a client belongs to, and the worker that serves
// its relay socket.
func (p *Plane) clientsOf(c *dataplane.Client) (*clients, *worker) {
	w := p.workers[steer(c.Addr, len(p.workers))]
	if c.Stream != nil {
		return &p.streams, w
	}
	return &w.clients, w
}

// Install implements dataplane.Plane.
func (p *Plane) Install(f *dataplane.Flow) error {
	s := f.Relay.Socket.(*socket)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return dataplane.ErrClosed
	}
	table, w := p.clientsOf(&f.Client)
	s.worker = w
	if !table.add(f.Client, s) {
		return dataplane.ErrClientInUse
	}
	s.flow.Store(f)
	if err := w.watch(s.fd, s.key); err != nil {
		table.remove(f.Client, s)
		s.flow.Store(nil)
		f.Close()
		return fmt.Errorf("mmsg: watch the relay socket of %s: %w", f.Relay.Bind, err)
	}
	return nil
}

// Remove implements dataplane.Plane.
func (p *Plane) Remove(r *dataplane.Relay) {
	s := r.Socket.(*socket)
	s.gone.Do(func() { // who comes second waits as long as the first
		p.relays.Delete(r)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		f := s.flow.Swap(nil)
		if f != nil {
			table, _ := p.clientsOf(&f.Client)
			table.remove(f.Client, s)
			f.Close()
			if n := overflowed(s.fd); n > 0 {
				p.counted.DropMany(f, dataplane.ReceiveFull, int(n))
			}
		}
		p.sockets.remove(s)
		unix.Close(s.fd)
	})
}

// Live implements dataplane.Plane.
func (p *Plane) Live(addr netip.AddrPort) bool { return p.relays.Find(addr) != nil }

// Counters implements dataplane.Plane. It is a sum that stands still.
func (p *Plane) Counters() *dataplane.Counters {
	sum := new(dataplane.Counters)
	sum.Join(&p.counted)
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, w := range p.workers {
		sum.Join(&w.counted)
	}
	return sum
}

// Close implements dataplane.Plane.
func (p *Plane) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	for _, s := range p.sockets.all() {
		p.Remove(s.relay)
	}
	for _, w := range p.workers {
		w.stop()
	}
	p.running.Wait()
	p.mu.Lock() // nobody uses a listener's socket any more
	defer p.mu.Unlock()
	for _, l := range *p.listeners.Load() {
		l.close()
	}
	for _, w := range p.workers {
		w.close()
	}
	return nil
}

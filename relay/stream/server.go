package stream

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	minPause = 5 * time.Millisecond // after a failed accept, doubling
	maxPause = time.Second
)

// Server owns the connections of its listeners.
type Server struct {
	o        Options
	epoch    time.Time // deadlines count from here
	counters Counters
	done     chan struct{}
	wg       sync.WaitGroup // Serve calls and connections

	mu         sync.Mutex // guards the following fields
	closed     bool
	listeners  map[net.Listener]struct{}
	conns      map[*Conn]struct{}
	sources    map[netip.Prefix]share
	handshakes list.List // of *Conn, oldest first
}

// New checks the options. It opens nothing.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Server{
		o: o, epoch: time.Now(), done: make(chan struct{}),
		listeners: make(map[net.Listener]struct{}), conns: make(map[*Conn]struct{}),
		sources: make(map[netip.Prefix]share),
	}, nil
}

// Counters is what the server counts.
func (s *Server) Counters() *Counters { return &s.counters }

// Serve accepts connections until l is closed, by Close or by its owner, and
// then returns nil. Any other error of an accept costs a pause, never the
// listener.
func (s *Server) Serve(l net.Listener, k Kind) error {
	if err := k.check(&s.o); err != nil {
		return err
	}
	if !s.enlist(l) {
		return errors.Join(errors.New("stream: the server is closed"), l.Close())
	}
	defer s.wg.Done()
	pause := minPause
	for {
		raw, err := l.Accept()
		switch {
		case err == nil:
			pause = minPause
			s.accept(raw, &k)
		case errors.Is(err, net.ErrClosed):
			s.mu.Lock()
			delete(s.listeners, l)
			s.mu.Unlock()
			return nil
		default:
			s.counters.acceptErrors.Add(1)
			s.wait(pause)
			pause = min(2*pause, maxPause)
		}
	}
}

// enlist makes Close close l, and wait for Serve. false: it is too late.
func (s *Server) enlist(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.done:
	}
}

// accept begins or refuses a connection.
func (s *Server) accept(raw net.Conn, k *Kind) {
	c := newConn(s, raw, k)
	s.counters.accepted.Add(1)
	if r := s.admit(c); r != Alive {
		s.counters.over[r].Add(1)
		reset(raw)
		return
	}
	s.counters.open[Opening].Add(1)
	tune(raw)
	go c.runConn()
}

// Close closes the listeners and all connections, and waits until the last Gone
// and the last Serve have returned. Clients have a second to take what is queued
// for them.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.done)
	}
	var errs []error
	for l := range s.listeners {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	conns := make([]*Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.end(Shutdown)
	}
	s.wg.Wait()
	return errors.Join(errs...)
}

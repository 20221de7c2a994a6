package stream

import (
	"container/list"
	"net/netip"
	"time"
)

// share is what one source has of the server.
type share struct{ conns, handshakes int }

// shaking is a connection's place among the handshakes.
type shaking struct {
	place *list.Element // in Server.handshakes; nil: none
	since time.Duration // after Server.epoch
}

// sourceBits is the IPv6 prefix that counts as one source: the least that a
// household gets, as in package ratelimit.
const sourceBits = 56

// source is whom a connection of a counts for.
func source(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = sourceBits
	}
	p, _ := a.Prefix(bits) // of no address it is no prefix: one source as well
	return p
}

// admit makes room for a connection; not Alive: there is none. One that comes
// from a proxy is counted for its client, once that is known.
func (s *Server) admit(c *Conn) Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return Shutdown
	case len(s.conns) >= s.o.MaxConns:
		return MaxConns
	}
	if !c.proxied {
		if r := s.claimLocked(c); r != Alive {
			return r
		}
	}
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	return Alive
}

// claim counts a connection for its client.
func (s *Server) claim(c *Conn) Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claimLocked(c)
}

func (s *Server) claimLocked(c *Conn) Reason {
	if !s.o.Admit(c.remote.Addr()) {
		return Denied
	}
	p := source(c.remote.Addr())
	of := s.sources[p]
	if of.conns >= s.o.MaxConnsPerIP {
		return MaxConnsPerIP
	}
	of.conns++
	s.sources[p] = of
	c.source, c.claimed = p, true
	return Alive
}

// Recheck ends the connections whose clients may not come any more.
func (s *Server) Recheck() {
	for _, c := range s.denied() {
		c.end(Denied)
	}
}

func (s *Server) denied() (some []*Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.claimed && !s.o.Admit(c.remote.Addr()) {
			some = append(some, c)
		}
	}
	return some
}

// leave gives back what the connection had.
func (s *Server) leave(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if !c.claimed {
		return
	}
	of := s.sources[c.source]
	if of.conns--; of.conns == 0 {
		delete(s.sources, c.source)
		return
	}
	s.sources[c.source] = of
}

// handshakeTime is what a handshake may take while others wait: some round trips
// of a slow network.
const handshakeTime = time.Second

// beginHandshake reports whether there is room for one more TLS handshake. If
// not, the oldest makes room once its time is over: a client that begins and
// does not go on must not keep the others out until Options.Handshake.
func (s *Server) beginHandshake(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sources[c.source].handshakes >= (s.o.MaxHandshakes+1)/2 {
		return false
	}
	now := time.Since(s.epoch)
	if s.handshakes.Len() >= s.o.MaxHandshakes {
		oldest := s.handshakes.Front().Value.(*Conn)
		if now-oldest.shaking.since < handshakeTime {
			return false
		}
		s.endHandshakeLocked(oldest)
		oldest.end(MaxHandshakes)
	}
	c.shaking = shaking{s.handshakes.PushBack(c), now}
	s.countHandshakeLocked(c, 1)
	return true
}

func (s *Server) endHandshake(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endHandshakeLocked(c)
}

func (s *Server) endHandshakeLocked(c *Conn) {
	if c.shaking.place == nil { // it has made room
		return
	}
	s.handshakes.Remove(c.shaking.place)
	c.shaking.place = nil
	s.countHandshakeLocked(c, -1)
}

func (s *Server) countHandshakeLocked(c *Conn, n int) {
	of := s.sources[c.source]
	of.handshakes += n
	s.sources[c.source] = of
}

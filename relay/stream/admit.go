package stream

import "net/netip"

// share is what one source has of the server.
type share struct{ conns, handshakes int }

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

// beginHandshake reports whether there is room for one more TLS handshake.
func (s *Server) beginHandshake(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sources[c.source]
	if s.handshakes >= s.o.MaxHandshakes || of.handshakes >= (s.o.MaxHandshakes+1)/2 {
		return false
	}
	s.handshakes++
	of.handshakes++
	s.sources[c.source] = of
	return true
}

func (s *Server) endHandshake(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sources[c.source]
	s.handshakes--
	of.handshakes--
	s.sources[c.source] = of
}

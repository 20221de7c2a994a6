package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// Listener is one address that clients send to.
type Listener struct {
	// Addr is of one interface; port 0 chooses a port for each of the protocols.
	Addr netip.AddrPort
	// UDP, TCP and TLS are what is served there. TCP and TLS share a port: the
	// first byte tells them apart.
	UDP, TCP, TLS bool
	// ProxyFrom are the networks of reverse proxies: a TCP or TLS connection
	// from there begins with a PROXY header, which tells the client's address.
	ProxyFrom []netip.Prefix
}

// Bound is an address that the server listens on.
type Bound struct {
	Addr      netip.AddrPort
	Transport gate.Transport
}

// listen opens one listener. What it has opened is closed with the server, also
// after an error.
func (s *Server) listen(l Listener) ([]Bound, error) {
	var bound []Bound
	if l.UDP {
		_, addr, err := s.o.Plane.Listen(l.Addr, s.control(gate.UDP))
		if err != nil {
			return nil, fmt.Errorf("relay: %w", err)
		}
		bound = append(bound, Bound{addr, gate.UDP})
	}
	if !l.TCP && !l.TLS {
		return bound, nil
	}
	tcp, err := net.Listen("tcp", l.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	s.accepting.Go(func() {
		// It ends with an error only when the listener is closed.
		_ = s.streams.Serve(tcp, stream.Kind{TCP: l.TCP, TLS: l.TLS, ProxyFrom: l.ProxyFrom})
	})
	addr := unmapped(tcp.Addr().(*net.TCPAddr).AddrPort())
	if l.TCP {
		bound = append(bound, Bound{addr, gate.TCP})
	}
	if l.TLS {
		bound = append(bound, Bound{addr, gate.TLS})
	}
	return bound, nil
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// check names what is wrong with a listener.
func (l Listener) check() error {
	switch {
	case !l.Addr.IsValid() || l.Addr.Addr().IsUnspecified() || l.Addr.Addr().Is4In6():
		// An answer must leave from the address that was asked (RFC 8656 §7.2),
		// and a UDP socket of all addresses does not tell which that was.
		return fmt.Errorf("relay: Listen has %s; name each address of this host to listen on", l.Addr)
	case !l.UDP && !l.TCP && !l.TLS:
		return fmt.Errorf("relay: Listen has %s without a transport; set UDP, TCP or TLS", l.Addr)
	case len(l.ProxyFrom) > 0 && !l.TCP && !l.TLS:
		return fmt.Errorf("relay: Listen has %s with ProxyFrom, but only TCP and TLS carry a PROXY header", l.Addr)
	}
	for _, p := range l.ProxyFrom {
		if !p.IsValid() || p.Addr().Is4In6() {
			return fmt.Errorf("relay: Listen has %s with %s in ProxyFrom; name a network, IPv4 as IPv4", l.Addr, p)
		}
	}
	return nil
}

// answers are buffers for what the gate replies to a stream at once.
var answers = sync.Pool{New: func() any { return new([dataplane.MaxControl]byte) }}

// frame takes messages of a TCP or TLS connection, on its goroutine. What costs
// the client no part of a session is taken at a pace.
func (s *Server) frame(c *stream.Conn, buf []byte, messages []dataplane.Span) int {
	client := clientOf(c)
	free := false
	n, kind := s.o.Plane.Deliver(client, buf, messages)
	switch kind {
	case dataplane.HandUp:
		free = s.reply(c, client, messages[n-1].Of(buf))
	case dataplane.Stop: // it cost no meter anything, and costs us all the same
		free = true
	}
	if free || !c.Held() {
		c.Pace()
	}
	return n
}

// reply handles a message that is no data; true: it was answered at once.
func (s *Server) reply(c *stream.Conn, client dataplane.Client, b []byte) bool {
	if !s.serving.Load() { // silence would keep the client waiting
		s.counts.notServing.Add(1)
		c.Close()
		return false
	}
	out := answers.Get().(*[dataplane.MaxControl]byte)
	defer answers.Put(out)
	control := s.control(gate.TCP)
	if c.Secure() {
		control = s.control(gate.TLS)
	}
	answer := control(client, b, s.now(), out[:0])
	if len(answer) == 0 {
		return false
	}
	s.o.Plane.Send(client, answer)
	return true
}

func clientOf(c *stream.Conn) dataplane.Client { return dataplane.Client{Addr: c.Remote(), Stream: c} }

// gone ends the session of a connection that is over: nothing else can reach
// it, since its five-tuple was the connection.
func (s *Server) gone(c *stream.Conn) {
	x := s.sessions.get(clientOf(c))
	if x == nil {
		return
	}
	x.gone.Store(true)
	if x.view.Load().Pending { // finishAllocate sees the mark
		return
	}
	why := EndDisconnected
	if !s.serving.Load() { // an Allocate that was served while the server stopped
		why = EndShutdown
	}
	s.end(x, why)
}

// hold keeps the session's connection, if it has one, from being closed as
// idle; release gives it some time for another Allocate.
func (x *session) hold() {
	if c, ok := x.client.Stream.(*stream.Conn); ok {
		c.Hold()
	}
}

func (x *session) release() {
	if c, ok := x.client.Stream.(*stream.Conn); ok {
		c.Release()
	}
}

// closeStreams closes the listeners and connections, which ends their sessions.
func (s *Server) closeStreams() error {
	if s.streams == nil {
		return nil
	}
	err := s.streams.Close()
	s.accepting.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

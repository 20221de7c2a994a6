package std

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"turnpike/relay/dataplane"
)

// runListener serves one listener socket until it is closed.
func (p *Plane) runListener(id dataplane.ListenerID, s *socket, control dataplane.Control) {
	buf := make([]byte, dataplane.Headroom+maxPayload+dataplane.MaxFraming+dataplane.Tailroom)
	out := make([]byte, 0, dataplane.MaxControl)
	in := buf[dataplane.Headroom : len(buf)-dataplane.Tailroom]
	for {
		n, from, err := s.read(in)
		if err != nil {
			if p.ended(err) {
				return
			}
			continue
		}
		if n == len(in) { // the kernel may have cut it
			p.table.Counters.Drop(nil, dataplane.Oversize)
			continue
		}
		now := p.now()
		c := dataplane.Client{Listener: id, Addr: from}
		m := p.table.FromClient(c, buf, n, now)
		if m.Kind != dataplane.HandUp {
			p.do(&m)
			continue
		}
		if answer := control(c, m.Data, now, out[:0]); len(answer) > 0 {
			if v := s.send(answer, from); v != dataplane.Allow {
				p.table.Counters.Drop(nil, v)
			}
		}
	}
}

// runRelay serves one relay socket until it is closed.
func (p *Plane) runRelay(r *dataplane.Relay, s *socket) {
	buf := make([]byte, dataplane.Headroom+maxPayload+1+dataplane.Tailroom)
	in := buf[dataplane.Headroom : len(buf)-dataplane.Tailroom]
	for {
		n, from, err := s.read(in)
		if err != nil {
			if p.ended(err) {
				return
			}
			continue
		}
		m := p.table.FromPeer(r, from, buf, n, p.now())
		p.do(&m)
	}
}

// do carries out a move.
func (p *Plane) do(m *dataplane.Move) {
	var v dataplane.Verdict
	switch m.Kind {
	case dataplane.ToPeer:
		v = m.Relay.Socket.(*socket).send(m.Data, m.Peer)
	case dataplane.ToClient:
		v = p.toClient(m.Client, m.Data)
	default:
		return
	}
	if v == dataplane.Allow {
		p.table.Sent(m)
	} else {
		p.table.Failed(m, v)
	}
}

// toClient sends a message the way its client came.
func (p *Plane) toClient(c dataplane.Client, b []byte) dataplane.Verdict {
	if c.Stream != nil {
		return c.Stream.Send(b)
	}
	if s := p.listener(c.Listener); s != nil {
		return s.send(b, c.Addr)
	}
	return dataplane.Ended
}

// Deliver implements dataplane.Plane.
func (p *Plane) Deliver(c dataplane.Client, buf []byte, messages []dataplane.Span) (int, dataplane.Kind) {
	first := messages[0]
	m := p.table.FromClient(c, buf[first.From-dataplane.Headroom:], int(first.To-first.From), p.now())
	p.do(&m)
	return 1, m.Kind
}

// ended reports whether a read error is the socket's end. Any other costs a
// pause, never the socket.
func (p *Plane) ended(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return true
	}
	select {
	case <-p.done:
		return true
	case <-time.After(5 * time.Millisecond):
		return false
	}
}

func (s *socket) read(b []byte) (int, netip.AddrPort, error) {
	n, from, err := s.conn.ReadFromUDPAddrPort(b)
	return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), err
}

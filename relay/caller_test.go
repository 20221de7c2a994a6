package relay_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/pion/turn/v4"

	"turnpike/relay/stream"
)

// caller is a client's socket over TCP. It dials when something is sent, and
// again after it has hung up: then it is another five-tuple.
type caller struct {
	net.PacketConn // nil: not connected
	at             netip.AddrPort
	conn           net.Conn
	until          time.Time
}

// padding adds what ChannelData wants over a stream (RFC 8656 §12.5).
type padding struct{ net.Conn }

func (p padding) Write(b []byte) (int, error) {
	return p.Conn.Write(append(b[:len(b):len(b)], make([]byte, -len(b)&3)...))
}

func (c *caller) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.PacketConn == nil {
		conn, err := net.Dial("tcp", c.at.String())
		if err != nil {
			return 0, err
		}
		c.conn, c.PacketConn = conn, turn.NewSTUNConn(padding{conn})
		conn.SetReadDeadline(c.until)
	}
	n, err := c.PacketConn.WriteTo(b, to)
	if err != nil {
		c.hangUp(nil)
	}
	return n, err
}

func (c *caller) ReadFrom(b []byte) (int, net.Addr, error) {
	if c.PacketConn == nil {
		return 0, nil, net.ErrClosed
	}
	return c.PacketConn.ReadFrom(b)
}

func (c *caller) SetReadDeadline(t time.Time) error {
	c.until = t
	if c.PacketConn == nil {
		return nil
	}
	return c.PacketConn.SetReadDeadline(t)
}

// hangUp ends the connection, if there is one, in one way or another.
func (c *caller) hangUp(r *rand.Rand) {
	if c.PacketConn == nil {
		return
	}
	tcp := c.conn.(*net.TCPConn)
	if r != nil && r.IntN(2) == 0 {
		tcp.SetLinger(0) // with a reset
	}
	tcp.Close()
	c.PacketConn = nil
}

// settleStreams counts connections.
func (s *stress) settleStreams(c *stream.Counters) {
	over := map[string]uint64{}
	var all uint64
	for r := range stream.NumReasons {
		if n := c.Over(stream.Reason(r)); n > 0 {
			over[stream.Reason(r).String()] = n
			all += n
		}
	}
	s.t.Logf("%d connections, ended by %v", c.Accepted(), over)
	for state := range stream.NumStates {
		if n := c.Open(stream.State(state)); n != 0 {
			s.t.Errorf("%d connections are %s", n, stream.State(state))
		}
	}
	if all != c.Accepted() {
		s.t.Errorf("%d connections accepted, %d over", c.Accepted(), all)
	}
}

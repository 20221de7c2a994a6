//go:build !linux

package load

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// maxSegments is the most datagrams in a message: there is no segmentation here.
const maxSegments = 64

// socket is a UDP socket, one datagram a call.
type socket struct {
	conn      *net.UDPConn
	connected bool
	desks     *desks
	closed    atomic.Bool
	fault     fault
}

func newSocket(conn *net.UDPConn, buffer int, many bool, desks *desks, _ func()) (*socket, error) {
	if many {
		return nil, errors.New("a socket with many addresses needs Linux")
	}
	_ = conn.SetReadBuffer(buffer) // as much as the system lets
	_ = conn.SetWriteBuffer(buffer)
	return &socket{conn: conn, connected: conn.RemoteAddr() != nil, desks: desks}, nil
}

func (s *socket) close() {
	s.closed.Store(true)
	_ = s.conn.Close()
}

// receive waits for a datagram. An error other than net.ErrClosed is about
// something sent before, and there is more.
func (s *socket) receive() (*desk, error) {
	k := s.desks.get()
	if k.in.buf == nil {
		k.in.buf = make([]byte, 1<<16)
	}
	n, from, err := s.conn.ReadFromUDPAddrPort(k.in.buf)
	if err != nil {
		s.desks.put(k)
		if s.closed.Load() {
			err = net.ErrClosed
		}
		return nil, err
	}
	k.in.p = packet{b: k.in.buf[:n], from: netip.AddrPortFrom(from.Addr().Unmap(), from.Port())}
	k.in.there = true
	return k, nil
}

// inbox is what was received.
type inbox struct {
	buf   []byte
	p     packet
	there bool
}

func (k *inbox) next() *packet {
	if !k.there {
		return nil
	}
	k.there = false
	return &k.p
}

// outbox sends at once.
type outbox struct{}

func newOutbox() outbox { return outbox{} }

func (outbox) add(s *socket, to netip.AddrPort, _ netip.Addr, b []byte, frame int) {
	for ; len(b) > 0; b = b[frame:] {
		var err error
		if s.connected {
			_, err = s.conn.Write(b[:frame])
		} else {
			_, err = s.conn.WriteToUDPAddrPort(b[:frame], to)
		}
		if err != nil {
			s.fault.note(err)
		}
	}
}

func (outbox) flush() {}

//go:build !unix

package std

import (
	"errors"
	"net"
	"net/netip"
	"sync"

	"turnpike/relay/dataplane"
)

// socket is a UDP socket.
type socket struct {
	conn  *net.UDPConn
	local netip.AddrPort
	gone  sync.Once
}

func newSocket(conn *net.UDPConn) (*socket, error) {
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return &socket{conn: conn, local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port())}, nil
}

// buffers are the sizes of the socket's buffers: nothing portable tells them.
func (s *socket) buffers() (receive, send int) { return 0, 0 }

// send sends b to addr, or says why not. It may wait while the socket's buffer
// is full: these systems offer no portable way not to.
func (s *socket) send(b []byte, addr netip.AddrPort) dataplane.Verdict {
	_, err := s.conn.WriteToUDPAddrPort(b, addr)
	switch {
	case err == nil:
		return dataplane.Allow
	case errors.Is(err, net.ErrClosed):
		return dataplane.Ended
	}
	return dataplane.SendError
}

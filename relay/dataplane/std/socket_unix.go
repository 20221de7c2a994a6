//go:build unix

package std

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"turnpike/relay/dataplane"
)

// socket is a UDP socket whose sends never wait.
type socket struct {
	conn  *net.UDPConn
	raw   syscall.RawConn
	local netip.AddrPort
	is4   bool
	gone  sync.Once
}

func newSocket(conn *net.UDPConn) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	return &socket{conn: conn, raw: raw, local: local, is4: local.Addr().Is4()}, nil
}

// buffers are the sizes that the kernel granted the socket's buffers; 0 where
// it does not say.
func (s *socket) buffers() (receive, send int) {
	_ = s.raw.Control(func(fd uintptr) {
		receive, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
		send, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	return receive, send
}

// sending is one send's arguments, kept in a pool: a closure made for each
// send would be an allocation a packet.
type sending struct {
	b   []byte
	to  unix.Sockaddr
	sa4 unix.SockaddrInet4
	sa6 unix.SockaddrInet6
	err error
	try func(fd uintptr) bool
}

var sendings = sync.Pool{New: func() any {
	s := new(sending)
	s.try = func(fd uintptr) bool {
		for {
			if s.err = unix.Sendto(int(fd), s.b, 0, s.to); s.err != unix.EINTR {
				return true // done, whatever came of it: do not wait
			}
		}
	}
	return s
}}

// send sends b to addr, or says why not.
func (s *socket) send(b []byte, addr netip.AddrPort) dataplane.Verdict {
	if addr.Addr().Is4() != s.is4 {
		return dataplane.SendError
	}
	x := sendings.Get().(*sending)
	x.b = b
	if s.is4 {
		x.sa4.Addr, x.sa4.Port = addr.Addr().As4(), int(addr.Port())
		x.to = &x.sa4
	} else {
		x.sa6.Addr, x.sa6.Port = addr.Addr().As16(), int(addr.Port())
		x.to = &x.sa6
	}
	err := s.raw.Write(x.try)
	if err == nil {
		err = x.err
	}
	x.b, x.err = nil, nil
	sendings.Put(x)
	return verdict(err)
}

// verdict says what a send error means.
func verdict(err error) dataplane.Verdict {
	switch {
	case err == nil:
		return dataplane.Allow
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
		return dataplane.SocketFull
	case errors.Is(err, unix.EMSGSIZE):
		return dataplane.Oversize
	case errors.Is(err, net.ErrClosed):
		return dataplane.Ended
	}
	return dataplane.SendError
}

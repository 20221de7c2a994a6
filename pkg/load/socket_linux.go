package load

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
)

// maxSegments is the most datagrams in a segmented message.
const maxSegments = udpio.MaxSegments

// socket is a UDP socket that receives and sends in batches.
type socket struct {
	conn   *net.UDPConn
	rc     syscall.RawConn
	desks  *desks
	yield  func()      // not nil: poll instead of waiting
	many   bool        // it has many addresses
	whole  atomic.Bool // the kernel segments nothing for it
	closed atomic.Bool
	fault  fault

	// readable is receive1, made once. got and err are its results.
	readable func(fd uintptr) bool
	got      *desk
	err      error
}

// newSocket takes over conn. many: of each datagram the local address is asked
// for and told.
func newSocket(conn *net.UDPConn, buffer int, many bool, desks *desks, yield func()) (*socket, error) {
	s := &socket{conn: conn, desks: desks, yield: yield, many: many}
	s.readable = s.receive1
	var err error
	if s.rc, err = conn.SyscallConn(); err != nil {
		return nil, err
	}
	ip6 := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().Is6()
	var optErr error
	err = s.rc.Control(func(fd uintptr) {
		enlarge(int(fd), buffer)
		_ = udpio.EnableGRO(int(fd)) // Linux 5.0; without it, datagrams come one by one
		s.whole.Store(!udpio.CanSegment(int(fd)))
		if many {
			optErr = udpio.EnablePktinfo(int(fd), ip6)
		}
	})
	if err == nil && optErr != nil {
		err = fmt.Errorf("asking for local addresses: %w", optErr)
	}
	return s, err
}

// enlarge asks for buffers beyond the limit, which root may, and else for as
// much as there is: what the client can't take would count as lost.
func enlarge(fd, bytes int) {
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], bytes) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[1], bytes)
		}
	}
}

func (s *socket) close() {
	s.closed.Store(true)
	_ = s.conn.Close()
}

// receive waits for a batch, which the desk holds that it returns. An error
// other than net.ErrClosed is about something sent before, and there is more.
func (s *socket) receive() (*desk, error) {
	s.got = nil
	if err := s.rc.Read(s.readable); err != nil {
		return nil, net.ErrClosed
	}
	return s.got, s.err
}

func (s *socket) receive1(fd uintptr) bool {
	k := s.desks.get()
	for {
		n, err := k.in.room().Recv(int(fd), batch)
		if err == unix.EAGAIN && s.yield != nil && !s.closed.Load() {
			s.yield()
			continue
		}
		if err != nil {
			s.desks.put(k)
			s.err = err
			return err != unix.EAGAIN
		}
		k.in.begin(n, s.many)
		s.got, s.err = k, nil
		return true
	}
}

// inbox is a batch that was received, which next goes through.
type inbox struct {
	in      *udpio.In
	n, i    int
	many    bool
	segment int
	rest    []byte
	p       packet
}

// room makes room, which is large, when it is first needed: who only sends needs
// none.
func (k *inbox) room() *udpio.In {
	if k.in == nil {
		k.in = udpio.NewIn(batch, udpio.MaxMessage, udpio.InOptions{Local: true})
	}
	return k.in
}

func (k *inbox) begin(n int, many bool) { k.n, k.i, k.many, k.rest = n, 0, many, nil }

// next is the next datagram; nil: there is none.
func (k *inbox) next() *packet {
	p := &k.p
	if len(k.rest) == 0 {
		if k.i == k.n {
			return nil
		}
		k.rest, k.segment = k.in.Bytes(k.i), k.in.Segment(k.i)
		p.from = k.in.Addr(k.i)
		if k.many {
			p.local = k.in.Local(k.i)
		} else {
			p.local = netip.Addr{}
		}
		k.i++
		if k.segment == 0 {
			k.segment = len(k.rest)
		}
	}
	n := min(k.segment, len(k.rest))
	p.b, k.rest = k.rest[:n], k.rest[n:]
	return p
}

// outbox collects messages for one socket.
type outbox struct {
	out      *udpio.Out
	socket   *socket
	messages []message // as they are in out
	at       int
	writable func(fd uintptr) bool
}

type message struct {
	to    netip.AddrPort
	local netip.Addr
	b     []byte
	frame int
}

func newOutbox() outbox {
	return outbox{out: udpio.NewOut(batch, batch), messages: make([]message, 0, batch)}
}

// add takes frames of one size to be sent as datagrams; b must not change
// before flush.
func (o *outbox) add(s *socket, to netip.AddrPort, local netip.Addr, b []byte, frame int) {
	if o.socket != s {
		o.flush()
		o.socket = s
	}
	if len(b) == frame || !s.whole.Load() {
		o.add1(message{to, local, b, frame})
		return
	}
	for at := 0; at < len(b); at += frame {
		o.add1(message{to, local, b[at : at+frame], frame})
	}
}

func (o *outbox) add1(m message) {
	if o.out.Full() {
		o.flush()
	}
	o.messages = append(o.messages, m)
	o.put(&m)
}

func (o *outbox) put(m *message) {
	o.out.Start(m.to)
	o.out.Part(m.b)
	if m.local.IsValid() {
		o.out.From(m.local)
	}
	if len(m.b) > m.frame {
		o.out.Segment(m.frame)
	}
}

// flush sends what was added. What can't be sent is written down as the
// socket's fault, and passed over.
func (o *outbox) flush() {
	if o.out.Len() == 0 {
		return
	}
	if o.writable == nil {
		o.writable = o.write
	}
	o.at = 0
	if err := o.socket.rc.Write(o.writable); err != nil {
		o.socket.fault.note(net.ErrClosed)
	}
	o.out.Reset()
	o.messages = o.messages[:0]
}

func (o *outbox) write(fd uintptr) bool {
	s := o.socket
	for o.at < o.out.Len() {
		n, err := o.out.Send(int(fd), o.at, o.out.Len())
		o.at += n
		switch {
		case err == nil:
		case err == unix.EAGAIN && s.yield == nil:
			return false
		case err == unix.EAGAIN || err == unix.ENOBUFS:
			if s.closed.Load() {
				return true
			}
			runtime.Gosched()
		case err == unix.ECONNREFUSED: // of a datagram before; told once
			s.fault.note(err)
		case len(o.messages[o.at].b) > o.messages[o.at].frame:
			s.whole.Store(true)
			o.split(fd)
		default:
			s.fault.note(err)
			o.at++
		}
	}
	return true
}

// split sends what is left without segmentation, which this socket can't have:
// datagrams larger than the way takes, or a device that computes no checksums.
// It does so once, and need not be fast.
func (o *outbox) split(fd uintptr) {
	for _, m := range append([]message(nil), o.messages[o.at:]...) {
		for at := 0; at < len(m.b); at += m.frame {
			one := message{m.to, m.local, m.b[at : at+m.frame], m.frame}
			o.out.Reset()
			o.messages, o.at = append(o.messages[:0], one), 0
			o.put(&one)
			for !o.write(fd) {
				_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 10)
			}
		}
	}
}

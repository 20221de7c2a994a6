package mem

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Conn is the UDP socket of a client or a peer: a net.PacketConn.
type Conn struct {
	net   *Plane
	addr  netip.AddrPort
	queue chan datagram

	once     sync.Once
	closed   chan struct{}
	deadline deadline
}

type datagram struct {
	from netip.AddrPort
	b    []byte
}

// receive queues a datagram; a full queue loses it, as a socket buffer would.
func (c *Conn) receive(from netip.AddrPort, b []byte) {
	select {
	case c.queue <- datagram{from, append([]byte(nil), b...)}:
	default:
	}
}

// ReadFrom implements net.PacketConn. Like a UDP socket it cuts a datagram
// that is larger than b.
func (c *Conn) ReadFrom(b []byte) (int, net.Addr, error) {
	select { // what has arrived comes before a deadline
	case d := <-c.queue:
		return copy(b, d.b), net.UDPAddrFromAddrPort(d.from), nil
	default:
	}
	select {
	case d := <-c.queue:
		return copy(b, d.b), net.UDPAddrFromAddrPort(d.from), nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case <-c.deadline.wait():
		return 0, nil, os.ErrDeadlineExceeded
	}
}

// WriteTo implements net.PacketConn.
func (c *Conn) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	addr, err := netip.ParseAddrPort(to.String())
	if err != nil {
		return 0, err
	}
	c.net.carry(c.addr, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), b)
	return len(b), nil
}

// Close implements net.PacketConn.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.net.mu.Lock()
		delete(c.net.hosts, c.addr)
		c.net.mu.Unlock()
		c.deadline.set(time.Time{})
	})
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

// SetDeadline implements net.PacketConn; writes never wait.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (c *Conn) SetReadDeadline(t time.Time) error { c.deadline.set(t); return nil }

// SetWriteDeadline implements net.PacketConn.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// deadline is a time after which a channel is closed, movable as
// net.PacketConn wants it.
type deadline struct {
	mu     *sync.Mutex // guards the following fields
	timer  *time.Timer
	passed chan struct{}
}

func makeDeadline() deadline {
	return deadline{mu: new(sync.Mutex), passed: make(chan struct{})}
}

func (d *deadline) wait() chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer has fired: let it finish with the old channel
	}
	d.timer = nil
	select {
	case <-d.passed:
		d.passed = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(passed) })
	} else {
		close(passed)
	}
}

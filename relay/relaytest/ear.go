package relaytest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
)

// ListenUDP opens a UDP socket at addr, port of the system's choice, and
// closes it when the test is over.
func ListenUDP(t *testing.T, addr netip.Addr) net.PacketConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Fatalf("relaytest: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Ear tells what arrives at a socket, and what does not, without sleeping.
type Ear struct {
	conn  net.PacketConn
	addr  netip.AddrPort
	marks uint64
}

// NewEar listens at conn. A canary is an ear at 0.0.0.0: it hears what reaches
// the host by its loopback address and what reaches it by any other.
func NewEar(conn net.PacketConn) (*Ear, error) {
	addr, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return nil, fmt.Errorf("relaytest: an ear at %v: %w", conn.LocalAddr(), err)
	}
	return &Ear{conn: conn, addr: addr}, nil
}

// Addr is where the ear listens.
func (e *Ear) Addr() netip.AddrPort { return e.addr }

// grace is how long an ear waits for what a server may send only after it has
// answered a later request. It is spent only if there is nothing to hear.
const grace = 100 * time.Millisecond

// patience bounds the wait for a datagram that is sure to come.
const patience = 5 * time.Second

// Heard reports whether a datagram with this payload has arrived. Others are
// thrown away. It sends a mark to itself, to be sure that it can hear at all:
// what had arrived before is read before the mark. If the mark does not come
// that is an error, not a no.
func (e *Ear) Heard(payload []byte) (bool, error) {
	mark, err := e.sendMark()
	if err != nil {
		return false, err
	}
	found, err := e.readUntil(time.Now().Add(patience), payload, mark)
	if err != nil || bytes.Equal(found, payload) {
		return err == nil, err
	}
	_, err = e.readUntil(time.Now().Add(grace), payload)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// sendMark sends the ear a datagram that nobody else sends.
func (e *Ear) sendMark() ([]byte, error) {
	to := e.addr
	if to.Addr().IsUnspecified() {
		loopback := netip.IPv6Loopback()
		if to.Addr().Is4() {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		to = netip.AddrPortFrom(loopback, to.Port())
	}
	e.marks++
	mark := binary.BigEndian.AppendUint64([]byte("turnpike mark "), e.marks)
	return mark, e.send(mark, to)
}

func (e *Ear) send(b []byte, to netip.AddrPort) error {
	_, err := e.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}

// readUntil reads until one of the payloads comes, and returns it.
func (e *Ear) readUntil(deadline time.Time, payloads ...[]byte) ([]byte, error) {
	if err := e.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	for {
		n, _, err := e.conn.ReadFrom(buf)
		if err != nil {
			return nil, err
		}
		for _, p := range payloads {
			if bytes.Equal(buf[:n], p) {
				return p, nil
			}
		}
	}
}

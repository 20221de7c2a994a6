package relaytest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Tap sees the datagrams that pass an interface, whoever sends them and
// whether or not anybody hears them. As a canary it is exact where an ear is
// not: it tells what left a socket, to whatever address, by the port that it
// left from.
//
// On lo a datagram is in the tap before the call that sends it returns, so
// whoever has an answer to something later finds it there: nothing is waited
// for.
type Tap struct {
	fd   int
	kind uint8 // of packets that are seen: PACKET_OUTGOING, PACKET_HOST
	buf  [1 << 16]byte
}

// Passed is one UDP datagram on its way.
type Passed struct {
	From, To netip.AddrPort
	Payload  []byte // valid until the next one
}

// tapBuffer is room for tens of thousands of datagrams between two looks.
const tapBuffer = 64 << 20

// NewTap taps what leaves an interface, or what arrives there. The calling
// thread's network namespace counts; it takes CAP_NET_RAW and CAP_NET_ADMIN.
func NewTap(name string, arriving bool) (*Tap, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("relaytest: a tap: %w", err)
	}
	// What leaves is shown to those who listen to every protocol (packet(7)).
	all := int(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("relaytest: a tap needs CAP_NET_RAW: %w", err)
	}
	t := &Tap{fd: fd, kind: unix.PACKET_OUTGOING}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, tapBuffer)
	if arriving {
		t.kind = unix.PACKET_HOST
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	}
	if err = errors.Join(err, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: i.Index})); err != nil {
		t.Close()
		return nil, fmt.Errorf("relaytest: a tap: %w", err)
	}
	return t, nil
}

// Close ends the tap.
func (t *Tap) Close() { _ = unix.Close(t.fd) }

// Drain shows what has passed since the last time. A datagram that the tap had
// no room for is an error: it can't tell then what did not pass.
func (t *Tap) Drain(see func(Passed)) error {
	for {
		n, from, err := unix.Recvfrom(t.fd, t.buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			break
		}
		if err != nil {
			return fmt.Errorf("relaytest: the tap: %w", err)
		}
		if l, ok := from.(*unix.SockaddrLinklayer); ok && l.Pkttype == t.kind {
			if p, ok := parsePassed(t.buf[:n]); ok {
				see(p)
			}
		}
	}
	s, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil || s.Drops > 0 {
		return fmt.Errorf("relaytest: the tap has missed %d packets (%v)", s.Drops, err)
	}
	return nil
}

// parsePassed reads a UDP datagram that is whole, in IPv4 or IPv6.
func parsePassed(b []byte) (p Passed, ok bool) {
	var from, to netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && b[9] == unix.IPPROTO_UDP:
		header := int(b[0]&15) * 4
		from, to = address(b[12:16]), address(b[16:20])
		b = b[min(header, len(b)):]
	case len(b) >= 40 && b[0]>>4 == 6 && b[6] == unix.IPPROTO_UDP:
		from, to = address(b[8:24]), address(b[24:40])
		b = b[40:]
	default:
		return p, false
	}
	if len(b) < 8 {
		return p, false
	}
	p.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	p.To = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	p.Payload = b[8:]
	return p, true
}

package relaytest

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Forger sends UDP datagrams of IPv4 that bear whatever source it is told. The
// calling thread's network namespace counts; it takes CAP_NET_RAW.
type Forger struct {
	fd  int
	buf []byte
}

// NewForger opens one.
func NewForger() (*Forger, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("relaytest: a forger needs CAP_NET_RAW: %w", err)
	}
	return &Forger{fd: fd}, nil
}

// Close ends it.
func (f *Forger) Close() { _ = unix.Close(f.fd) }

// Send sends a datagram as if it came from there. The kernel fills in what is
// left 0 (raw(7)); a UDP checksum of 0 is none (RFC 768).
func (f *Forger) Send(from, to netip.AddrPort, payload []byte) error {
	const ipHeader, udpHeader = 20, 8
	b := append(f.buf[:0], 0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0)
	src, dst := from.Addr().As4(), to.Addr().As4()
	b = append(append(b, src[:]...), dst[:]...)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(payload)))
	b = append(append(b, 0, 0), payload...)
	binary.BigEndian.PutUint16(b[2:], uint16(ipHeader+udpHeader+len(payload)))
	f.buf = b
	return unix.Sendto(f.fd, b, 0, &unix.SockaddrInet4{Addr: dst})
}

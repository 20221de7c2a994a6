package mmsg

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// tap sees the packets on lo as they are, fragments one by one.
type tap struct {
	t  testing.TB
	fd int
}

func newTap(t testing.TB) *tap {
	const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: lo.Index}); err != nil {
		t.Fatal(err)
	}
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, 4<<20)
	return &tap{t, fd}
}

// seen are the packets from a port since the last call.
type seen struct {
	whole     int
	df        int // of them, with DF
	fragments int
	largest   int
}

func (x *tap) seen(port uint16) (s seen) {
	buf, of := make([]byte, 65536), map[uint32]bool{}
	for {
		n, from, err := unix.Recvfrom(x.fd, buf, 0)
		if err != nil {
			return s
		}
		if from.(*unix.SockaddrLinklayer).Pkttype == unix.PACKET_OUTGOING {
			continue // it is seen again as it comes
		}
		s.add(buf[:n], port, of)
	}
}

// add counts an IP packet. of are the identifications of datagrams from the port:
// only their first fragments tell it.
func (s *seen) add(b []byte, port uint16, of map[uint32]bool) {
	var udp []byte
	var offset, id uint32
	df, fragment := false, false
	switch {
	case b[0]>>4 == 4:
		flags := binary.BigEndian.Uint16(b[6:])
		df, fragment, offset = flags&0x4000 != 0, flags&0x3fff != 0, uint32(flags&0x1fff)
		id, udp = uint32(binary.BigEndian.Uint16(b[4:])), b[20:]
	case b[6] == unix.IPPROTO_FRAGMENT:
		fragment, offset = true, uint32(binary.BigEndian.Uint16(b[42:])&^7)
		id, udp = binary.BigEndian.Uint32(b[44:]), b[48:]
	default:
		udp = b[40:]
	}
	if offset == 0 && (len(udp) < 8 || binary.BigEndian.Uint16(udp) != port) || offset > 0 && !of[id] {
		return
	}
	s.largest = max(s.largest, len(b))
	switch {
	case fragment:
		of[id] = true
		s.fragments++
	case df:
		s.df++
		fallthrough
	default:
		s.whole++
	}
}

// forger makes up ICMP errors.
type forger struct {
	t  testing.TB
	fd int
	to unix.Sockaddr
	ip netip.Addr
}

func newForger(t testing.TB, ip netip.Addr) *forger {
	family, proto := unix.AF_INET6, unix.IPPROTO_ICMPV6
	var to unix.Sockaddr = &unix.SockaddrInet6{Addr: ip.As16()}
	if ip.Is4() {
		family, proto, to = unix.AF_INET, unix.IPPROTO_ICMP, &unix.SockaddrInet4{Addr: ip.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &forger{t, fd, to, ip}
}

// send sends an error about a datagram that a relay would have sent to a peer.
func (f *forger) send(kind, code uint8, mtu uint32, relay, peer netip.AddrPort) {
	b := []byte{kind, code, 0, 0}
	b = binary.BigEndian.AppendUint32(b, mtu)
	if f.ip.Is4() {
		b = append(b, 0x45, 0, 0, 100, 0, 0, 0x40, 0, 64, unix.IPPROTO_UDP, 0, 0)
	} else {
		b = append(b, 0x60, 0, 0, 0, 0, 100, unix.IPPROTO_UDP, 64)
	}
	b = append(append(b, relay.Addr().AsSlice()...), peer.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, relay.Port())
	b = binary.BigEndian.AppendUint16(b, peer.Port())
	b = append(b, 0, 80, 0, 0)
	if f.ip.Is4() { // the kernel adds that of ICMPv6
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	if err := unix.Sendto(f.fd, b, 0, f.to); err != nil {
		f.t.Error(err)
	}
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// unreachable forges an error about a datagram to a peer without a permission.
func (f *forger) unreachable(relay netip.AddrPort) {
	if f.ip.Is4() {
		f.send(3, 1, 0, relay, netip.MustParseAddrPort("192.0.2.1:9"))
	} else {
		f.send(1, 3, 0, relay, netip.MustParseAddrPort("[2001:db8::1]:9"))
	}
}

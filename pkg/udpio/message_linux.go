package udpio

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// MaxSegments is the most datagrams that one message with UDP_SEGMENT may
	// be cut into, in every kernel that has it (include/linux/udp.h,
	// UDP_MAX_SEGMENTS; newer ones take 128).
	MaxSegments = 64

	// MaxMessage is the most bytes that such a message, or one received with
	// UDP_GRO, may have: what fits an IPv4 packet.
	MaxMessage = 65535 - 20 - 8
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
}

// sockaddr holds an address of either family.
type sockaddr = unix.RawSockaddrInet6

// putAddr writes an address and returns its size.
func putAddr(s *sockaddr, a netip.AddrPort) uint32 {
	// The port is at the same place in both families, in network order.
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.Port))[:], a.Port())
	if a.Addr().Is4() {
		s.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(s)).Addr = a.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	s.Family, s.Flowinfo, s.Scope_id = unix.AF_INET6, 0, 0
	s.Addr = a.Addr().As16()
	return unix.SizeofSockaddrInet6
}

// getAddr reads an address that the kernel wrote. A zone is left out.
func getAddr(s *sockaddr) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.Port))[:])
	switch s.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(s)).Addr), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(s.Addr).Unmap(), port)
	}
	return netip.AddrPort{}
}

// cmsghdr is struct cmsghdr with an int, a u16 or a pktinfo behind it.
const cmsgHeader = unix.SizeofCmsghdr

// cmsgs calls do for each control message in b, which the kernel wrote.
func cmsgs(b []byte, do func(level, kind int32, data []byte)) {
	for len(b) >= cmsgHeader {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < cmsgHeader || n > len(b) {
			return
		}
		do(h.Level, h.Type, b[cmsgHeader:n])
		b = b[min(unix.CmsgSpace(n-cmsgHeader), len(b)):]
	}
}

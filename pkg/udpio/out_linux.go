package udpio

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Out collects messages to be sent at once. It keeps the parts of messages, not
// copies of them: they must not change before Reset.
type Out struct {
	hdrs  []mmsghdr
	names []sockaddr
	ctl   []outControl
	iovs  []unix.Iovec
	n     int // messages
	parts int
}

// outControl is the control messages of a message.
type outControl [64]byte // CmsgSpace of a u16 or an int, and of an in6_pktinfo: 24 + 40

// NewOut makes room for messages and, in all, parts of them.
func NewOut(messages, parts int) *Out {
	return &Out{
		hdrs: make([]mmsghdr, messages), names: make([]sockaddr, messages), ctl: make([]outControl, messages),
		iovs: make([]unix.Iovec, parts),
	}
}

// Reset forgets all messages.
func (o *Out) Reset() { o.n, o.parts = 0, 0 }

// Len is the number of messages.
func (o *Out) Len() int { return o.n }

// Room reports whether a message of so many parts can be added.
func (o *Out) Room(parts int) bool { return o.n < len(o.hdrs) && o.parts+parts <= len(o.iovs) }

// RoomForParts reports whether so many parts can be added to the message begun
// last.
func (o *Out) RoomForParts(n int) bool { return o.parts+n <= len(o.iovs) }

// Full reports whether no message of one part can be added.
func (o *Out) Full() bool { return !o.Room(1) }

// Start begins a message without parts.
func (o *Out) Start(to netip.AddrPort) {
	h := &o.hdrs[o.n].hdr
	h.Name = (*byte)(unsafe.Pointer(&o.names[o.n]))
	h.Namelen = putAddr(&o.names[o.n], to)
	h.Iov = nil
	if o.parts < len(o.iovs) {
		h.Iov = &o.iovs[o.parts]
	}
	h.SetIovlen(0)
	h.Control = nil
	h.SetControllen(0)
	o.n++
}

// Part adds bytes to the message begun last.
func (o *Out) Part(b []byte) {
	if len(b) == 0 {
		return
	}
	v := &o.iovs[o.parts]
	v.Base = &b[0]
	v.SetLen(len(b))
	o.parts++
	h := &o.hdrs[o.n-1].hdr
	h.SetIovlen(int(h.Iovlen) + 1)
}

// Segment has the message begun last cut into datagrams of size bytes, of which
// the last may be smaller; at most MaxSegments, of MaxMessage bytes in all.
func (o *Out) Segment(size int) {
	data := o.control(unix.SOL_UDP, unix.UDP_SEGMENT, 2)
	*(*uint16)(unsafe.Pointer(&data[0])) = uint16(size)
}

// Whole keeps the message begun last, which Segment does not cut, from leaving
// in fragments: too large a one is EMSGSIZE. IPv4 has no such word for a single
// message: its socket is one that DontFragment was set for.
func (o *Out) Whole(to netip.Addr) {
	if to.Is6() {
		data := o.control(unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 4)
		*(*int32)(unsafe.Pointer(&data[0])) = 1
	}
}

// From has the message begun last sent from an address of this host.
func (o *Out) From(local netip.Addr) {
	if local.Is4() {
		data := o.control(unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)
		*(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])) = unix.Inet4Pktinfo{Spec_dst: local.As4()}
		return
	}
	data := o.control(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)
	*(*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])) = unix.Inet6Pktinfo{Addr: local.As16()}
}

// control adds a control message to the message begun last.
func (o *Out) control(level, kind int32, size int) []byte {
	h, room := &o.hdrs[o.n-1].hdr, &o.ctl[o.n-1]
	at := int(h.Controllen)
	h.Control = &room[0]
	c := (*unix.Cmsghdr)(unsafe.Pointer(&room[at]))
	c.Level, c.Type = level, kind
	c.SetLen(unix.CmsgLen(size))
	h.SetControllen(at + unix.CmsgSpace(size))
	return room[at+cmsgHeader : at+unix.CmsgSpace(size)]
}

// single is the message numbered i as sendto(2) takes it, if it can: without
// control messages and in one part at most.
func (o *Out) single(i int) (b []byte, ok bool) {
	h := &o.hdrs[i].hdr
	if h.Controllen != 0 || h.Iovlen > 1 {
		return nil, false
	}
	if h.Iovlen == 0 {
		return nil, true
	}
	return unsafe.Slice(h.Iov.Base, h.Iov.Len), true
}

// sendOne sends the message numbered i by sendto, which has the kernel copy and
// check less than sendmmsg does.
func (o *Out) sendOne(fd, i int, b []byte) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&o.names[i])), uintptr(o.hdrs[i].hdr.Namelen))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.EAGAIN:
			return unix.EAGAIN
		default:
			return errno
		}
	}
}

// Send sends the messages from up to, but without, the one numbered to. It
// returns how many the kernel took: when that is not all, and not none, the
// error of the next is told by another Send that begins with it.
func (o *Out) Send(fd, from, to int) (int, error) {
	if b, ok := o.single(from); ok && to-from == 1 {
		if err := o.sendOne(fd, from, b); err != nil {
			return 0, err
		}
		return 1, nil
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&o.hdrs[from])),
			uintptr(to-from), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, unix.EAGAIN
		default:
			return 0, errno
		}
	}
}

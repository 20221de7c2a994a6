package udpio

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// InOptions says what an In is to hold.
type InOptions struct {
	// Head and Tail are bytes of each buffer left free before and behind a
	// datagram.
	Head, Tail int
	// Local asks for the address a datagram was sent to (see EnablePktinfo).
	Local bool
}

// In is room for a batch of datagrams.
type In struct {
	o       InOptions
	hdrs    []mmsghdr
	iovs    []unix.Iovec
	names   []sockaddr
	control []byte
	bufs    []byte
	stride  int
	used    int // messages since the last Reset
}

// controlRoom holds UDP_GRO's int and an in6_pktinfo; or a sock_extended_err with
// the address of who told it.
var controlRoom = max(
	unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofInet6Pktinfo),
	unix.CmsgSpace(int(unsafe.Sizeof(unix.SockExtendedErr{}))+unix.SizeofSockaddrInet6))

// NewIn makes room for messages of at most size bytes each. A larger one is
// cut, which Truncated tells; with UDP_GRO a message is up to MaxMessage bytes.
func NewIn(messages, size int, o InOptions) *In {
	in := &In{
		o: o, hdrs: make([]mmsghdr, messages), iovs: make([]unix.Iovec, messages), names: make([]sockaddr, messages),
		control: make([]byte, messages*controlRoom), stride: stride(o.Head + size + o.Tail), used: messages,
	}
	in.bufs = make([]byte, messages*in.stride)
	for i := range in.hdrs {
		h := &in.hdrs[i].hdr
		in.iovs[i].Base = &in.bufs[i*in.stride+o.Head]
		in.iovs[i].SetLen(size)
		h.Iov = &in.iovs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		h.Control = &in.control[i*controlRoom]
	}
	in.Reset()
	return in
}

// stride is the distance between buffers that hold n bytes: whole cache lines,
// an odd number of them. Buffers at multiples of 4,096 bytes would have their
// first lines, which every datagram uses, share one set of the cache.
func stride(n int) int {
	lines := (n + 63) / 64
	return (lines | 1) * 64
}

// Reset forgets all messages.
func (in *In) Reset() {
	for i := range in.hdrs[:in.used] {
		h := &in.hdrs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlRoom)
		h.Flags = 0
	}
	in.used = 0
}

// Cap is the number of messages there is room for.
func (in *In) Cap() int { return len(in.hdrs) }

// Len is the number of messages that are there; Room, of those there is room for.
func (in *In) Len() int  { return in.used }
func (in *In) Room() int { return len(in.hdrs) - in.used }

// Recv receives up to most messages in place of those before, as More does.
func (in *In) Recv(fd, most int) (int, error) {
	in.Reset()
	return in.More(fd, most)
}

// More receives up to most messages behind those that are there, for which there
// must be Room. When the socket has none it is unix.EAGAIN. Fewer than most mean
// that it is empty now, unless it has an error, which the next call tells.
func (in *In) More(fd, most int) (int, error) { return in.recv(fd, most, 0) }

func (in *In) recv(fd, most int, flags uintptr) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.hdrs[in.used])),
			uintptr(min(most, in.Room())), unix.MSG_DONTWAIT|flags, 0, 0)
		switch errno {
		case 0:
			in.used += int(n)
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN: // a constant in an interface allocates nothing
			return 0, unix.EAGAIN
		default:
			return 0, errno
		}
	}
}

// Addr is where message i came from.
func (in *In) Addr(i int) netip.AddrPort { return getAddr(&in.names[i]) }

// Bytes are those of message i.
func (in *In) Bytes(i int) []byte {
	at := i*in.stride + in.o.Head
	return in.bufs[at : at+int(in.hdrs[i].n)]
}

// Buffer is the whole buffer of message i: Head bytes, the message, and what is
// left.
func (in *In) Buffer(i int) []byte { return in.bufs[i*in.stride : (i+1)*in.stride : (i+1)*in.stride] }

// Truncated reports whether message i was larger than its buffer.
func (in *In) Truncated(i int) bool { return in.hdrs[i].hdr.Flags&unix.MSG_TRUNC != 0 }

// Segment is the size of each datagram in message i, of which the last may be
// smaller; 0: the message is one datagram.
func (in *In) Segment(i int) int {
	size := 0
	in.cmsgs(i, func(level, kind int32, data []byte) {
		if level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4 {
			size = int(*(*int32)(unsafe.Pointer(&data[0])))
		}
	})
	if size <= 0 || size >= int(in.hdrs[i].n) {
		return 0
	}
	return size
}

// Local is the address that message i was sent to, if Options.Local asked.
func (in *In) Local(i int) (addr netip.Addr) {
	in.cmsgs(i, func(level, kind int32, data []byte) {
		switch {
		case level == unix.IPPROTO_IP && kind == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			addr = netip.AddrFrom4((*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Addr)
		case level == unix.IPPROTO_IPV6 && kind == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			addr = netip.AddrFrom16((*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0])).Addr)
		}
	})
	return addr
}

func (in *In) cmsgs(i int, do func(level, kind int32, data []byte)) {
	at := i * controlRoom
	cmsgs(in.control[at:at+int(in.hdrs[i].hdr.Controllen)], do)
}

package udpio

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// EnableErrors has the kernel keep what ICMP tells of the datagrams that a socket
// has sent, for RecvErrors (ip(7), IP_RECVERR). Two things come with it. The
// next call that sends or receives returns such an error, once, and does nothing
// else. And what the socket itself finds too large to send (EMSGSIZE) is
// kept as well.
func EnableErrors(fd int, ip6 bool) error { return setErrors(fd, ip6, 1) }

// DisableErrors undoes EnableErrors. What the kernel has kept is gone, but for the
// error of the next call.
func DisableErrors(fd int, ip6 bool) error { return setErrors(fd, ip6, 0) }

func setErrors(fd int, ip6 bool, on int) error {
	if ip6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, on)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, on)
}

// RecvErrors receives up to most errors in place of the messages before. Addr is
// where the datagram was sent to, and Error what is told of it. When there are
// none it is unix.EAGAIN.
func (in *In) RecvErrors(fd, most int) (int, error) {
	in.Reset()
	return in.recv(fd, most, unix.MSG_ERRQUEUE)
}

// Error is what RecvErrors received as message i. false: it is not of ICMP.
func (in *In) Error(i int) (e unix.SockExtendedErr, ok bool) {
	in.cmsgs(i, func(level, kind int32, data []byte) {
		told := level == unix.IPPROTO_IP && kind == unix.IP_RECVERR || level == unix.IPPROTO_IPV6 && kind == unix.IPV6_RECVERR
		if told && len(data) >= int(unsafe.Sizeof(e)) {
			e = *(*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
		}
	})
	return e, e.Origin == unix.SO_EE_ORIGIN_ICMP || e.Origin == unix.SO_EE_ORIGIN_ICMP6
}

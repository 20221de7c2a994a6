package udpio

import "golang.org/x/sys/unix"

// EnableGRO has the kernel hand over runs of datagrams from one source as one
// message (Linux 5.0).
func EnableGRO(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) }

// DisableGRO undoes EnableGRO.
func DisableGRO(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 0) }

// EnablePktinfo has In.Local told, for an IPv4 or an IPv6 socket.
func EnablePktinfo(fd int, ip6 bool) error {
	if ip6 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
}

// CanSegment reports whether the kernel knows UDP_SEGMENT (Linux 4.18).
func CanSegment(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}

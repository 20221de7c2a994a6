package udpio

import "golang.org/x/sys/unix"

// DontFragment sets DF in what an IPv4 socket sends, and with it spares the
// kernel the choice of an identification (RFC 6864 §4.1; ip_select_ident_segs
// in include/net/ip.h), a fiftieth of what a datagram costs. What is larger than
// the path takes is EMSGSIZE: that is for SendFragmented.
func DontFragment(fd int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
}

// SendFragmented sends the message numbered i of a socket that DontFragment was
// set for, in fragments. What somebody else sends meanwhile may do without DF.
func (o *Out) SendFragmented(fd, i int) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT); err != nil {
		return unix.EMSGSIZE // no IPv4 socket, which fragments by itself
	}
	_, err := o.Send(fd, i, i+1)
	_ = DontFragment(fd)
	return err
}

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

package dataplane

import (
	"encoding/binary"
	"net/netip"
)

// ICMP is an error that came back for a datagram of a client's.
type ICMP struct {
	Peer       netip.AddrPort // where the datagram was sent to
	Type, Code uint8          // of ICMPv4 or ICMPv6, as is Peer
	MTU        uint32         // of the next hop, if the datagram was too large for it
}

// ForClients reports whether it is of a type that clients hear of (RFC 8656
// §11.5): destination unreachable and time exceeded, or packet too big.
func (e ICMP) ForClients() bool {
	if e.Peer.Addr().Is4() {
		return e.Type == 3 || e.Type == 11
	}
	return e.Type >= 1 && e.Type <= 3
}

// tooBig reports whether the next hop's MTU belongs to it (RFC 8656 §18.13).
func (e ICMP) tooBig() bool {
	if e.Peer.Addr().Is4() {
		return e.Type == 3 && e.Code == 4
	}
	return e.Type == 2
}

// MaxNotice is the largest message that PutNotice writes.
const MaxNotice = stunHeader + 4 + 20 + 4 + icmpSize

const icmpSize = 8

// PutNotice writes the Data indication that tells a client of an ICMP error (RFC
// 8656 §11.5), and returns its size.
func PutNotice(b []byte, e ICMP) int {
	at := putDataStart(b, 4+icmpSize, e.Peer)
	v := b[at : at+4+icmpSize]
	binary.BigEndian.PutUint16(v, attrICMP)
	binary.BigEndian.PutUint16(v[2:], icmpSize)
	// Figure 11 of §18.13: 16 bits reserved, 7 of the type and 9 of the code.
	binary.BigEndian.PutUint32(v[4:], uint32(e.Type&0x7f)<<9|uint32(e.Code))
	mtu := uint32(0)
	if e.tooBig() {
		mtu = e.MTU
	}
	binary.BigEndian.PutUint32(v[8:], mtu)
	return at + len(v)
}

// Notice says what became of an ICMP error that the kernel told of.
type Notice uint8

const (
	NoticeSent         Notice = iota // the client has been told
	NoticeType                       // of a type that clients do not hear of
	NoticeNoFlow                     // its datagram is of no flow that is left
	NoticeNoPermission               // no permission for the peer, or it lapsed
	NoticePolicy                     // no datagram can have gone to that address and port: it is forged
	NoticePaced                      // the client has been told of many just now
	NoticeFlood                      // not one error: so many that for a second no more are read
	NoticeUnsent                     // the client can't be told: its connection is full, or over
	NumNotices         int    = iota
)

var noticeNames = [NumNotices]string{
	NoticeSent: "sent", NoticeType: "type", NoticeNoFlow: "no_flow", NoticeNoPermission: "no_permission",
	NoticePolicy: "policy", NoticePaced: "paced", NoticeFlood: "flood", NoticeUnsent: "unsent",
}

// String is the notice's name in metrics.
func (n Notice) String() string {
	if int(n) < NumNotices {
		return noticeNames[n]
	}
	return "unknown"
}

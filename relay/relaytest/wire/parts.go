package wire

import (
	"bytes"
	"net/netip"
)

// Message types: method and class (RFC 8489 §5, RFC 8656 §17).
const (
	typeBinding    = 0x0001
	typeAllocate   = 0x0003
	typeRefresh    = 0x0004
	typePermission = 0x0008
	typeChannel    = 0x0009
	typeSend       = 0x0016
	typeData       = 0x0017

	classSuccess = 0x0100
	classError   = 0x0110
)

// Attribute types (RFC 8489 §18.3, RFC 8656 §18).
const (
	attrChangeRequest = 0x0003
	attrUsername      = 0x0006
	attrIntegrity     = 0x0008
	attrErrorCode     = 0x0009
	attrUnknown       = 0x000A
	attrChannel       = 0x000C
	attrLifetime      = 0x000D
	attrBandwidth     = 0x0010
	attrPeer          = 0x0012
	attrData          = 0x0013
	attrRealm         = 0x0014
	attrNonce         = 0x0015
	attrRelayed       = 0x0016
	attrFamily        = 0x0017
	attrEvenPort      = 0x0018
	attrTransport     = 0x0019
	attrMapped        = 0x0020
	attrToken         = 0x0022
	attrPriority      = 0x0024
	attrUseCandidate  = 0x0025
	attrSoftware      = 0x8022
	attrFingerprint   = 0x8028
	attrControlled    = 0x8029
)

// Protocol numbers of REQUESTED-TRANSPORT.
const (
	protocolTCP = 6
	protocolUDP = 17
)

func message(typ uint16, parts []Part) Message { return append(Message{header(typ)}, parts...) }

func binding(parts ...Part) Message { return message(typeBinding, parts) }

// allocate asks for a UDP relay.
func allocate(parts ...Part) Message {
	return message(typeAllocate, append([]Part{transport(protocolUDP)}, parts...))
}

func refresh(parts ...Part) Message { return message(typeRefresh, parts) }

func permit(parts ...Part) Message { return message(typePermission, parts) }

func bind(channel uint16, parts ...Part) Message {
	return message(typeChannel, append([]Part{channelNumber(channel)}, parts...))
}

// send is a Send indication.
func send(parts ...Part) Message { return message(typeSend, parts) }

// channelData is ChannelData with the length field and the bytes behind it as
// they are given.
func channelData(channel uint16, length int, b string) Message {
	return Message{raw(append([]byte{byte(channel >> 8), byte(channel), byte(length >> 8), byte(length)}, b...)...)}
}

func transport(protocol byte) Part { return attr(attrTransport, protocol, 0, 0, 0) }

func lifetime(seconds uint32) Part { return attr32(attrLifetime, seconds) }

func channelNumber(n uint16) Part { return attr(attrChannel, byte(n>>8), byte(n), 0, 0) }

func family(f byte) Part { return attr(attrFamily, f, 0, 0, 0) }

func evenPort(reserve bool) Part {
	if reserve {
		return attr(attrEvenPort, 0x80)
	}
	return attr(attrEvenPort, 0)
}

func data(s string) Part { return attr(attrData, []byte(s)...) }

func peer(s string) Part { return address(attrPeer, netip.MustParseAddrPort(s)) }

// peerOf is the relayed transport address of another five-tuple.
func peerOf(name string) Part {
	return func(d *draft) {
		address(attrPeer, d.in.dialog.tuples[name].relayed)(d)
	}
}

// peers are the first n hosts of clients.
func peers(n int) Part {
	return func(d *draft) {
		a := netip.MustParseAddr(firstHost)
		for range n {
			address(attrPeer, netip.AddrPortFrom(a, 9))(d)
			a = a.Next()
		}
	}
}

// token is the RESERVATION-TOKEN that the server gave last.
func token(d *draft) { attr(attrToken, d.in.dialog.token...)(d) }

func text(n int) []byte { return bytes.Repeat([]byte("x"), n) }

// optional adds n attributes that need not be understood.
func optional(n int) Part {
	return func(d *draft) {
		for range n {
			attr(0xC057)(d)
		}
	}
}

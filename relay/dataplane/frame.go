package dataplane

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
)

const (
	// MinChannel and MaxChannel bound channel numbers (RFC 8656 §12).
	// MaxOldChannel is what clients of RFC 5766 §11 go up to. A plane takes
	// them all: which may be bound is for others to say.
	MinChannel    = 0x4000
	MaxChannel    = 0x4FFF
	MaxOldChannel = 0x7FFF

	// Headroom is what a plane leaves free before a datagram it reads, so
	// that a payload can be framed in place: STUN header, XOR-PEER-ADDRESS
	// for IPv6, DATA header. Tailroom is for DATA's padding.
	Headroom = stunHeader + 4 + 20 + 4
	Tailroom = 3

	// MaxFraming is the most that framing adds to a payload a client sends:
	// a Send indication with an IPv6 peer, padding and FINGERPRINT, and room
	// for a few attributes we ignore.
	MaxFraming = 128

	channelHeader = 4
	stunHeader    = 20
	magicCookie   = 0x2112A442

	typeSend = 0x0016 // method Send, class indication
	typeData = 0x0017 // method Data, class indication

	attrMessageIntegrity = 0x0008
	attrXORPeerAddress   = 0x0012
	attrData             = 0x0013
	attrFingerprint      = 0x8028
	fingerprintXOR       = 0x5354554e
)

// isChannelData tells ChannelData from STUN by its first two bits (RFC 8656
// §12, RFC 7983).
func isChannelData(b []byte) bool { return len(b) > 0 && b[0]>>6 == 1 }

// isSend tells a Send indication by its type and cookie.
func isSend(b []byte) bool {
	return len(b) >= stunHeader && binary.BigEndian.Uint16(b) == typeSend &&
		binary.BigEndian.Uint32(b[4:]) == magicCookie
}

// ParseChannelData reads a ChannelData message from a UDP datagram. Padding is
// not needed over UDP but up to three bytes of it are tolerated (RFC 8656
// §12.5).
func ParseChannelData(b []byte) (number uint16, payload []byte, ok bool) {
	if len(b) < channelHeader {
		return 0, nil, false
	}
	number = binary.BigEndian.Uint16(b)
	n := int(binary.BigEndian.Uint16(b[2:]))
	rest := b[channelHeader:]
	if number < MinChannel || number > MaxOldChannel || n > len(rest) || len(rest)-n > 3 {
		return 0, nil, false
	}
	return number, rest[:n], true
}

// PutChannelData frames the payload at buf[at:at+n] in place and returns the
// message. No padding: it goes over UDP.
func PutChannelData(buf []byte, at, n int, number uint16) []byte {
	b := buf[at-channelHeader : at+n]
	binary.BigEndian.PutUint16(b, number)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	return b
}

// ParseSend reads a Send indication (RFC 8656 §11.1). It accepts only what it
// understands wholly: anything else is for the gate to judge.
func ParseSend(b []byte) (peer netip.AddrPort, payload []byte, ok bool) {
	if !isSend(b) || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return peer, nil, false
	}
	var havePeer, haveData bool
	for at := stunHeader; at < len(b); {
		if len(b)-at < 4 {
			return peer, nil, false
		}
		kind := binary.BigEndian.Uint16(b[at:])
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		padded := (n + 3) &^ 3
		if padded > len(b)-at-4 {
			return peer, nil, false
		}
		v := b[at+4 : at+4+n]
		switch {
		case kind == attrXORPeerAddress && !havePeer:
			if peer, havePeer = parseXORAddress(v, b[4:20]); !havePeer {
				return peer, nil, false
			}
		case kind == attrData && !haveData:
			payload, haveData = v, true
		case kind == attrFingerprint:
			last := at+4+padded == len(b)
			if !last || n != 4 || crc32.ChecksumIEEE(b[:at])^fingerprintXOR != binary.BigEndian.Uint32(v) {
				return peer, nil, false
			}
		case kind < 0x8000 && kind != attrXORPeerAddress && kind != attrData && kind != attrMessageIntegrity:
			return peer, nil, false // comprehension-required: DONT-FRAGMENT, ...
		}
		at += 4 + padded
	}
	return peer, payload, havePeer && haveData
}

// parseXORAddress reads the value of an XOR-...-ADDRESS attribute; mask is the
// message's cookie and transaction id. An IPv4-mapped IPv6 address is refused:
// it is a way around rules that speak of IPv4.
func parseXORAddress(v, mask []byte) (netip.AddrPort, bool) {
	var addr netip.Addr
	switch {
	case len(v) == 8 && v[1] == 1:
		var a [4]byte
		for i := range a {
			a[i] = v[4+i] ^ mask[i]
		}
		addr = netip.AddrFrom4(a)
	case len(v) == 20 && v[1] == 2:
		var a [16]byte
		for i := range a {
			a[i] = v[4+i] ^ mask[i]
		}
		addr = netip.AddrFrom16(a)
	default:
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ magicCookie>>16
	return netip.AddrPortFrom(addr, port), port != 0 && !addr.Is4In6()
}

// PutData frames the payload at buf[at:at+n] in place as a Data indication
// (RFC 8656 §11.4) from peer and returns the message.
func PutData(buf []byte, at, n int, peer netip.AddrPort) []byte {
	addrLen := 8
	if peer.Addr().Is6() {
		addrLen = 20
	}
	start := at - stunHeader - 4 - addrLen - 4
	padded := (n + 3) &^ 3
	b := buf[start : at+padded]
	clear(b[at-start+n:])

	binary.BigEndian.PutUint16(b, typeData)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader))
	binary.BigEndian.PutUint32(b[4:], magicCookie)
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	binary.BigEndian.PutUint32(b[16:], rand.Uint32())

	a := b[stunHeader:]
	binary.BigEndian.PutUint16(a, attrXORPeerAddress)
	binary.BigEndian.PutUint16(a[2:], uint16(addrLen))
	putXORAddress(a[4:4+addrLen], b[4:20], peer)

	d := a[4+addrLen:]
	binary.BigEndian.PutUint16(d, attrData)
	binary.BigEndian.PutUint16(d[2:], uint16(n))
	return b
}

func putXORAddress(v, mask []byte, addr netip.AddrPort) {
	v[0] = 0
	binary.BigEndian.PutUint16(v[2:], addr.Port()^magicCookie>>16)
	if addr.Addr().Is4() {
		v[1] = 1
		a := addr.Addr().As4()
		for i := range a {
			v[4+i] = a[i] ^ mask[i]
		}
		return
	}
	v[1] = 2
	a := addr.Addr().As16()
	for i := range a {
		v[4+i] = a[i] ^ mask[i]
	}
}

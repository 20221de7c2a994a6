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
	attrDontFragment     = 0x001A
	attrICMP             = 0x8004
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

// Data is a client's datagram for a peer.
type Data struct {
	Channel uint16         // or, when 0,
	Peer    netip.AddrPort // of a Send indication
	Payload []byte         // a part of the message
	// DontFragment says that it must not leave in fragments (RFC 8656 §11.3).
	DontFragment bool
}

// ParseData reads a client's message for a plane that can honour DONT-FRAGMENT
// or can't. HandUp: it is no data, or not understood wholly. Stop: it is
// malformed. ToPeer: d is there.
func ParseData(b []byte, canHonour bool) (d Data, k Kind) {
	ok := false
	switch {
	case isChannelData(b):
		if d.Channel, d.Payload, ok = ParseChannelData(b); !ok {
			return Data{}, Stop
		}
	case isSend(b):
		d, ok = ParseSend(b)
	}
	if !ok || d.DontFragment && !canHonour {
		return Data{}, HandUp
	}
	return d, ToPeer
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
	PutChannelHeader(b, n, number)
	return b
}

// PutChannelHeader writes what stands before n bytes of payload in ChannelData,
// and returns its size.
func PutChannelHeader(b []byte, n int, number uint16) int {
	binary.BigEndian.PutUint16(b, number)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	return channelHeader
}

// ParseSend reads a Send indication (RFC 8656 §11.1). It accepts only what it
// understands wholly: anything else is for the gate to judge.
func ParseSend(b []byte) (d Data, ok bool) {
	if !isSend(b) || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return Data{}, false
	}
	var havePeer, haveData bool
	for at := stunHeader; at < len(b); {
		if len(b)-at < 4 {
			return Data{}, false
		}
		kind := binary.BigEndian.Uint16(b[at:])
		n := int(binary.BigEndian.Uint16(b[at+2:]))
		room := padded(n)
		if room > len(b)-at-4 {
			return Data{}, false
		}
		v := b[at+4 : at+4+n]
		switch {
		case kind == attrXORPeerAddress && !havePeer:
			if d.Peer, havePeer = parseXORAddress(v, b[4:20]); !havePeer {
				return Data{}, false
			}
		case kind == attrData && !haveData:
			d.Payload, haveData = v, true
		case kind == attrDontFragment && n == 0:
			d.DontFragment = true
		case kind == attrFingerprint:
			last := at+4+room == len(b)
			if !last || n != 4 || crc32.ChecksumIEEE(b[:at])^fingerprintXOR != binary.BigEndian.Uint32(v) {
				return Data{}, false
			}
		case kind < 0x8000 && kind != attrXORPeerAddress && kind != attrData && kind != attrMessageIntegrity:
			return Data{}, false // comprehension-required
		}
		at += 4 + room
	}
	return d, havePeer && haveData
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
	start := at - dataHeader(peer)
	b := buf[start : at+padded(n)]
	clear(b[at-start+n:])
	PutDataHeader(b, n, peer)
	return b
}

func padded(n int) int { return (n + 3) &^ 3 }

// dataHeader is the size of what stands before the payload in a Data indication.
func dataHeader(peer netip.AddrPort) int { return stunHeader + 4 + addrLen(peer) + 4 }

func addrLen(a netip.AddrPort) int {
	if a.Addr().Is4() {
		return 8
	}
	return 20
}

// PutDataHeader writes what stands before n bytes of payload in a Data
// indication from peer, and returns its size, Headroom at most. Behind the
// payload comes padding to a multiple of four bytes.
func PutDataHeader(b []byte, n int, peer netip.AddrPort) int {
	at := putDataStart(b, 4+padded(n), peer)
	binary.BigEndian.PutUint16(b[at:], attrData)
	binary.BigEndian.PutUint16(b[at+2:], uint16(n))
	return at + 4
}

// putDataStart writes the header of a Data indication and its XOR-PEER-ADDRESS,
// and returns their size. rest bytes of attributes follow.
func putDataStart(b []byte, rest int, peer netip.AddrPort) int {
	addrLen := addrLen(peer)
	size := stunHeader + 4 + addrLen

	binary.BigEndian.PutUint16(b, typeData)
	binary.BigEndian.PutUint16(b[2:], uint16(size+rest-stunHeader))
	binary.BigEndian.PutUint32(b[4:], magicCookie)
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	binary.BigEndian.PutUint32(b[16:], rand.Uint32())

	a := b[stunHeader:]
	binary.BigEndian.PutUint16(a, attrXORPeerAddress)
	binary.BigEndian.PutUint16(a[2:], uint16(addrLen))
	putXORAddress(a[4:4+addrLen], b[4:20], peer)
	return size
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

package engine

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"hash"
	"net/netip"
)

// STUN as far as the engine speaks it with pion (RFC 8489 §5, §14; RFC 8656
// §17, §18).
const (
	headerSize = 20
	cookie     = 0x2112A442

	classMask    = 0x0110
	classSuccess = 0x0100
	classError   = 0x0110

	attrUsername           = 0x0006
	attrMessageIntegrity   = 0x0008
	attrErrorCode          = 0x0009
	attrChannelNumber      = 0x000C
	attrLifetime           = 0x000D
	attrXORPeerAddress     = 0x0012
	attrRealm              = 0x0014
	attrNonce              = 0x0015
	attrXORRelayedAddress  = 0x0016
	attrRequestedTransport = 0x0019

	familyIPv4 = 1
	familyIPv6 = 2
	protoUDP   = 17

	keySize  = sha1.Size
	maxNonce = 64 // pion's have 25 bytes at most

	// username and realm are the same for every client: who it is, pion does
	// not learn.
	username = "turn"
	realm    = "pike"

	attrHeader    = 4
	maxXORAddress = attrHeader + 4 + 16
	// maxMessage is the size of the longest request.
	maxMessage = headerSize + attrHeader + len(username) + attrHeader + len(realm) +
		attrHeader + maxNonce + MaxPeers*maxXORAddress + attrHeader + sha1.Size
)

// wireMethod is the method's number in a message type.
var wireMethod = [...]uint16{Allocate: 0x003, Refresh: 0x004, CreatePermission: 0x008, ChannelBind: 0x009}

// codec signs requests with one keyed hash. It is for one goroutine.
type codec struct{ mac hash.Hash }

func newCodec(key []byte) codec { return codec{mac: hmac.New(sha1.New, key)} }

// appendRequest encodes and signs a request.
func (c codec) appendRequest(b []byte, r *Request, seconds uint32, serial uint64, nonce string) []byte {
	at := len(b)
	b = appendHeader(b, r.Method, serial)
	b = appendText(b, attrUsername, username)
	b = appendText(b, attrRealm, realm)
	b = appendText(b, attrNonce, nonce)
	switch r.Method {
	case Allocate:
		b = append(b, 0, attrRequestedTransport, 0, 4, protoUDP, 0, 0, 0)
		b = appendLifetime(b, seconds)
	case Refresh:
		b = appendLifetime(b, seconds)
	case CreatePermission:
		for _, p := range r.Peers {
			b = appendXORAddress(b, attrXORPeerAddress, p, serial)
		}
	case ChannelBind:
		b = append(b, 0, attrChannelNumber, 0, 4, byte(r.Channel>>8), byte(r.Channel), 0, 0)
		b = appendXORAddress(b, attrXORPeerAddress, r.Peer, serial)
	}
	// The hash covers the header with a length that includes MESSAGE-INTEGRITY
	// (RFC 8489 §14.5).
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at-headerSize+attrHeader+sha1.Size))
	c.mac.Reset()
	c.mac.Write(b[at:])
	b = append(b, 0, attrMessageIntegrity, 0, sha1.Size)
	return c.mac.Sum(b)
}

// appendProbe encodes a Refresh without anything: the answer is a 401 with a
// nonce, and nothing is touched (pion internal/server/util.go:70-72).
func appendProbe(b []byte, serial uint64) []byte { return appendHeader(b, Refresh, serial) }

// appendHeader begins a request without attributes. The transaction id is the
// serial number: it has to be unique, not unpredictable, between us and pion.
func appendHeader(b []byte, m Method, serial uint64) []byte {
	b = binary.BigEndian.AppendUint16(b, wireMethod[m])
	b = append(b, 0, 0)
	return appendID(b, serial)
}

// appendID appends cookie and transaction id, which are also what IPv6
// addresses are XORed with (RFC 8489 §14.2).
func appendID(b []byte, serial uint64) []byte {
	b = binary.BigEndian.AppendUint32(b, cookie)
	b = append(b, 0, 0, 0, 0)
	return binary.BigEndian.AppendUint64(b, serial)
}

func appendLifetime(b []byte, seconds uint32) []byte {
	b = append(b, 0, attrLifetime, 0, 4)
	return binary.BigEndian.AppendUint32(b, seconds)
}

// appendText appends an attribute with padding.
func appendText(b []byte, kind byte, s string) []byte {
	b = append(b, 0, kind, byte(len(s)>>8), byte(len(s)))
	b = append(b, s...)
	for n := len(s); n%4 != 0; n++ {
		b = append(b, 0)
	}
	return b
}

// appendXORAddress appends an address, IPv4-mapped ones as IPv4: pion's maps
// make no difference between the two.
func appendXORAddress(b []byte, kind byte, a netip.AddrPort, serial uint64) []byte {
	ip := a.Addr().Unmap()
	family, size := byte(familyIPv6), 16
	if ip.Is4() {
		family, size = familyIPv4, 4
	}
	b = append(b, 0, kind, 0, byte(4+size), 0, family)
	b = binary.BigEndian.AppendUint16(b, a.Port()^cookie>>16)
	var pad [16]byte
	appendID(pad[:0], serial)
	raw := ip.As16()
	for i, x := range raw[16-size:] {
		b = append(b, x^pad[i])
	}
	return b
}

// answer is what the engine reads of a response.
type answer struct {
	method      Method
	serial      uint64
	success     bool
	code        int // 0: none, of an error
	hasLifetime bool
	lifetime    uint32 // seconds
	relayed     netip.AddrPort
	nonce       string
}

// decode reads a response. It trusts it no further than a foreign one, though
// it only ever comes from pion. Its MESSAGE-INTEGRITY is not looked at.
func decode(b []byte) (a answer, ok bool) {
	if len(b) < headerSize || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize ||
		binary.BigEndian.Uint64(b[4:]) != cookie<<32 {
		return answer{}, false
	}
	kind := binary.BigEndian.Uint16(b)
	for m := Allocate; m <= ChannelBind; m++ {
		if wireMethod[m] == kind&^classMask {
			a.method = m
		}
	}
	class := kind & classMask
	if a.method == 0 || class != classSuccess && class != classError {
		return answer{}, false
	}
	a.success = class == classSuccess
	a.serial = binary.BigEndian.Uint64(b[12:])
	for at := headerSize; at < len(b); {
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		at += attrHeader
		if size > len(b)-at || !a.attribute(kind, b[at:at+size]) {
			return answer{}, false
		}
		at += (size + 3) &^ 3
	}
	return a, true
}

// attribute reads one attribute; unknown ones are passed over.
func (a *answer) attribute(kind uint16, v []byte) (ok bool) {
	switch kind {
	case attrErrorCode: // RFC 8489 §14.8: class 3 to 6, number 0 to 99
		if len(v) < 4 || v[2] < 3 || v[2] > 6 || v[3] > 99 || a.success {
			return false
		}
		a.code = int(v[2])*100 + int(v[3])
	case attrLifetime:
		if len(v) != 4 {
			return false
		}
		a.hasLifetime, a.lifetime = true, binary.BigEndian.Uint32(v)
	case attrNonce:
		if len(v) == 0 || len(v) > maxNonce {
			return false
		}
		a.nonce = string(v)
	case attrXORRelayedAddress:
		a.relayed, ok = parseXORAddress(v, a.serial)
		return ok
	}
	return true
}

func parseXORAddress(v []byte, serial uint64) (netip.AddrPort, bool) {
	if len(v) < 4 {
		return netip.AddrPort{}, false
	}
	var pad, raw [16]byte
	appendID(pad[:0], serial)
	for i, x := range v[4:min(len(v), 4+16)] {
		raw[i] = x ^ pad[i]
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ cookie>>16
	switch {
	case v[0] == 0 && v[1] == familyIPv4 && len(v) == 4+4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[:4])), port), true
	case v[0] == 0 && v[1] == familyIPv6 && len(v) == 4+16:
		return netip.AddrPortFrom(netip.AddrFrom16(raw), port), true
	}
	return netip.AddrPort{}, false
}

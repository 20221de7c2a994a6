package load

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"time"
)

// Just as much STUN and TURN as a client of relayed data needs (RFC 8489, RFC
// 8656). It is a codec of its own because requests and answers of the scenarios
// challenge and binding, and all indications, are made and read without
// allocating.

const (
	stunHeader  = 20
	magicCookie = 0x2112A442

	methodBinding          = 0x0001
	methodAllocate         = 0x0003
	methodRefresh          = 0x0004
	methodCreatePermission = 0x0008
	methodChannelBind      = 0x0009

	classSuccess = 0x0100
	classError   = 0x0110
	classMask    = 0x0110

	typeSend = 0x0016
	typeData = 0x0017

	attrUsername         = 0x0006
	attrMessageIntegrity = 0x0008
	attrErrorCode        = 0x0009
	attrChannelNumber    = 0x000C
	attrLifetime         = 0x000D
	attrXORPeer          = 0x0012
	attrData             = 0x0013
	attrRealm            = 0x0014
	attrNonce            = 0x0015
	attrXORRelayed       = 0x0016
	attrAddressFamily    = 0x0017
	attrTransport        = 0x0019
	attrXORMapped        = 0x0020

	integritySize = 4 + sha1.Size
)

// transactionID is RFC 8489's, 96 bits.
type transactionID [12]byte

func methodName(m uint16) string {
	switch m {
	case methodBinding:
		return "Binding"
	case methodAllocate:
		return "Allocate"
	case methodRefresh:
		return "Refresh"
	case methodCreatePermission:
		return "CreatePermission"
	case methodChannelBind:
		return "ChannelBind"
	}
	return "request"
}

// putHeader writes the header of a message with n bytes of attributes.
func putHeader(b []byte, kind uint16, n int, id transactionID) {
	binary.BigEndian.PutUint16(b, kind)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	binary.BigEndian.PutUint32(b[4:], magicCookie)
	copy(b[8:stunHeader], id[:])
}

// begin appends the header of a request; finish must follow.
func begin(b []byte, kind uint16, id transactionID) []byte {
	b = append(b, make([]byte, stunHeader)...)
	putHeader(b, kind, 0, id)
	return b
}

func attribute(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// xorAddress appends an address attribute; the id of the message must be there.
func xorAddress(b []byte, kind uint16, a netip.AddrPort) []byte {
	v := []byte{0, 1}
	v = binary.BigEndian.AppendUint16(v, a.Port()^magicCookie>>16)
	ip := a.Addr().AsSlice()
	if len(ip) == 16 {
		v[1] = 2
	}
	for i := range ip {
		ip[i] ^= b[4+i]
	}
	return attribute(b, kind, append(v, ip...))
}

// finish writes the length of the message.
func finish(b []byte) []byte {
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-stunHeader))
	return b
}

// sign appends the attributes of a long-term credential (RFC 8489 §9.2) and
// finishes the message.
func sign(b []byte, user, realm, nonce string, key []byte) []byte {
	b = attribute(b, attrUsername, []byte(user))
	b = attribute(b, attrRealm, []byte(realm))
	b = attribute(b, attrNonce, []byte(nonce))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)+integritySize-stunHeader))
	mac := hmac.New(sha1.New, key)
	mac.Write(b)
	return attribute(b, attrMessageIntegrity, mac.Sum(nil))
}

// longTermKey is MD5(username ":" realm ":" password), RFC 8489 §9.2.2.
func longTermKey(user, realm, password string) []byte {
	sum := md5.Sum([]byte(user + ":" + realm + ":" + password))
	return sum[:]
}

// response is what a client reads of an answer.
type response struct {
	kind        uint16 // method and class
	id          transactionID
	code        int    // of an error; 0: none was told
	reason      []byte // these three are parts of the message
	realm       []byte
	nonce       []byte
	relayed     netip.AddrPort
	mapped      netip.AddrPort
	lifetime    time.Duration
	integrityAt int // where MESSAGE-INTEGRITY begins; 0: there is none
}

func (r *response) method() uint16 { return r.kind &^ classMask }
func (r *response) success() bool  { return r.kind&classMask == classSuccess }

// isResponse tells a success or error response from everything else.
func isResponse(b []byte) bool {
	return len(b) >= stunHeader && b[0]>>6 == 0 && b[0]&1 == 1 && binary.BigEndian.Uint32(b[4:]) == magicCookie
}

// parseResponse reads a success or error response. What stands behind
// MESSAGE-INTEGRITY is not read (RFC 8489 §14.5).
func parseResponse(b []byte) (r response, ok bool) {
	if !isResponse(b) || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
		return r, false
	}
	r.kind = binary.BigEndian.Uint16(b)
	copy(r.id[:], b[8:])
	for at := stunHeader; at < len(b) && r.integrityAt == 0; {
		if len(b)-at < 4 {
			return response{}, false
		}
		kind, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		if padded(n) > len(b)-at-4 {
			return response{}, false
		}
		if !r.read(kind, b[at+4:at+4+n], b[4:stunHeader], at) {
			return response{}, false
		}
		at += 4 + padded(n)
	}
	return r, true
}

// read takes one attribute; false: it is malformed.
func (r *response) read(kind uint16, v, mask []byte, at int) (ok bool) {
	ok = true
	switch kind {
	case attrErrorCode:
		if ok = len(v) >= 4; ok {
			r.code, r.reason = int(v[2]&7)*100+int(v[3]), v[4:]
		}
	case attrRealm:
		r.realm = v
	case attrNonce:
		r.nonce = v
	case attrLifetime:
		if ok = len(v) == 4; ok {
			r.lifetime = time.Duration(binary.BigEndian.Uint32(v)) * time.Second
		}
	case attrXORRelayed:
		r.relayed, ok = parseXORAddress(v, mask)
	case attrXORMapped:
		r.mapped, ok = parseXORAddress(v, mask)
	case attrMessageIntegrity:
		r.integrityAt, ok = at, len(v) == sha1.Size
	}
	return ok
}

// verify checks the MESSAGE-INTEGRITY of the response that was read from b,
// which it may change.
func (r *response) verify(b, key []byte) bool {
	if r.integrityAt == 0 {
		return false
	}
	length := binary.BigEndian.Uint16(b[2:])
	binary.BigEndian.PutUint16(b[2:], uint16(r.integrityAt+integritySize-stunHeader))
	mac := hmac.New(sha1.New, key)
	mac.Write(b[:r.integrityAt])
	binary.BigEndian.PutUint16(b[2:], length)
	return hmac.Equal(mac.Sum(nil), b[r.integrityAt+4:r.integrityAt+integritySize])
}

// parseXORAddress reads the value of an XOR-...-ADDRESS; mask is the message's
// cookie and transaction id.
func parseXORAddress(v, mask []byte) (a netip.AddrPort, ok bool) {
	if len(v) < 8 || len(mask) < 16 {
		return a, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ magicCookie>>16
	switch {
	case v[1] == 1 && len(v) == 8:
		var ip [4]byte
		for i := range ip {
			ip[i] = v[4+i] ^ mask[i]
		}
		return netip.AddrPortFrom(netip.AddrFrom4(ip), port), true
	case v[1] == 2 && len(v) == 20:
		var ip [16]byte
		for i := range ip {
			ip[i] = v[4+i] ^ mask[i]
		}
		return netip.AddrPortFrom(netip.AddrFrom16(ip), port), true
	}
	return a, false
}

func padded(n int) int { return (n + 3) &^ 3 }

// isData tells a Data indication.
func isData(b []byte) bool { return len(b) >= stunHeader && binary.BigEndian.Uint16(b) == typeData }

// parseData reads a Data indication (RFC 8656 §11.4).
func parseData(b []byte) (peer netip.AddrPort, payload []byte, ok bool) {
	if !isData(b) || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader || len(b)%4 != 0 {
		return peer, nil, false
	}
	var havePeer, haveData bool
	for at := stunHeader; at < len(b); {
		if len(b)-at < 4 {
			return netip.AddrPort{}, nil, false
		}
		kind, n := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		if padded(n) > len(b)-at-4 {
			return netip.AddrPort{}, nil, false
		}
		v := b[at+4 : at+4+n]
		switch kind {
		case attrXORPeer:
			peer, havePeer = parseXORAddress(v, b[4:stunHeader])
		case attrData:
			payload, haveData = v, true
		}
		at += 4 + padded(n)
	}
	return peer, payload, havePeer && haveData
}

// frameLength is the size of the message at the start of a stream (RFC 8656
// §12.5), as far as its first four bytes tell; 0: more are needed.
func frameLength(b []byte) (n int, ok bool) {
	if len(b) < 4 {
		return 0, true
	}
	n = int(binary.BigEndian.Uint16(b[2:]))
	switch b[0] >> 6 {
	case 0:
		return stunHeader + n, n%4 == 0
	case 1:
		return 4 + padded(n), true
	}
	return 0, false
}

// sameID reports whether b, a response, answers the request of that id.
func sameID(b []byte, id *transactionID) bool { return bytes.Equal(b[8:stunHeader], id[:]) }

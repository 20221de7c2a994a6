package gate

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/pion/stun/v3"

	"turnpike/auth"
)

// reply is a response under construction. There is no SOFTWARE and no reason
// phrase in any: both would be reflected at whoever's address was forged, and
// the first also tells an attacker what to look up.
type reply struct {
	b  []byte
	tx [12]byte
}

// begin starts a response in out[:0]: an error response unless the code is 0.
func begin(out []byte, m Method, code int, tx *[12]byte) reply {
	typ := wire[m] | typeSuccess
	if code != 0 {
		typ = wire[m] | typeError
	}
	b := binary.BigEndian.AppendUint16(out[:0], typ)
	b = append(b, 0, 0) // the length, see seal
	b = binary.BigEndian.AppendUint32(b, magicCookie)
	r := reply{append(b, tx[:]...), *tx}
	if code != 0 {
		v := r.add(stun.AttrErrorCode, 4)
		v[2], v[3] = byte(code/100), byte(code%100) // RFC 8489 §14.8
	}
	return r
}

// zeros is the room of a value and its padding, at most a domain's. Padding is
// written, never left: what was in the buffer is nobody's business
// (CVE-2020-4067).
var zeros [(MaxDomain + 3) &^ 3]byte

// add appends an attribute of n zero bytes and returns them, to be filled.
func (r *reply) add(typ stun.AttrType, n int) []byte {
	r.b = binary.BigEndian.AppendUint16(r.b, uint16(typ))
	r.b = binary.BigEndian.AppendUint16(r.b, uint16(n))
	at := len(r.b)
	r.b = append(r.b, zeros[:(n+3)&^3]...)
	return r.b[at : at+n]
}

func (r *reply) address(typ stun.AttrType, a netip.AddrPort) {
	putXOR(r.add(typ, addressSize(a)), a, &r.tx)
}

func (r *reply) uint32(typ stun.AttrType, v uint32) {
	binary.BigEndian.PutUint32(r.add(typ, 4), v)
}

// unknown names the attributes of a 420 (RFC 8489 §14.13).
func (r *reply) unknown(types []uint16) {
	v := r.add(stun.AttrUnknownAttributes, 2*len(types))
	for i, t := range types {
		binary.BigEndian.PutUint16(v[2*i:], t)
	}
}

// finish signs the response if it is for somebody, adds FINGERPRINT if the client
// used it (RFC 8489 §6.3.1), and returns it.
func (r *reply) finish(who *auth.Identity, s signing, withFingerprint bool) []byte {
	switch {
	case who == nil:
	case s.sha256:
		sum := integritySHA256(who.KeyOf(s.algorithm()), r.b)
		copy(r.add(stun.AttrMessageIntegritySHA256, sha256.Size), sum[:])
	default:
		sum := integrity(who.KeyOf(s.algorithm()), r.b)
		copy(r.add(stun.AttrMessageIntegrity, sha1.Size), sum[:])
	}
	r.seal(0)
	if withFingerprint {
		r.seal(attrHeader + 4) // made as if it were there (RFC 8489 §14.7)
		r.uint32(stun.AttrFingerprint, fingerprint(r.b))
	}
	return r.b
}

// seal sets the length field to what is there and more bytes.
func (r *reply) seal(more int) {
	binary.BigEndian.PutUint16(r.b[2:], uint16(len(r.b)-headerSize+more))
}

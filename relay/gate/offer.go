package gate

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"

	"turnpike/auth"
)

// offer is which password algorithms clients may use. Where that is MD5 alone
// nothing is negotiated and the other fields are empty, which keeps the 401
// small.
type offer struct {
	accepted []auth.Algorithm
	list     []byte // the value of PASSWORD-ALGORITHMS (RFC 8489 §14.11)
	cookie   string // what nonces begin with
	number   byte   // tells it from other offers, in the MAC of nonces; below 16
}

// passwordAlgorithms is the bit of RFC 8489 §9.2 for an offer, in 24. The text
// has it as the leftmost bit, erratum 6290 and the vector of Appendix B.1 as the
// rightmost; clients of either kind must see it, and none knows another bit at
// these two places. The bit of anonymous usernames is never set: a USERHASH can't
// be turned into the username that carries the claims.
const passwordAlgorithms = 1<<23 | 1

func newOffer(accepted []auth.Algorithm) *offer {
	o := &offer{accepted: accepted}
	if slices.Equal(accepted, []auth.Algorithm{auth.MD5}) {
		return o
	}
	features := binary.BigEndian.AppendUint32(nil, passwordAlgorithms)
	o.cookie = "obMatJos2" + base64.StdEncoding.EncodeToString(features[1:])
	for _, a := range accepted {
		o.list = binary.BigEndian.AppendUint16(o.list, uint16(a))
		o.list = append(o.list, 0, 0) // no parameters (RFC 8489 §18.5.1)
		o.number = 3*o.number + byte(a)
	}
	return o
}

// signing is how a request is signed and its answers are; the zero signing is
// that of clients which are offered nothing.
type signing struct {
	sha256Key bool // the key is of SHA-256, not of MD5
	sha256    bool // answers have MESSAGE-INTEGRITY-SHA256
}

func (s signing) algorithm() auth.Algorithm {
	if s.sha256Key {
		return auth.SHA256
	}
	return auth.MD5
}

// negotiate finds out how the request is signed (RFC 8489 §9.2.4): without
// PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS it is as before RFC 8489. false:
// what came back is not what was offered, so that somebody between may have
// changed either.
func (c *call) negotiate() bool {
	m, o := &c.m, c.access.nonces.offer
	if m.algorithm == nil && m.algorithms == nil {
		return true
	}
	if !bytes.Equal(m.algorithms, o.list) {
		return false
	}
	for i, a := range o.accepted {
		if bytes.Equal(m.algorithm, o.list[4*i:4*i+4]) {
			c.signing = signing{sha256Key: a == auth.SHA256, sha256: true}
			return true
		}
	}
	return false
}

package gate

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"
)

// A nonce is 16 characters, the base64url form of
//
//	4 bytes  the second of its issue, modulo 2^31
//	8 bytes  HMAC-SHA256(key, second | transport | client address | client port)
//
// It is stateless: nothing is stored for a stranger, and any node with the key
// knows a nonce of any other. It is bound to the client's address and transport,
// so that a request seen by somebody else is worth nothing from elsewhere
// (RFC 8489 §9.2.4 leaves that to the server). 64 bits of MAC are enough for
// something that is guessed online, against a budget of replies, for ten
// minutes; and each character more would grow the reflected 401.
//
// The first bit is always 0, so the first character is one of A to f: a nonce
// never begins with the cookie "obMatJos2" of RFC 8489 §9.2, with which we would
// claim to negotiate password algorithms. Where we do, the cookie stands before
// all this, and the MAC also covers what is offered, so that neither can be taken
// from one nonce and put to another.
const (
	nonceSize = 16                // characters
	nonceRaw  = 12                // bytes
	nonceText = 4 + 1 + 16 + 2    // bytes under the MAC
	nonceWrap = 1 << 31           // the seconds in a nonce are modulo this
	nonceSkew = 5                 // seconds that another node's clock may be ahead
	nonceMax  = 24 * time.Hour    // the longest lifetime that makes sense
	nonceLife = 600 * time.Second // default lifetime
)

// nonces issues and checks nonces.
type nonces struct {
	mac      *nonceMAC
	lifetime uint32 // seconds
	offer    *offer
}

// issue makes a nonce for the client, but for the cookie before it.
func (n *nonces) issue(t Transport, client netip.AddrPort, now time.Time) [nonceSize]byte {
	return n.make(uint32(now.Unix())%nonceWrap, t, client)
}

func (n *nonces) make(second uint32, t Transport, client netip.AddrPort) (nonce [nonceSize]byte) {
	var text [nonceText]byte
	binary.BigEndian.PutUint32(text[:], second)
	text[4] = byte(t) | n.offer.number<<4
	addr := client.Addr().As16() // the same for an IPv4 address and its mapped form
	copy(text[5:], addr[:])
	binary.BigEndian.PutUint16(text[21:], client.Port())
	sum := n.mac.sum(&text)

	var raw [nonceRaw]byte
	binary.BigEndian.PutUint32(raw[:], second)
	copy(raw[4:], sum[:])
	base64.RawURLEncoding.Encode(nonce[:], raw[:])
	return nonce
}

// nonceState is what a client's nonce shows.
type nonceState uint8

const (
	nonceForeign nonceState = iota // nothing: not issued to this client, or long ago
	nonceStale                     // that the client receives what is sent to its address
	nonceFresh                     // that, and it may be used
)

// check tells whether a nonce is one that we (or another node with our key)
// issued to this client, and how long ago: fresh within the lifetime, stale
// within a day.
func (n *nonces) check(nonce []byte, t Transport, client netip.AddrPort, now time.Time) nonceState {
	nonce, ours := bytes.CutPrefix(nonce, []byte(n.offer.cookie))
	if !ours || len(nonce) != nonceSize {
		return nonceForeign
	}
	var raw [nonceRaw]byte
	if k, err := base64.RawURLEncoding.Decode(raw[:], nonce); err != nil || k != nonceRaw {
		return nonceForeign
	}
	second := binary.BigEndian.Uint32(raw[:])
	age := (uint32(now.Unix()) - second) % nonceWrap
	ahead := age >= nonceWrap-nonceSkew
	if age > uint32(nonceMax/time.Second) && !ahead {
		return nonceForeign
	}
	want := n.make(second, t, client)
	switch {
	case subtle.ConstantTimeCompare(nonce, want[:]) != 1:
		return nonceForeign
	case age > n.lifetime && !ahead:
		return nonceStale
	}
	return nonceFresh
}

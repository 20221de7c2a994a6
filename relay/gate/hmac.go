package gate

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// HMAC (RFC 2104) over a buffer on the stack. crypto/hmac makes a keyed state
// on the heap for every key; here the keys are as many as the users, and the
// first to ask for one is a stranger. Tests hold both against crypto/hmac.

// hmacBlock is the block size of SHA-1 and of SHA-256, in bytes.
const hmacBlock = 64

// pad fills b with the key, xored with RFC 2104's ipad or opad. The key must
// not be longer than a block.
func pad(b *[hmacBlock]byte, key []byte, with byte) {
	for i := range b {
		b[i] = with
	}
	for i, k := range key {
		b[i] ^= k
	}
}

const (
	ipad = 0x36
	opad = 0x5c
)

// nonceMAC is HMAC-SHA256 with a fixed key over short texts.
type nonceMAC struct {
	inner, outer [hmacBlock]byte
}

// newNonceMAC hashes the key first, with a label: whatever else the fleet uses
// the same secret for, it is another key there.
func newNonceMAC(secret []byte) *nonceMAC {
	key := sha256.Sum256(append([]byte("turnpike nonce\x00"), secret...))
	var m nonceMAC
	pad(&m.inner, key[:], ipad)
	pad(&m.outer, key[:], opad)
	return &m
}

func (m *nonceMAC) sum(text *[nonceText]byte) [sha256.Size]byte {
	var in [hmacBlock + nonceText]byte
	copy(in[:], m.inner[:])
	copy(in[hmacBlock:], text[:])
	digest := sha256.Sum256(in[:])

	var out [hmacBlock + sha256.Size]byte
	copy(out[:], m.outer[:])
	copy(out[hmacBlock:], digest[:])
	return sha256.Sum256(out[:])
}

// hmacText is room for the inner text of a message's HMAC.
type hmacText [hmacBlock + MaxPacket]byte

// fill makes the inner text for the message whose header and preceding
// attributes are b, with the length field as if it ended with a MAC of size
// bytes (RFC 8489 §14.5). b is at least a header and at most MaxPacket long.
func (in *hmacText) fill(key, b []byte, size int) []byte {
	pad((*[hmacBlock]byte)(in[:hmacBlock]), key, ipad)
	text := in[hmacBlock : hmacBlock+copy(in[hmacBlock:], b)]
	binary.BigEndian.PutUint16(text[2:], uint16(len(b)-headerSize+attrHeader+size))
	return in[:hmacBlock+len(text)]
}

// integrity is the value of MESSAGE-INTEGRITY behind b: HMAC-SHA1 (RFC 8489
// §14.5).
func integrity(key, b []byte) [sha1.Size]byte {
	if len(key) > hmacBlock {
		sum := sha1.Sum(key)
		key = sum[:]
	}
	var in hmacText
	digest := sha1.Sum(in.fill(key, b, sha1.Size))

	var out [hmacBlock + sha1.Size]byte
	pad((*[hmacBlock]byte)(out[:hmacBlock]), key, opad)
	copy(out[hmacBlock:], digest[:])
	return sha1.Sum(out[:])
}

// integritySHA256 is the value of MESSAGE-INTEGRITY-SHA256 behind b (RFC 8489
// §14.6). The key is not longer than a block.
func integritySHA256(key, b []byte) [sha256.Size]byte {
	var in hmacText
	digest := sha256.Sum256(in.fill(key, b, sha256.Size))

	var out [hmacBlock + sha256.Size]byte
	pad((*[hmacBlock]byte)(out[:hmacBlock]), key, opad)
	copy(out[hmacBlock:], digest[:])
	return sha256.Sum256(out[:])
}

// signed reports whether the message's signature fits the key. The walk has
// checked its size.
func (m *message) signed(key []byte) bool {
	before, got := m.raw[:m.integrity], m.raw[m.integrity+attrHeader:]
	if m.sha256 {
		want := integritySHA256(key, before)
		return subtle.ConstantTimeCompare(got[:sha256.Size], want[:]) == 1
	}
	want := integrity(key, before)
	return subtle.ConstantTimeCompare(got[:sha1.Size], want[:]) == 1
}

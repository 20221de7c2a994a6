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

// integrity is the value of MESSAGE-INTEGRITY for the message whose header and
// preceding attributes are b: HMAC-SHA1 with the length field as if the message
// ended with MESSAGE-INTEGRITY (RFC 8489 §14.5). b is at least a header and at
// most MaxPacket long.
func integrity(key, b []byte) [sha1.Size]byte {
	if len(key) > hmacBlock {
		sum := sha1.Sum(key)
		key = sum[:]
	}
	var in [hmacBlock + MaxPacket]byte
	pad((*[hmacBlock]byte)(in[:hmacBlock]), key, ipad)
	text := in[hmacBlock : hmacBlock+copy(in[hmacBlock:], b)]
	binary.BigEndian.PutUint16(text[2:], uint16(len(b)-headerSize+attrHeader+sha1.Size))
	digest := sha1.Sum(in[:hmacBlock+len(text)])

	var out [hmacBlock + sha1.Size]byte
	pad((*[hmacBlock]byte)(out[:hmacBlock]), key, opad)
	copy(out[hmacBlock:], digest[:])
	return sha1.Sum(out[:])
}

// signed reports whether the MESSAGE-INTEGRITY at raw[at:] fits the key. The
// walk has checked its size.
func signed(key, raw []byte, at int) bool {
	want := integrity(key, raw[:at])
	got := raw[at+attrHeader : at+attrHeader+sha1.Size]
	return subtle.ConstantTimeCompare(got, want[:]) == 1
}

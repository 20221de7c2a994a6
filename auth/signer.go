package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"sync"
	"time"
)

// passwordLen is the length of the padded base64 of an HMAC-SHA1.
const passwordLen = 28

// signer makes the passwords of one secret. Its hashes are pooled: setting up
// an HMAC costs as much as using it, and Verify is what a flood makes us do.
type signer struct {
	id     string
	tenant string
	role   *Role         // of a shared secret; nil for an issuer key
	maxTTL time.Duration // of a shared secret; 0 is the role's
	rule   IDRule        // of a shared secret
	alone  []*signer     // itself, as a list of candidates
	pool   sync.Pool
}

// hasher is one HMAC-SHA1 with room for its input and output, so that nothing
// escapes to the heap in a call.
type hasher struct {
	mac hash.Hash
	sum [sha1.Size]byte
	key [sha256.Size]byte // of either algorithm
	buf [MaxUsername + 1 + maxRealm + 1 + passwordLen]byte
}

func newSigner(id string, secret []byte) *signer {
	s := &signer{id: id}
	s.alone = []*signer{s}
	s.pool.New = func() any { return &hasher{mac: hmac.New(sha1.New, secret)} }
	return s
}

// sumOf is HMAC-SHA1(secret, text), valid until the next call.
func (h *hasher) sumOf(text []byte) []byte {
	h.mac.Reset()
	h.mac.Write(text)
	return h.mac.Sum(h.sum[:0])
}

// sum is HMAC-SHA1(secret, text).
func (s *signer) sum(text string) [sha1.Size]byte {
	h := s.pool.Get().(*hasher)
	defer s.pool.Put(h)
	return [sha1.Size]byte(h.sumOf([]byte(text)))
}

// password is the padded standard base64 of HMAC-SHA1(secret, username).
func (s *signer) password(username string) string {
	sum := s.sum(username)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ask derives the username's key, as DeriveKey or DeriveSHA256Key does, and asks
// signed about it, without any allocation. The key is the first bytes of what it
// returns. The caller has capped the username at MaxUsername bytes and the realm
// at maxRealm.
func (s *signer) ask(username, realm string, as Algorithm, signed func(key []byte) bool) ([sha256.Size]byte, bool) {
	h := s.pool.Get().(*hasher)
	defer s.pool.Put(h)
	b := appendCredential(h.buf[:0], username, realm, "")
	b = base64.StdEncoding.AppendEncode(b, h.sumOf(b[:len(username)]))
	size := md5.Size
	if as == SHA256 {
		h.key, size = sha256.Sum256(b), sha256.Size
	} else {
		sum := md5.Sum(b)
		copy(h.key[:], sum[:])
	}
	return h.key, signed(h.key[:size])
}

// judge is what a username is worth if it was signed. Both bounds are reckoned
// and the rule is asked first: which of them it breaks takes no time of its own.
func (s *signer) judge(name Username, role *Role, now time.Time) Outcome {
	if role == nil {
		return UnknownRole
	}
	first, last := now.Unix(), now.Add(s.longest(role)+ClockSkew).Unix()
	fits := s.rule.fits(name.User)
	switch {
	case name.Expires < first: // equal is in time, as in coturn
		return Expired
	case name.Expires > last:
		return FarFuture
	case !fits:
		return NoUser
	}
	return OK
}

// longest is how long a credential may live at most.
func (s *signer) longest(role *Role) time.Duration {
	if s.maxTTL > 0 {
		return s.maxTTL
	}
	return role.MaxTTL
}

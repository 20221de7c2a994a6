package relaytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/pion/stun/v3"
)

// ErrBidDown says that a challenge has the nonce of a server that offers
// password algorithms, and no offer: somebody has taken it away (RFC 8489
// section 9.2.5).
var ErrBidDown = errors.New("relaytest: a nonce with the cookie of RFC 8489, and no PASSWORD-ALGORITHMS")

// sha256Algorithm is SHA-256 in PASSWORD-ALGORITHM (RFC 8489 section 18.5.1).
var sha256Algorithm = []byte{0, 2, 0, 0}

// learn takes realm, nonce and offer of a challenge.
func (c *Client) learn(r Response) error {
	c.Realm, c.Nonce = r.Realm, r.Nonce
	if !c.SHA256 {
		return nil
	}
	if c.Algorithms = r.Algorithms; c.Algorithms == nil && strings.HasPrefix(c.Nonce, "obMatJos2") {
		return ErrBidDown
	}
	return nil
}

// negotiated reports whether SHA-256 is known on both sides.
func (c *Client) negotiated() bool {
	for rest := c.Algorithms; c.SHA256 && len(rest) >= 4; rest = rest[4:] {
		if bytes.HasPrefix(rest, sha256Algorithm) {
			return true
		}
	}
	return false
}

// Credentials are the attributes that a request is signed with.
func (c *Client) Credentials() []stun.Setter {
	all := []stun.Setter{
		text(stun.AttrUsername, c.User.Name),
		text(stun.AttrRealm, c.Realm),
		text(stun.AttrNonce, c.Nonce),
	}
	if !c.negotiated() {
		return append(all, c.key())
	}
	return append(all,
		Attr{stun.AttrPasswordAlgorithm, sha256Algorithm},
		Attr{stun.AttrPasswordAlgorithms, c.Algorithms},
		c.SHA256Key())
}

// SHA256Key is the client's key for SHA-256 (RFC 8489 section 18.5.1.2), which
// signs what it is added to.
func (c *Client) SHA256Key() IntegritySHA256 {
	key := sha256.Sum256([]byte(c.User.Name + ":" + c.Realm + ":" + c.User.Password))
	return key[:]
}

// signed reports whether a response is signed as the client's requests are.
func (c *Client) signed(m *stun.Message) bool {
	if c.negotiated() {
		return c.SHA256Key().Check(m)
	}
	return len(c.key()) > 0 && c.key().Check(m) == nil
}

// IntegritySHA256 is a key for MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6).
type IntegritySHA256 []byte

// AddTo implements [stun.Setter].
func (k IntegritySHA256) AddTo(m *stun.Message) error {
	m.Add(stun.AttrMessageIntegritySHA256, k.sum(m.Raw))
	return nil
}

// Check reports whether the message is rightly signed, and with nothing else.
func (k IntegritySHA256) Check(m *stun.Message) bool {
	at := len(m.Raw) - sha256.Size - 4
	if m.Contains(stun.AttrFingerprint) {
		at -= 8
	}
	got, err := m.Get(stun.AttrMessageIntegritySHA256)
	return err == nil && at >= 20 && !m.Contains(stun.AttrMessageIntegrity) && hmac.Equal(got, k.sum(m.Raw[:at]))
}

// sum is the HMAC of what comes before, with the length that it has after.
func (k IntegritySHA256) sum(before []byte) []byte {
	text := bytes.Clone(before)
	n := len(text) - 20 + 4 + sha256.Size
	text[2], text[3] = byte(n>>8), byte(n)
	mac := hmac.New(sha256.New, k)
	mac.Write(text)
	return mac.Sum(nil)
}

package gate

import (
	"github.com/pion/stun/v3"

	"turnpike/auth"
)

// minChallenged is the smallest request that earns a 401 over UDP: that of the
// smallest first Allocate, which has REQUESTED-TRANSPORT. Whatever is smaller
// is sent by no client without credentials, and the 401 would be three times
// its size, sent to whoever's address it bears.
const minChallenged = 28

// size is the message's without its FINGERPRINT, which the answer repeats.
func (m *message) size() int {
	if m.fingerprint {
		return len(m.raw) - 8
	}
	return len(m.raw)
}

// authenticate is the long-term credential mechanism, in the order of RFC 8489
// §9.2.4. It stops at the first fault, and the dear steps come last: nothing is
// looked up and no key is made before the nonce has shown that the client
// receives what is sent to its address.
func (c *call) authenticate() Verdict {
	m := &c.m
	switch {
	case m.integrity == 0 && m.size() < minChallenged && c.p.Transport == UDP:
		return c.plain(codeBadRequest)
	case m.integrity == 0:
		return c.plain(codeUnauthenticated)
	case m.username == nil && m.hasUnknown(stun.AttrUserhash):
		// Whose hash it is can't be known (RFC 8489 §14.4): nor can it be signed.
		return c.plain(codeUnknownAttribute)
	case m.username == nil || m.realm == nil || m.nonce == nil:
		return c.plain(codeBadRequest)
	}
	switch c.access.nonces.check(m.nonce, c.p.Transport, c.p.Client.Addr, c.now) {
	case nonceForeign:
		return c.plain(codeStaleNonce)
	case nonceStale:
		// This one is who it says it is, so it costs no token: a flood from
		// its address, forged or of a neighbour, must not end live sessions by
		// keeping them from a fresh nonce.
		return c.reply(codeStaleNonce, nil)
	}
	if !c.negotiate() {
		return c.reply(codeBadRequest, nil)
	}
	if string(m.realm) != c.g.o.Realm {
		return c.failed()
	}
	s, live := c.g.o.Sessions(c.p.Client)
	if live && s.Pending {
		// Answering would be guessing: the client sends it again, and by then
		// the session is known.
		return c.drop(InFlight)
	}
	owner := live && s.Identity.Username == string(m.username)
	if !owner && c.g.o.Failures.Spent(c.p.Client.Addr, c.now) {
		return c.drop(FailuresSpent) // before a key is made
	}
	who := c.identify(s, owner)
	if who == nil {
		// Unknown, wrong and expired must look the same (RFC 8489 §9.2.4).
		return c.failed()
	}
	if m.unknowns > 0 {
		return c.refuse(codeUnknownAttribute, who) // RFC 8489 §6.3.1
	}
	if m.method == Allocate {
		return c.allocate(s, live, who)
	}
	return c.onSession(s, live, who)
}

// identify returns who signed the request; nil is nobody.
//
// A session's own user is known by the session's key: a credential that has
// expired, or whose key was retired, still refreshes what it began, by any of the
// accepted algorithms. Anybody else has to show a credential that would do to
// begin.
func (c *call) identify(s Session, owner bool) *auth.Identity {
	if owner {
		if key := s.Identity.KeyOf(c.signing.algorithm()); key == nil || !c.m.signed(key) {
			c.g.counts.auth[auth.WrongSignature].Add(1)
			return nil
		}
		c.g.counts.auth[auth.OK].Add(1)
		return s.Identity
	}
	id, outcome := c.access.verifier.Verify(string(c.m.username), c.now, c.signing.algorithm(), c.m.signed)
	c.g.counts.auth[outcome].Add(1)
	if outcome != auth.OK {
		return nil
	}
	who := id // only who is let in costs memory
	return &who
}

// onSession serves what needs a session, and its owner.
func (c *call) onSession(s Session, live bool, who *auth.Identity) Verdict {
	if !live {
		return c.refuse(codeAllocationMismatch, who) // RFC 8656 §5
	}
	if s.Identity.Username != who.Username {
		return c.refuse(codeWrongCredentials, who) // RFC 8656 §5
	}
	switch c.m.method {
	case Refresh:
		return c.refresh(s)
	case CreatePermission:
		return c.createPermission(s)
	default:
		return c.channelBind(s)
	}
}

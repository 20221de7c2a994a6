package gate

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// Gate judges packets. Its methods may be called from any goroutine.
type Gate struct {
	o      Options
	access atomic.Pointer[access]
	counts Counters
}

// access is who is let in. It may be replaced while packets are judged.
type access struct {
	verifier *auth.Verifier
	nonces   nonces
}

// New makes a Gate. The error names every fault of the options.
func New(o Options) (*Gate, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	g := &Gate{o: o}
	g.setAccess(o.Verifier, o.NonceKey)
	g.o.NonceKey = nil // the caller's, and of no use any more
	return g, nil
}

// SetAccess replaces the verifier and the key of nonces; the old ones stay where
// the new are not given. Sessions live on: they are known by their own keys. With
// another key every client is challenged anew.
func (g *Gate) SetAccess(v *auth.Verifier, nonceKey []byte) error {
	if nonceKey != nil && len(nonceKey) < minNonceKey {
		return shortNonceKey(nonceKey)
	}
	g.setAccess(v, nonceKey)
	return nil
}

func (g *Gate) setAccess(v *auth.Verifier, nonceKey []byte) {
	next := new(access)
	if old := g.access.Load(); old != nil {
		*next = *old
	}
	if v != nil {
		next.verifier = v
	}
	if nonceKey != nil {
		next.nonces = nonces{newNonceMAC(nonceKey), uint32(g.o.NonceLifetime / time.Second), newOffer(next.verifier.Algorithms())}
	}
	g.access.Store(next)
}

// Counters is what the gate has done so far.
func (g *Gate) Counters() *Counters { return &g.counts }

// call is one packet on its way through the gate.
type call struct {
	g      *Gate
	access *access
	p      Packet
	now    time.Time
	out    []byte
	m      message

	signing signing // of what is authenticated
}

// Judge decides about one packet. A reply is built in out[:0]; with room for
// dataplane.MaxControl bytes it never needs other memory. Nothing of the
// verdict points into the packet.
func (g *Gate) Judge(p Packet, now time.Time, out []byte) Verdict {
	c := call{g: g, access: g.access.Load(), p: p, now: now, out: out}
	c.m.negotiates, c.m.dontFragment = len(c.access.nonces.offer.list) > 0, g.o.DontFragment
	if badSource(p.Client.Addr) {
		return c.drop(BadSource)
	}
	if r := c.m.parse(p.Data); r != NotDropped {
		return c.drop(r)
	}
	if c.m.method == Binding {
		return c.binding()
	}
	return c.authenticate()
}

// badSource reports whether a source is one that no host can have: an answer
// would go to many, or to nobody.
func badSource(a netip.AddrPort) bool {
	addr := a.Addr().Unmap()
	return a.Port() == 0 || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr == broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// binding answers anybody (RFC 8489 §6.3.1), whatever credentials ICE or an
// eager client has added.
func (c *call) binding() Verdict {
	if !c.affords(c.g.o.Bindings) {
		return c.drop(RepliesSpent)
	}
	if c.m.unknowns > 0 {
		return c.reply(codeUnknownAttribute, nil)
	}
	return c.reply(0, nil)
}

func (c *call) drop(r Reason) Verdict {
	c.g.counts.drops[r].Add(1)
	return Verdict{Action: Drop, Reason: r}
}

// plain replies without a signature, to somebody who may not be there: it costs
// a token of the source's budget.
func (c *call) plain(code int) Verdict {
	if !c.affords(c.g.o.Replies) {
		return c.drop(RepliesSpent)
	}
	return c.reply(code, nil)
}

// affords takes a token of the source's budget. A stream needs none: its source
// is no forgery, so that those who forge it over UDP must not silence it, and
// its client would not ask again (RFC 8489 §6.2.2).
func (c *call) affords(budget *ratelimit.Budget) bool {
	return c.p.Transport != UDP || budget.Allow(c.p.Client.Addr.Addr(), c.now)
}

// failed replies to a wrong credential that came with a nonce of the client's
// own: nobody else is where the answer goes, so the budget of strangers is not
// touched, and a forger can't keep it from them.
func (c *call) failed() Verdict {
	if !c.g.o.Failures.AllowPort(c.p.Client.Addr, c.now) {
		return c.drop(FailuresSpent)
	}
	return c.reply(codeUnauthenticated, nil)
}

// refuse replies with an error, signed under the client's key.
func (c *call) refuse(code int, who *auth.Identity) Verdict { return c.reply(code, who) }

// reply builds what belongs to the code, signed under the client's key if there
// is one.
func (c *call) reply(code int, who *auth.Identity) Verdict {
	r := begin(c.out, c.m.method, code, &c.m.tx)
	switch code {
	case 0: // Binding
		r.address(stun.AttrXORMappedAddress, c.p.Client.Addr)
	case codeUnauthenticated, codeStaleNonce:
		c.challenge(&r)
	case codeUnknownAttribute:
		r.unknown(c.m.unknown[:c.m.unknowns])
	}
	c.g.counts.replied(c.m.method, code)
	return Verdict{Action: Reply, Reply: r.finish(who, c.signing, c.m.fingerprint)}
}

// challenge adds what the client needs to authenticate (RFC 8489 §9.2.4).
func (c *call) challenge(r *reply) {
	n := &c.access.nonces
	copy(r.add(stun.AttrRealm, len(c.g.o.Realm)), c.g.o.Realm)
	nonce := n.issue(c.p.Transport, c.p.Client.Addr, c.now)
	v := r.add(stun.AttrNonce, len(n.offer.cookie)+nonceSize)
	copy(v[copy(v, n.offer.cookie):], nonce[:])
	if len(n.offer.list) > 0 {
		copy(r.add(stun.AttrPasswordAlgorithms, len(n.offer.list)), n.offer.list)
	}
}

func (c *call) forward(r Request) Verdict {
	r.Client, r.Transport, r.Method = c.p.Client, c.p.Transport, c.m.method
	r.Tx, r.Fingerprint, r.signing = c.m.tx, c.m.fingerprint, c.signing
	return Verdict{Action: Forward, Request: &r}
}

package gate

import (
	"encoding/binary"
	"time"

	"turnpike/auth"
)

const protocolUDP = 17 // the only transport that is relayed (RFC 8656 §18.7)

// allocate judges an Allocate in the order of RFC 8656 §7.2.
func (c *call) allocate(s Session, live bool, who *auth.Identity) Verdict {
	if live && s.Tx == c.m.tx && s.Identity.Username == who.Username {
		// The client has not heard the answer.
		c.g.counts.replied(Allocate, 0)
		return Verdict{Action: Reply, Reply: append(c.out[:0], s.Answer...)}
	}
	if live {
		return c.refuse(codeAllocationMismatch, who)
	}
	if code := c.m.allocation(); code != 0 {
		return c.refuse(code, who)
	}
	lifetime, ok := c.lifetime()
	if !ok {
		return c.refuse(codeBadRequest, who)
	}
	if lifetime == 0 { // means nothing here: there is no allocation to end
		lifetime = c.g.o.DefaultLifetime
	}
	return c.forward(Request{Identity: who, Lifetime: lifetime})
}

// allocation is the error code for what an Allocate asks beyond its lifetime;
// 0 is none. One IPv4 relayed transport address over UDP is all there is.
func (m *message) allocation() int {
	switch {
	case len(m.transport) != 4:
		return codeBadRequest
	case m.transport[0] != protocolUDP:
		return codeUnsupportedTransport
	case m.reservation && (m.evenPort || m.family != nil):
		return codeBadRequest
	case m.family != nil && len(m.family) != 4:
		return codeBadRequest
	case m.family != nil && m.family[0] != familyIPv4:
		return codeFamilyNotSupported
	case m.evenPort, m.reservation:
		// Who has rtcp-mux needs no pair of ports, and the search for one is
		// work that a client could keep us at. 508 is what RFC 8656 §7.2 says
		// to a request that cannot be satisfied.
		return codeInsufficientCapacity
	}
	return 0
}

// refresh judges a Refresh (RFC 8656 §7.3). The lifetime 0 ends the session.
func (c *call) refresh(s Session) Verdict {
	lifetime, ok := c.lifetime()
	if !ok || c.m.family != nil && len(c.m.family) != 4 {
		return c.refuse(codeBadRequest, s.Identity)
	}
	if c.m.family != nil && !isFamily(c.m.family[0], s.Relayed.Addr()) {
		return c.refuse(codeFamilyMismatch, s.Identity)
	}
	return c.forward(Request{Identity: s.Identity, Lifetime: lifetime})
}

// lifetime is what LIFETIME asks for, within the bounds of the options; 0 stays
// 0. false: it is malformed.
func (c *call) lifetime() (time.Duration, bool) {
	o := &c.g.o
	if c.m.lifetime == nil {
		return o.DefaultLifetime, true
	}
	if len(c.m.lifetime) != 4 {
		return 0, false
	}
	want := time.Duration(binary.BigEndian.Uint32(c.m.lifetime)) * time.Second
	if want == 0 {
		return 0, true
	}
	return min(max(want, o.DefaultLifetime), o.MaxLifetime), true
}

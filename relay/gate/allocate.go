package gate

import (
	"encoding/binary"
	"slices"
	"time"

	"turnpike/auth"
)

const protocolUDP = 17 // the only transport that is relayed (RFC 8656 §18.8)

// roleTransports are the transports as roles name them.
var roleTransports = [NumTransports]auth.Transports{UDP: auth.UDP, TCP: auth.TCP, TLS: auth.TLS}

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
	if !who.Role.Transports.Have(roleTransports[c.p.Transport]) {
		c.g.counts.transports[c.p.Transport].Add(1)
		return c.refuse(codeForbidden, who) // RFC 8656 §19: administrative restriction
	}
	if code := c.m.allocation(); code != 0 {
		return c.refuse(code, who)
	}
	family, ok := c.family()
	if !ok {
		return c.refuse(codeFamilyNotSupported, who)
	}
	dual := c.m.additional != nil
	if dual {
		family = IPv4
	}
	lifetime, sound := c.lifetime()
	if !sound {
		return c.refuse(codeBadRequest, who)
	}
	if lifetime == 0 { // means nothing here: there is no allocation to end
		lifetime = c.g.o.DefaultLifetime
	}
	return c.forward(Request{Identity: who, Lifetime: lifetime, Family: family, Dual: dual, Port: c.m.port()})
}

// allocation is the error code for what an Allocate asks beyond its lifetime;
// 0 is none. Relayed transport addresses are over UDP, one or one of each family.
func (m *message) allocation() int {
	switch {
	case len(m.transport) != 4:
		return codeBadRequest
	case m.transport[0] != protocolUDP:
		return codeUnsupportedTransport
	case m.token != nil && (len(m.token) != len(Token{}) || m.evenPort != nil || m.family != nil || m.additional != nil):
		return codeBadRequest
	case m.evenPort != nil && len(m.evenPort) != 1:
		return codeBadRequest
	case m.family != nil && (len(m.family) != 4 || m.additional != nil):
		return codeBadRequest
	case m.additional != nil && (len(m.additional) != 4 || Family(m.additional[0]) != IPv6 || m.port().Reserve):
		// It is beside IPv4, which goes without saying; two tokens can't be told
		// (RFC 8656 §7.1).
		return codeBadRequest
	}
	return 0
}

// family is that which an Allocate is given an address of (RFC 8656 §7.2).
// false: there is none.
func (c *call) family() (Family, bool) {
	o := &c.g.o
	if c.m.family != nil {
		f := Family(c.m.family[0])
		return f, slices.Contains(o.Families, f)
	}
	f := o.DefaultFamily
	if f == KeepFamily {
		f = FamilyOf(c.p.Client.Addr.Addr())
	}
	if !slices.Contains(o.Families, f) {
		f = o.Families[0]
	}
	return f, true
}

// reserveBit is R of EVEN-PORT; the other bits mean nothing (RFC 8656 §18.7).
const reserveBit = 0x80

// port is what an Allocate that allocation has passed asks of its port.
func (m *message) port() Port {
	if m.token != nil {
		token := Token(m.token)
		return Port{Token: &token}
	}
	return Port{Even: m.evenPort != nil, Reserve: m.evenPort != nil && m.evenPort[0]&reserveBit != 0}
}

// refresh judges a Refresh (RFC 8656 §8.2). The lifetime 0 ends the session, or its
// half of the family that is named.
func (c *call) refresh(s Session) Verdict {
	lifetime, ok := c.lifetime()
	if !ok || c.m.family != nil && len(c.m.family) != 4 {
		return c.refuse(codeBadRequest, s.Identity)
	}
	var family Family // of which half; 0 is all there is
	if c.m.family != nil {
		if family = Family(c.m.family[0]); !s.has(family) {
			return c.refuse(codeFamilyMismatch, s.Identity)
		}
	}
	return c.forward(Request{Identity: s.Identity, Lifetime: lifetime, Family: family})
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

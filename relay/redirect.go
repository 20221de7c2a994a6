package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"turnpike/relay/gate"
)

// Redirect sends clients to other servers: their Allocate is answered 300 (RFC
// 8656 §7.2, RFC 8489 §10). Only who has authenticated is answered so, and under
// the client's own key: nobody else can send it anywhere.
type Redirect struct {
	// Servers are the others. A client is told one of the family that it came by;
	// where there is none, it is not sent away.
	Servers []netip.AddrPort
	// Domain is whom their certificates name, told over TLS; empty if it is the
	// name that the clients came by.
	Domain string
	// Draining sends away whom a draining server refuses (403), Full whom it has
	// no port or socket for (508), Always everybody. What a user may have is used
	// up (486) wherever it goes.
	Draining, Full, Always bool
}

// check names what is wrong.
func (d *Redirect) check(listen []Listener, pools []Pool) error {
	var faults []error
	if (d.Draining || d.Full || d.Always) && len(d.Servers) == 0 {
		faults = append(faults, errors.New("relay: Redirect has no server to send clients to: set Servers"))
	}
	if len(d.Domain) > gate.MaxDomain {
		faults = append(faults, fmt.Errorf("relay: Redirect has a Domain of %d bytes; give %d or fewer", len(d.Domain), gate.MaxDomain))
	}
	for _, s := range d.Servers {
		if !s.IsValid() || s.Port() == 0 || s.Addr().IsUnspecified() || s.Addr().IsMulticast() || s.Addr().Is4In6() || s.Addr().Zone() != "" {
			faults = append(faults, fmt.Errorf("relay: Redirect has %s among its servers; name the address and port of one", s))
		}
	}
	if i := d.Loop(listen, pools); i >= 0 {
		faults = append(faults, fmt.Errorf("relay: Redirect has %s among its servers, which is this one, so that clients would be sent in a circle: take it out", d.Servers[i]))
	}
	return errors.Join(faults...)
}

// Loop is the index of a server that is ours, by the address that it listens on
// or by the public one that stands for that; -1 if there is none.
func (d *Redirect) Loop(listen []Listener, pools []Pool) int {
	return slices.IndexFunc(d.Servers, func(s netip.AddrPort) bool {
		return slices.ContainsFunc(listen, func(l Listener) bool {
			if l.Addr.Port() != s.Port() {
				return false
			}
			behind := func(p Pool) bool { return p.Bind == l.Addr.Addr() && p.Public == s.Addr() }
			return l.Addr == s || slices.ContainsFunc(pools, behind)
		})
	})
}

// alternate is the server for a client; false: there is none. Which of several
// it is depends on the transaction: transmissions of one are told the same, and
// clients are spread.
func (d *Redirect) alternate(r *gate.Request) (gate.Alternate, bool) {
	if r.Port.Token != nil { // names a port of this server
		return gate.Alternate{}, false
	}
	own := gate.FamilyOf(r.Client.Addr.Addr())
	other := gate.IPv4 + gate.IPv6 - own
	a := gate.Alternate{Server: d.pick(own, &r.Tx), Other: d.pick(other, &r.Tx), Domain: d.Domain}
	return a, a.Server.IsValid()
}

// pick is one of the servers of a family, or the zero AddrPort.
func (d *Redirect) pick(f gate.Family, tx *[12]byte) netip.AddrPort {
	var some []netip.AddrPort
	for _, s := range d.Servers {
		if gate.FamilyOf(s.Addr()) == f {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return netip.AddrPort{}
	}
	return some[binary.BigEndian.Uint32(tx[8:])%uint32(len(some))]
}

// refusal is the answer to an Allocate that is refused with a code: 300 instead,
// where such clients are sent away.
func (s *Server) refusal(r *gate.Request, code int) gate.Answer {
	d := &s.o.Redirect
	if code == codeForbidden && d.Draining || code == codeInsufficientCapacity && d.Full {
		if a, ok := d.alternate(r); ok {
			return gate.Answer{Code: codeTryAlternate, Alternate: a}
		}
	}
	return gate.Answer{Code: code}
}

// redirects answers an Allocate by 300 where everybody is sent away.
func (s *Server) redirects(r *gate.Request) bool {
	if !s.o.Redirect.Always {
		return false
	}
	a, ok := s.o.Redirect.alternate(r)
	if ok {
		s.counts.allocated(codeTryAlternate)
		s.answer(r, gate.Answer{Code: codeTryAlternate, Alternate: a})
	}
	return ok
}

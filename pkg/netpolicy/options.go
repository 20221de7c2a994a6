package netpolicy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Mode says what becomes of an address that no rule names.
type Mode uint8

const (
	Public    Mode = iota // it is allowed
	AllowList             // it is denied
)

// Options are the operator's lists and what the host is. Addresses may be in
// mapped form and, but for the prefixes, carry a zone; neither makes a
// difference.
type Options struct {
	Mode Mode
	// Deny and Allow are the operator's lists. Deny wins where both fit. An
	// Allow line that could not open anything, because a hard rule stands over
	// all of it, is an error.
	Deny, Allow []Line
	// Roles are the peers of those roles that may not reach every peer: an allow
	// list by the name of the role. It takes away from what the policy allows and
	// adds nothing. That one is empty is no error, so that its last line can
	// expire: then the role reaches nobody.
	Roles map[string][]Line
	// Routes are the networks of this host's interfaces and its routes but the
	// default one, for PresetLocalRoutes.
	Routes []netip.Prefix

	// RelayAddrs are the bind and public addresses of the relay pools.
	RelayAddrs []netip.Addr
	// Own are the addresses that no client may reach through the relay: our
	// listeners (TURN, issuer, metrics), Redis. Behind a NAT they are listed by
	// their public address too. An unspecified address stands for its port on
	// every address in HostAddrs and RelayAddrs.
	Own []netip.AddrPort
	// HostAddrs are the addresses of this host's interfaces.
	HostAddrs []netip.Addr
	// Broadcasts are the directed broadcast addresses of those interfaces.
	Broadcasts []netip.Addr
}

// New makes a policy. The error joins every fault, each with its entry and the
// cure.
func New(o Options) (*Policy, error) {
	var faults faults
	if o.Mode > AllowList {
		faults.add("Mode %d: must be Public or AllowList", o.Mode)
	}
	p := &Policy{mode: o.Mode, known: make(map[netip.Addr]known)}
	p.addHosts("HostAddrs", o.HostAddrs, false, &faults)
	p.addHosts("RelayAddrs", o.RelayAddrs, true, &faults)
	p.addBroadcasts(o.Broadcasts, &faults)
	p.addOwn(o.Own, &faults)
	host := host{routes: addRoutes(o.Routes, &faults), self: slices.Concat(o.HostAddrs, o.RelayAddrs)}
	p.deny = newList("Deny", o.Deny, host, nothingWrong, &faults)
	p.allow = newList("Allow", o.Allow, host, p.shut, &faults)
	p.addRoles(o.Roles, host, &faults)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

// addRoutes checks the routes, and takes the bits behind their prefixes away.
func addRoutes(list []netip.Prefix, faults *faults) (routes []netip.Prefix) {
	for i, pre := range list {
		switch {
		case !pre.IsValid() || pre.Addr().Is4In6():
			faults.add("Routes[%d] %v: not a prefix; write ADDRESS/BITS", i, pre)
		case pre.Bits() == 0:
			faults.add("Routes[%d] %v: the default route; leave it out, it would name every peer", i, pre)
		default:
			routes = append(routes, pre.Masked())
		}
	}
	return routes
}

// shut says why an allow line would open nothing, or more than it says.
func (p *Policy) shut(l Line, prefixes []netip.Prefix) string {
	switch l.Preset {
	case PresetSpecialPurpose:
		return "opens every private network at once, and half of what it names nothing opens; name " +
			PresetRFC1918.String() + ", or the networks themselves"
	case PresetSelf:
		return "opens every service of this host; live relay ports need no line, for another service name its address and ports"
	case PresetLocalRoutes: // what the host happens to have; hard rules stand over their part of it
		return ""
	}
	for _, pre := range prefixes {
		if p.shutPrefix(pre) == "" {
			return ""
		}
	}
	return p.shutPrefix(prefixes[0]) + "; remove the line"
}

// shutPrefix says why nothing opens a prefix: a hard rule stands over every
// address in it, or over what every address in it carries.
func (p *Policy) shutPrefix(pre netip.Prefix) string {
	if r := hardOver(pre); r != nil {
		return fmt.Sprintf("within %v (%s, %s), and no line opens %v", r.prefix, r.name, r.source, r.rule)
	}
	if pre.IsSingleIP() && p.known[pre.Addr()].broadcast {
		return fmt.Sprintf("a directed broadcast address, and no line opens %v", Broadcast)
	}
	if pre.Bits() >= localNAT64.Bits() && localNAT64.Contains(pre.Addr()) {
		return fmt.Sprintf("within %v, where only the translator knows which bits are the IPv4 address (RFC 8215); use %v",
			localNAT64, nat64)
	}
	if pre.Addr().Is6() {
		return shutInside(pre)
	}
	return ""
}

// shutInside does so for what the addresses of an IPv6 prefix carry. The bits of
// a carried address stand together, so the first and the last address of the
// prefix bound what the others carry.
func shutInside(pre netip.Prefix) string {
	first, last := carried(pre.Addr()), carried(lastOf(pre))
	for i := range min(first.n, last.n) {
		r := specialOf(first.list[i].addr)
		if r != nil && r.rule.hard() && r.prefix.Contains(last.list[i].addr) {
			return fmt.Sprintf("every address in it carries one of %v (%s), and no line opens %v", r.prefix, first.list[i].form, r.rule)
		}
	}
	return ""
}

// plain takes the mapped form and the zone away, as interfaces report them.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func (p *Policy) addHosts(name string, list []netip.Addr, relay bool, faults *faults) {
	for i, addr := range list {
		addr = plain(addr)
		if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
			faults.add("%s[%d] %v: not the address of one host; list each address by itself", name, i, addr)
			continue
		}
		k := p.known[addr]
		k.host = true
		k.relay = k.relay || relay
		p.known[addr] = k
	}
}

// addBroadcasts comes after addHosts: a broadcast address computed for a /31 or
// /32 is an address of the host.
func (p *Policy) addBroadcasts(list []netip.Addr, faults *faults) {
	for i, addr := range list {
		addr = plain(addr)
		k := p.known[addr]
		switch {
		case !addr.Is4() || addr.IsUnspecified():
			faults.add("Broadcasts[%d] %v: not an IPv4 address; only IPv4 networks have a broadcast address", i, addr)
		case k.host:
			faults.add("Broadcasts[%d] %v: also an address of this host; leave it out, a /31 or /32 has no broadcast address", i, addr)
		default:
			k.broadcast = true
			p.known[addr] = k
		}
	}
}

// addOwn comes after addHosts, which an unspecified address refers to.
func (p *Policy) addOwn(list []netip.AddrPort, faults *faults) {
	for i, own := range list {
		addr, port := plain(own.Addr()), own.Port()
		switch {
		case !addr.IsValid():
			faults.add("Own[%d] %v: not an address; write ADDRESS:PORT", i, own)
		case port == 0:
			faults.add("Own[%d] %v: port 0 is not bound yet; list the port the listener got", i, own)
		case !addr.IsUnspecified():
			p.addPort(addr, port)
		case !p.addPortToHosts(port):
			faults.add("Own[%d] %v: stands for every address of this host, and none is known; fill HostAddrs", i, own)
		}
	}
}

// addPortToHosts reports whether there was a host address to add it to.
func (p *Policy) addPortToHosts(port uint16) (found bool) {
	for addr, k := range p.known {
		if k.host {
			p.addPort(addr, port)
			found = true
		}
	}
	return found
}

func (p *Policy) addPort(addr netip.Addr, port uint16) {
	k := p.known[addr]
	if !slices.Contains(k.ports, port) {
		k.ports = append(k.ports, port)
	}
	p.known[addr] = k
}

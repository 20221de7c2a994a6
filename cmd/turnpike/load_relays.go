package main

import (
	"fmt"
	"net"
	"net/netip"

	"turnpike/pkg/netpolicy"
	"turnpike/relay"
)

// relays are the relay addresses with their public ones, as far as the
// configuration tells.
func (l *loader) relays() (all []relayAddr) {
	for i, c := range l.c.Relay.Addresses {
		path := fmt.Sprintf("relay.addresses[%d]", i)
		r := relayAddr{Pool: relay.Pool{Bind: c.Bind.Addr, MinPort: l.c.Relay.MinPort, MaxPort: l.c.Relay.MaxPort}}
		r.fault = func(reason, cure string) error { return l.c.Fault(path+".bind", reason, cure) }
		if c.Bind.IsAuto() {
			bind, err := defaultRoute()
			if err != nil {
				l.fault(path+".bind", "name the address of this host that peers reach, an IPv6 one in quotes",
					"auto is the address of the default IPv4 route, and there is none (%v)", err)
				continue
			}
			r.Bind = bind
		}
		l.public(path, c.Public, &r)
		all = append(all, r)
	}
	return all
}

// public finds the public address of a relay address, or leaves it to a STUN
// server. A private one that nobody can reach is the commonest mistake of all.
func (l *loader) public(path string, named netip.Addr, r *relayAddr) {
	switch {
	case named.IsValid():
		r.Public, r.Source = named, "relay.addresses"
	case !l.c.PublicIP.IsAuto() && l.c.PublicIP.Is4() == r.Bind.Is4():
		r.Public, r.Source = l.c.PublicIP.Addr, "public_ip"
	case netpolicy.Global(r.Bind):
		r.Public, r.Source = r.Bind, "interface"
	case len(l.c.STUNServers) == 0:
		l.fault(path+".bind", fmt.Sprintf("set public_ip (or `public` here) to the address that the internet sees, "+
			"or list stun_servers to ask; where there is no internet, set public_ip to %s itself", r.Bind),
			"%s is private and no public address is known: peers would be told an address that they can't reach", r.Bind)
	}
	if r.Public.IsValid() && r.Public.Is4() != r.Bind.Is4() {
		l.fault(path+".public", "name an address of the same family", "%s stands for %s, which is of the other family", r.Public, r.Bind)
	}
}

// defaultRoute is this host's address on the way to the internet. Connecting a
// UDP socket looks the route up and sends nothing.
func defaultRoute() (netip.Addr, error) {
	c, err := net.Dial("udp4", "198.41.0.4:53") // a.root-servers.net
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

package main

import (
	"fmt"
	"slices"
	"time"

	"turnpike/auth"
	"turnpike/pkg/config"
	"turnpike/pkg/hostnet"
	"turnpike/pkg/netpolicy"
)

// roleTransports are the transports of a role.
func roleTransports(list []config.Transport) (all auth.Transports) {
	bits := map[config.Transport]auth.Transports{config.UDP: auth.UDP, config.TCP: auth.TCP, config.TLSOverTCP: auth.TLS}
	for _, t := range list {
		all |= bits[t]
	}
	return all
}

// rolePeers are the lines of the roles that have some, as far as they hold. A role
// whose lines have all expired reaches nobody.
func rolePeers(c *config.Policy, now time.Time) map[string][]netpolicy.Line {
	peers := make(map[string][]netpolicy.Line, len(c.Roles))
	for name, lines := range c.Roles {
		peers[name] = policyLines(holdingOf(lines, now))
	}
	return peers
}

// holdingOf are the lines that have not expired.
func holdingOf(lines []config.Line, now time.Time) []config.Line {
	return slices.DeleteFunc(slices.Clone(lines), func(l config.Line) bool { return l.Expired(now) })
}

// roleFaults gathers what a policy finds wrong with the peers of roles, with their
// places.
func (l *loader) roleFaults(host hostnet.Host, now time.Time) {
	for i, r := range l.c.Roles {
		lines := holdingOf(r.Peers, now)
		_, err := netpolicy.New(netpolicy.Options{Roles: map[string][]netpolicy.Line{r.ID: policyLines(lines)},
			HostAddrs: host.Addrs, Broadcasts: host.Broadcasts, Routes: host.Routes})
		l.lineFaults(fmt.Sprintf("roles[%d].peers", i), config.Lists{Allow: lines}, err)
	}
}

// keepRoles keeps the peers of roles that are gone: their live sessions go on, and
// would else reach more than before.
func (p *policySettings) keepRoles(before policySettings, roles []auth.Role) {
	for name, peers := range before.Roles {
		if !slices.ContainsFunc(roles, func(r auth.Role) bool { return r.Name == name }) {
			p.Roles[name] = peers
		}
	}
}

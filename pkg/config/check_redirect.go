package config

import (
	"fmt"
	"net/netip"
	"slices"
)

// checkRedirect leaves it to who knows this host's addresses whether a server is
// this one.
func (l *loader) checkRedirect(c *Config) {
	r := &c.Redirect
	checkUnique(l, "redirect.when", r.When)
	switch {
	case len(r.When) > 0 && len(r.Servers) == 0:
		l.judge("redirect.when", "is given, and there is no server to send clients to", "give redirect.servers, or redirect.when: []", "redirect.servers")
	case len(r.When) == 0 && len(r.Servers) > 0:
		l.judge("redirect.servers", "is given, and clients are never sent there", "give redirect.when, such as [draining]", "redirect.when")
	}
	for i, server := range r.Servers {
		path := entry("redirect.servers", i)
		if server.Addr().IsUnspecified() {
			l.judge(path, "is "+server.String()+", no address of one server", "give the address that clients reach it at")
		}
		if j := slices.Index(r.Servers[:i], server); j >= 0 {
			l.judge(path, fmt.Sprintf("is %v, as entry %d is", server, j), "list each server once", entry("redirect.servers", j))
		}
	}
	if r.Domain != "" && !isHostName(r.Domain) {
		l.judge("redirect.domain", "is "+clip(r.Domain), "give the host name that the certificates of those servers are for")
	}
	if len(r.Servers) > 0 && c.Credentials.NonceKeyFile == "" {
		l.warn("redirect.servers", "is given without credentials.nonce_key_file: browsers bring along the nonce that they have, and go nowhere if it is not good there",
			"give these servers and this one the same nonce_key_file")
	}
	l.checkRedirectFamilies(c)
}

// checkRedirectFamilies warns of clients that nowhere is to be sent to (RFC 8489
// §10: the alternate has the family of the request).
func (l *loader) checkRedirectFamilies(c *Config) {
	if len(c.Redirect.Servers) == 0 {
		return
	}
	for _, family := range []struct {
		name string
		has  func(netip.AddrPort) bool
	}{
		{"IPv4", func(a netip.AddrPort) bool { return a.Addr().Is4() }},
		{"IPv6", func(a netip.AddrPort) bool { return a.Addr().Is6() }},
	} {
		listens := slices.ContainsFunc(c.Listen, func(one Listener) bool { return family.has(one.Address) })
		if listens && !slices.ContainsFunc(c.Redirect.Servers, family.has) {
			l.warn("redirect.servers", "has none of "+family.name+", so that clients which come by "+family.name+" are not sent anywhere",
				"add the "+family.name+" address of another server")
		}
	}
}

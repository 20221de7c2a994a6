package main

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"turnpike/pkg/hostnet"
	"turnpike/pkg/netpolicy"
	"turnpike/relay"
)

// lists are who may be reached and who may come, on this host as it is now.
type lists struct {
	peers           *netpolicy.Policy
	clients, askers *netpolicy.Clients
}

// newLists makes them for a server that listens.
func (p *parts) newLists(s policySettings) (l lists, err error) {
	host, err := hostnet.Read()
	if err != nil {
		return l, err
	}
	var peers, clients error
	l.peers, peers = newPolicy(s, host, p.pools, p.own())
	l.clients, l.askers, clients = newClients(s, host, p.listening)
	return l, errors.Join(peers, clients)
}

// obey puts lists in force, for what is running too.
func (p *parts) obey(l lists) {
	p.relay.SetPolicy(l.peers)
	p.relay.SetClients(l.clients.Admits)
	p.askers.set(l.askers.Admits)
}

// newPolicy is the peer policy of a host that listens on own.
func newPolicy(s policySettings, host hostnet.Host, pools []relay.Pool, own []netip.AddrPort) (*netpolicy.Policy, error) {
	var relays []netip.Addr
	for _, pool := range pools {
		relays = append(relays, pool.Bind, pool.Public)
		for _, at := range own { // behind a 1:1 NAT a listener has a second name
			if at.Addr() == pool.Bind && pool.Public != pool.Bind {
				own = append(own, netip.AddrPortFrom(pool.Public, at.Port()))
			}
		}
	}
	return netpolicy.New(netpolicy.Options{
		Mode: s.Mode, Allow: s.Allow, Deny: s.Deny, Roles: s.Roles,
		RelayAddrs: relays, Own: own, HostAddrs: host.Addrs, Broadcasts: host.Broadcasts, Routes: host.Routes,
	})
}

// newClients says who may send to the relay, and who may ask the issuer.
func newClients(s policySettings, host hostnet.Host, listening []netip.AddrPort) (clients, askers *netpolicy.Clients, err error) {
	var wrong [2]error
	var always []netip.Addr
	for _, at := range listening {
		always = append(always, at.Addr())
	}
	clients, wrong[0] = s.Clients.on(host, always...)
	askers, wrong[1] = s.IssuerClients.on(host)
	return clients, askers, errors.Join(wrong[:]...)
}

func (s clientSettings) on(host hostnet.Host, always ...netip.Addr) (*netpolicy.Clients, error) {
	return netpolicy.NewClients(netpolicy.ClientOptions{Mode: s.Mode, Allow: s.Allow, Deny: s.Deny, HostAddrs: host.Addrs, Routes: host.Routes, Always: always})
}

// withoutShut leaves out the lines that an error of newPolicy is about: they
// could open nothing on this host as it is now. It gives them by name, or none if
// the error is about anything else too.
func (s policySettings) withoutShut(err error) (rest policySettings, shut []string) {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return s, nil
	}
	gone := map[string][]int{} // indexes by list
	for _, err := range joined.Unwrap() {
		fault, ok := errors.AsType[*netpolicy.Fault](err)
		if !ok || fault.List == "Deny" {
			return s, nil
		}
		gone[fault.List] = append(gone[fault.List], fault.Index)
		shut = append(shut, fmt.Sprintf("%s (%s)", fault.Reason, fault.Place))
	}
	rest = s
	rest.Allow = without(s.Allow, gone["Allow"])
	rest.Roles = maps.Clone(s.Roles)
	for name, lines := range s.Roles { // one that has no line left stays, and reaches nothing
		rest.Roles[name] = without(lines, gone["Roles["+name+"]"])
	}
	return rest, shut
}

func without(lines []netpolicy.Line, indexes []int) (rest []netpolicy.Line) {
	for i, l := range lines {
		if !slices.Contains(indexes, i) {
			rest = append(rest, l)
		}
	}
	return rest
}

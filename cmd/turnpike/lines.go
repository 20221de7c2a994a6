package main

import (
	"errors"
	"slices"
	"time"

	"turnpike/pkg/config"
	"turnpike/pkg/hostnet"
	"turnpike/pkg/netpolicy"
)

// holding are the lines that have not expired.
func holding(lists config.Lists, now time.Time) config.Lists {
	expired := func(l config.Line) bool { return l.Expired(now) }
	return config.Lists{Deny: slices.DeleteFunc(lists.Deny, expired), Allow: slices.DeleteFunc(lists.Allow, expired)}
}

// policyLines are lines as the policy takes them.
func policyLines(lines []config.Line) (all []netpolicy.Line) {
	for i := range lines {
		l := &lines[i]
		line := netpolicy.Line{Prefix: l.Match.Prefix, From: l.Match.From, To: l.Match.To,
			Place: l.Place.String(), Comment: l.Comment, Ticket: l.Ticket}
		line.Preset, _ = netpolicy.ParsePreset(l.Match.Preset) // none for the other forms
		for _, p := range l.Ports {
			line.Ports = append(line.Ports, netpolicy.PortRange{First: p.First, Last: p.Last})
		}
		all = append(all, line)
	}
	return all
}

func policyMode(m config.Mode) netpolicy.Mode {
	if m == config.AllowList {
		return netpolicy.AllowList
	}
	return netpolicy.Public
}

// policy turns the lines into settings. What the policy finds wrong with one is
// told with its place.
func (l *loader) policy() policySettings {
	c, now := &l.c.Policy, time.Now()
	peers := holding(c.PeerLines(), now)
	p := policySettings{Mode: policyMode(c.Mode), Allow: policyLines(peers.Allow), Deny: policyLines(peers.Deny), Roles: rolePeers(c, now)}
	host, _ := hostnet.Read() // an error comes again where the policy is made
	_, err := netpolicy.New(netpolicy.Options{Mode: p.Mode, Allow: p.Allow, Deny: p.Deny,
		HostAddrs: host.Addrs, Broadcasts: host.Broadcasts, Routes: host.Routes})
	l.lineFaults("policy", peers, err)
	l.roleFaults(host, now)
	p.Clients = l.clients("policy.clients", c.Clients.Mode, holding(c.ClientLines(), now))
	p.IssuerClients = l.clients("policy.issuer_clients", c.IssuerClients.Mode, holding(c.IssuerClientLines(), now))
	return p
}

func (l *loader) clients(path string, mode config.Mode, lists config.Lists) clientSettings {
	s := clientSettings{Mode: policyMode(mode), Allow: policyLines(lists.Allow), Deny: policyLines(lists.Deny)}
	_, err := newClients(s)
	l.lineFaults(path, lists, err)
	return s
}

// lineFaults gathers what is wrong with lines, and at the path what is wrong with
// something else.
func (l *loader) lineFaults(path string, lists config.Lists, err error) {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		l.wrong(path, err)
		return
	}
	for _, err := range joined.Unwrap() {
		fault, ok := errors.AsType[*netpolicy.Fault](err)
		switch {
		case !ok:
			l.wrong(path, err)
		case fault.List == "Deny":
			l.faults = append(l.faults, lists.Deny[fault.Index].Fault(fault.Reason, ""))
		default:
			l.faults = append(l.faults, lists.Allow[fault.Index].Fault(fault.Reason, ""))
		}
	}
}

// unjudged refuses to serve what nothing obeys yet.
func (p *policySettings) unjudged() error {
	for _, c := range []clientSettings{p.Clients, p.IssuerClients} {
		if len(c.Deny)+len(c.Allow) > 0 || c.Mode != netpolicy.Public {
			return errors.New("policy: lists of clients are not obeyed yet; take them away")
		}
	}
	return nil
}

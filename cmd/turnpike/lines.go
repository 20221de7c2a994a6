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

// linesAt are the lines that hold at a time.
func linesAt(c *config.Policy, now time.Time) policySettings {
	peers := holding(c.PeerLines(), now)
	return policySettings{
		At: now, Mode: policyMode(c.Mode), Allow: policyLines(peers.Allow), Deny: policyLines(peers.Deny), Roles: rolePeers(c, now),
		Clients:       clientsAt(c.Clients.Mode, c.ClientLines(), now),
		IssuerClients: clientsAt(c.IssuerClients.Mode, c.IssuerClientLines(), now),
	}
}

func clientsAt(mode config.Mode, lists config.Lists, now time.Time) clientSettings {
	lists = holding(lists, now)
	return clientSettings{Mode: policyMode(mode), Allow: policyLines(lists.Allow), Deny: policyLines(lists.Deny)}
}

// policy turns the lines into settings. What the policy finds wrong with one is
// told with its place.
func (l *loader) policy() policySettings {
	c, now := &l.c.Policy, time.Now()
	p := linesAt(c, now)
	host, _ := hostnet.Read() // an error comes again where the policy is made
	withoutRoles := p
	withoutRoles.Roles = nil
	_, err := newPolicy(withoutRoles, host, nil, nil)
	l.lineFaults("policy", holding(c.PeerLines(), now), err)
	l.roleFaults(host, now)
	_, err = p.Clients.on(host)
	l.lineFaults("policy.clients", holding(c.ClientLines(), now), err)
	_, err = p.IssuerClients.on(host)
	l.lineFaults("policy.issuer_clients", holding(c.IssuerClientLines(), now), err)
	return p
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

package netpolicy

import (
	"fmt"
	"net/netip"
	"strings"
)

// Explain says in one line for people what Peer would answer, by which rule,
// which prefix and whose word that is. It is not for the packet path.
func (p *Policy) Explain(peer netip.AddrPort, live func(netip.AddrPort) bool) string {
	return p.peer(peer, live).explain(peer)
}

// ExplainPermission does so for what Permission would answer.
func (p *Policy) ExplainPermission(peer netip.Addr) string {
	return p.permission(peer).explain(peer)
}

func (f finding) explain(peer any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: ", peer)
	if f.rule.allows() {
		b.WriteString("allowed")
	} else {
		b.WriteString("denied")
	}
	fmt.Fprintf(&b, " by %v: ", f.rule)
	if f.inside.addr.IsValid() {
		fmt.Fprintf(&b, "carries %v (%s), ", f.inside.addr, f.inside.form)
	}
	b.WriteString(f.reason())
	if f.role != "" && f.rule != RoleDeny {
		fmt.Fprintf(&b, "; among the peers of the role %s: line %v", f.role, f.roleLine)
	}
	if f.rule != Invalid && f.rule.hard() {
		b.WriteString("; no line opens it")
	}
	return b.String()
}

// reason names the place of the rule.
func (f finding) reason() string {
	if f.row != nil {
		return fmt.Sprintf("in %v (%s, %s)", f.row.prefix, f.row.name, f.row.source)
	}
	switch f.rule {
	case Invalid:
		return "needs an address without zone and a port other than 0"
	case Broadcast:
		return "directed broadcast address of a network of this host (RFC 919 §7)"
	case OwnService:
		return "a service of our own listens there"
	case OperatorDeny:
		return "deny line " + f.line.String()
	case OperatorAllow:
		return "allow line " + f.line.String()
	case OwnHost:
		return "an address of this host, and not a live relay port; only an allow line of this one address opens it"
	case OwnHealth:
		return "an address that this server listens on, from which it asks itself whether it is well"
	case DefaultDeny:
		return "no line names it, and the mode is allow list"
	case RoleDeny:
		return fmt.Sprintf("the policy allows it, and none of the peers of the role %s has it", f.role)
	case OwnRelay:
		return "an address of our relays; each port is judged when it is used"
	case LiveRelay:
		return "a currently allocated relay port of ours"
	}
	return "no rule names it, and the mode is public"
}

// String is the line with its place, comment and ticket. The words are the
// operator's, and stay on one line.
func (m match) String() string {
	var b strings.Builder
	b.WriteString(m.line.String())
	if m.line.Preset != 0 {
		fmt.Fprintf(&b, " (%v)", m.prefix)
	}
	if m.line.Place != "" {
		fmt.Fprintf(&b, " at %s", m.line.Place)
	}
	if m.line.Comment != "" {
		fmt.Fprintf(&b, ", %q", m.line.Comment)
	}
	if m.line.Ticket != "" {
		fmt.Fprintf(&b, ", ticket %q", m.line.Ticket)
	}
	return b.String()
}

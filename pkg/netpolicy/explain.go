package netpolicy

import (
	"fmt"
	"net/netip"
	"strings"
)

// Explain says in one line for people what Peer would answer, by which rule,
// which prefix and whose word that is. It is not for the packet path.
func (p *Policy) Explain(peer netip.AddrPort, live func(netip.AddrPort) bool) string {
	f := p.peer(peer, live)
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
		return fmt.Sprintf("deny line %v", f.line)
	case OperatorAllow:
		return fmt.Sprintf("allow line %v", f.line)
	case OwnHost:
		return "an address of this host, and not a live relay port; only an allow line of this one address opens it"
	case DefaultDeny:
		return "no line names it, and the mode is allow list"
	case LiveRelay:
		return "a currently allocated relay port of ours"
	}
	return "no rule names it, and the mode is public"
}

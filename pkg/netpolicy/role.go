package netpolicy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// role is what a policy is narrowed by.
type role struct {
	name  string
	peers *list
}

// Of is the policy for those of a role: itself, unless Options.Roles has the role.
func (p *Policy) Of(role string) *Policy {
	if narrow := p.roles[role]; narrow != nil {
		return narrow
	}
	return p
}

// addRoles comes last: what a role's policy shares with that of all is complete.
func (p *Policy) addRoles(roles map[string][]Line, h host, faults *faults) {
	p.roles = make(map[string]*Policy, len(roles))
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		narrow := *p
		narrow.only = &role{name, newList(fmt.Sprintf("Roles[%s]", name), roles[name], h, p.vain, faults)}
		p.roles[name] = &narrow
	}
}

// vain says why a line of a role would let nobody through, or would say next to
// nothing.
func (p *Policy) vain(l Line, prefixes []netip.Prefix) string {
	switch l.Preset {
	case PresetSpecialPurpose:
		return "half of what it names nothing opens; name " + PresetRFC1918.String() + ", or the networks themselves"
	case PresetSelf: // relay ports in use
		return ""
	}
	return p.shut(l, prefixes)
}

// narrowed is what becomes of a peer that the policy of all has judged: a role
// takes away, and never gives. Port 0 stands for none.
func (p *Policy) narrowed(f finding, addr netip.Addr, port uint16) finding {
	if p.only == nil || !f.rule.allows() {
		return f
	}
	f.role = p.only.name
	if f.roleLine = p.only.peers.allows(addr, port); f.roleLine.line == nil {
		f.rule = RoleDeny
	}
	return f
}

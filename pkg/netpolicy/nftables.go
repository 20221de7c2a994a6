package netpolicy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// NFTOptions say which datagrams the ruleset is for.
type NFTOptions struct {
	// User is who the server runs as, by name or number; Cgroup its control
	// group below the root, as system.slice/turnpike.service, which nft looks up
	// when it loads the ruleset. One of them.
	User, Cgroup string
	// Ports are those of the relay pools. What leaves from one of them is
	// relayed; the rest, answers to clients above all, is none of the policy's
	// business.
	Ports []PortRange
	// Resolvers are what the server itself asks over UDP. The system may give
	// such a question a port of the relays, unless they are kept from it
	// (net.ipv4.ip_local_reserved_ports).
	Resolvers []netip.AddrPort
}

var (
	userName   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
	cgroupPath = regexp.MustCompile(`^[A-Za-z0-9_.@:\\-]+(/[A-Za-z0-9_.@:\\-]+)*$`)
)

func (o NFTOptions) check() error {
	var faults faults
	switch {
	case (o.User == "") == (o.Cgroup == ""):
		faults.add("User %q and Cgroup %q: name one of them, for the kernel to know the server by", o.User, o.Cgroup)
	case o.User != "" && !userName.MatchString(o.User):
		faults.add("User %q: write a user's name or number", o.User)
	case o.Cgroup != "" && !cgroupPath.MatchString(o.Cgroup):
		faults.add("Cgroup %q: write a path without / at its ends, as system.slice/turnpike.service", o.Cgroup)
	}
	if len(o.Ports) == 0 {
		faults.add("Ports: none; list those of the relay pools")
	}
	for i, r := range o.Ports {
		if r.First == 0 || r.First > r.Last {
			faults.add("Ports[%d] %v: write FIRST-LAST, from 1 to 65535", i, r)
		}
	}
	for i, r := range o.Resolvers {
		if !usable(r.Addr()) || r.Port() == 0 {
			faults.add("Resolvers[%d] %v: write ADDRESS:PORT", i, r)
		}
	}
	return errors.Join(faults...)
}

// server is the match for what the server sends.
func (o NFTOptions) server() string {
	if o.User != "" {
		return fmt.Sprintf("meta skuid %q", o.User)
	}
	return fmt.Sprintf("socket cgroupv2 level %d %q", 1+strings.Count(o.Cgroup, "/"), o.Cgroup)
}

const fenceHead = `#!/usr/sbin/nft -f
# The peer policy of turnpike once more, for the kernel: a relayed datagram to a
# peer that the policy refuses does not leave this host, whatever the server
# believes. Load it with nft -f; loading it again replaces it as a whole.
#
# Stricter than the policy: Teredo, ISATAP and local-use NAT64 addresses are
# refused, since the kernel can't look at the IPv4 address in them. Wider: every
# relay port of this host is in reach, since the kernel can't know which live.
table inet turnpike_egress
delete table inet turnpike_egress
table inet turnpike_egress {
`

// NFTables writes the policy as a ruleset for nft(8), a second fence in the
// kernel for what the server relays.
func (p *Policy) NFTables(o NFTOptions) (string, error) {
	if err := o.check(); err != nil {
		return "", err
	}
	f := &fence{p: p, relayPorts: portText((Line{Ports: o.Ports}).tidy().Ports)}
	f.peers(form{name: "4", expr: "ip daddr", v4: true, plain: true}, "accept")
	f.peers6()
	var b strings.Builder
	b.WriteString(fenceHead)
	b.WriteString(f.sets.String())
	fmt.Fprintf(&b, "\tchain output {\n\t\ttype filter hook output priority filter; policy accept;\n")
	fmt.Fprintf(&b, "\t\t%s udp sport %s goto relayed\n\t}\n\n", o.server(), f.relayPorts)
	b.WriteString(f.chains.String())
	b.WriteString("\tchain relayed {\n")
	for _, r := range o.Resolvers {
		family := "ip"
		if r.Addr().Unmap().Is6() {
			family = "ip6"
		}
		fmt.Fprintf(&b, "\t\t%s daddr %v udp dport %d accept comment \"resolver\"\n", family, r.Addr().Unmap(), r.Port())
	}
	b.WriteString("\t\tmeta nfproto ipv4 goto peers_4\n\t\tmeta nfproto ipv6 goto peers_6\n\t}\n}\n")
	return b.String(), nil
}

// portText is how nft writes ports that are in order.
func portText(ports []PortRange) string {
	if len(ports) == 0 {
		return "1-65535"
	}
	list := make([]string, len(ports))
	for i, r := range ports {
		list[i] = r.String()
	}
	return "{ " + strings.Join(list, ", ") + " }"
}

// group are prefixes that the same is said of at the same ports.
type group struct {
	ports    string // as nft writes them; none is every port
	prefixes []netip.Prefix
}

// groups collect prefixes by ports.
type groups map[string][]netip.Prefix

func (g groups) add(pre netip.Prefix, ports []PortRange) {
	key := ""
	if ports = (Line{Ports: ports}).tidy().Ports; len(ports) > 0 {
		key = portText(ports)
	}
	g[key] = append(g[key], pre)
}

// sorted are the groups in order, each without prefixes that lie in others.
func (g groups) sorted() (out []group) {
	for ports, prefixes := range g {
		slices.SortFunc(prefixes, netip.Prefix.Compare)
		kept := prefixes[:0]
		for _, pre := range prefixes {
			if len(kept) == 0 || !kept[len(kept)-1].Overlaps(pre) {
				kept = append(kept, pre)
			}
		}
		out = append(out, group{ports, kept})
	}
	slices.SortFunc(out, func(a, b group) int { return strings.Compare(a.ports, b.ports) })
	return out
}

// said is what the lines say of each prefix, port by port; of tells which lines
// count.
func (l *list) said(of func(*Line) bool) groups {
	g := groups{}
	for _, n := range l.table.All() {
		var ports []PortRange
		for _, s := range n.spans {
			if of(s.line) {
				ports = append(ports, s.PortRange)
			}
		}
		if ports != nil {
			g.add(n.prefix, ports)
		}
		if n.whole != nil && of(n.whole) {
			g.add(n.prefix, nil)
		}
	}
	return g
}

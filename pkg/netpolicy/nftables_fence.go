package netpolicy

import (
	"fmt"
	"net/netip"
	"strings"
)

// fence is a ruleset in the making.
type fence struct {
	p            *Policy
	relayPorts   string
	sets, chains strings.Builder
}

// form is a way in which the kernel reads an address: as it is, or the IPv4
// address in an IPv6 one whose bits stand together. The sets of IPv4 prefixes
// then come again as IPv6 prefixes.
type form struct {
	name  string
	expr  string       // what nft compares
	v4    bool         // the policy's IPv4 side
	plain bool         // as it is
	at    netip.Prefix // where the form's addresses begin, if not plain
}

var carriers = []form{
	{name: "compatible", at: compatible},
	{name: "translated", at: translated},
	{name: "nat64", at: nat64},
	{name: "6to4", at: sixToFour},
}

// as is a prefix of the policy in this form, if it has one.
func (f form) as(pre netip.Prefix) (netip.Prefix, bool) {
	if pre.Addr().Is4() != f.v4 {
		return netip.Prefix{}, false
	}
	if f.plain {
		return pre, true
	}
	b, v4 := f.at.Addr().As16(), pre.Addr().As4()
	copy(b[f.at.Bits()/8:], v4[:])
	return netip.PrefixFrom(netip.AddrFrom16(b), f.at.Bits()+pre.Bits()), true
}

// peers6 judges the IPv4 address in an IPv6 one first, for it may only make
// things worse. Without an allow line about them those addresses are special
// and need no look inside.
func (f *fence) peers6() {
	var first strings.Builder
	for _, c := range carriers {
		if f.opened(c.at) {
			c.expr, c.v4 = "ip6 daddr", true
			f.peers(c, "return")
			fmt.Fprintf(&first, "\t\tip6 daddr %v jump peers_%s\n", c.at, c.name)
		}
	}
	for _, blind := range []netip.Prefix{localNAT64, teredo} {
		fmt.Fprintf(&first, "\t\tip6 daddr %v counter drop comment \"can't be looked into\"\n", blind)
	}
	// RFC 5214 §6.1: 00-00-5E-FE, or 02-00-5E-FE, before the IPv4 address.
	first.WriteString("\t\tip6 daddr & ::fdff:ffff:0:0 == ::5efe:0:0 counter drop comment \"ISATAP, can't be looked into\"\n")
	f.peersAfter(form{name: "6", expr: "ip6 daddr", plain: true}, "accept", first.String())
}

func (f *fence) opened(pre netip.Prefix) bool { return f.p.allow.table.OverlapsPrefix(pre) }

func (f *fence) peers(as form, yes string) { f.peersAfter(as, yes, "") }

// peersAfter writes the chain that takes the steps of Policy.judge for one form
// of address, after the given rules.
func (f *fence) peersAfter(as form, yes, first string) {
	var rules strings.Builder
	say := func(name string, g groups, verdict, comment string) {
		f.say(&rules, as, name, g, verdict, comment)
	}
	relays, hosts, hard, own, opened := f.known()
	if as.plain {
		say("relays", relays, "accept", "live relays, as far as can be known")
	}
	rules.WriteString(first)
	say("hard", hard, "counter drop", "hard deny")
	say("own", own, "counter drop", "own services")
	say("deny", f.p.deny.said(func(*Line) bool { return true }), "counter drop", "operator's deny")
	say("opened", opened, yes, "addresses of this host with a line of their own")
	say("hosts", hosts, "counter drop", "this host")
	say("allow", f.p.allow.said(func(*Line) bool { return true }), yes, "operator's allow")
	say("special", rows(func(r Rule) bool { return !r.hard() }), "counter drop", "built-in deny")
	last := yes
	if f.p.mode == AllowList {
		last = "counter drop"
	}
	fmt.Fprintf(&f.chains, "\tchain peers_%s {\n%s\t\t%s\n\t}\n\n", as.name, rules.String(), last)
}

// say writes a rule and a set for each of the groups that has prefixes of the
// form.
func (f *fence) say(rules *strings.Builder, as form, name string, g groups, verdict, comment string) {
	for i, group := range g.sorted() {
		var elements []string
		for _, pre := range group.prefixes {
			if pre, ok := as.as(pre); ok {
				elements = append(elements, pre.String())
			}
		}
		if elements == nil {
			continue
		}
		set, ports, family := fmt.Sprintf("%s_%s", name, as.name), "", "ipv6_addr"
		if group.ports != "" {
			set, ports = fmt.Sprintf("%s_%d", set, i), " udp dport "+group.ports
		}
		if as.expr == "ip daddr" {
			family = "ipv4_addr"
		}
		fmt.Fprintf(&f.sets, "\tset %s {\n\t\ttype %s\n\t\tflags interval\n\t\telements = {\n\t\t\t%s\n\t\t}\n\t}\n\n",
			set, family, strings.Join(elements, ",\n\t\t\t"))
		fmt.Fprintf(rules, "\t\t%s @%s%s %s comment %q\n", as.expr, set, ports, verdict, comment)
	}
}

// rows are the special ranges of some rules.
func rows(of func(Rule) bool) groups {
	g := groups{}
	for _, table := range [][]special{special4, special6} {
		for _, r := range table {
			if of(r.rule) {
				g.add(r.prefix, nil)
			}
		}
	}
	return g
}

// known is what New was told of the host, and the hard ranges.
func (f *fence) known() (relays, hosts, hard, own, opened groups) {
	relays, hosts, own, opened, hard = groups{}, groups{}, groups{}, groups{}, rows(Rule.hard)
	for addr, k := range f.p.known {
		pre := netip.PrefixFrom(addr, addr.BitLen())
		if k.relay {
			relays[f.relayPorts] = append(relays[f.relayPorts], pre)
		}
		if k.broadcast {
			hard.add(pre, nil)
		}
		for _, port := range k.ports {
			own.add(pre, []PortRange{{port, port}})
		}
		if k.host {
			hosts.add(pre, nil)
		}
	}
	for ports, prefixes := range f.p.allow.said(func(l *Line) bool { return l.single() }) {
		for _, pre := range prefixes {
			if f.p.known[pre.Addr()].host {
				opened[ports] = append(opened[ports], pre)
			}
		}
	}
	return relays, hosts, hard, own, opened
}

package netpolicy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Line is an entry of one of the operator's lists: a prefix, a range or a
// preset, at some ports or at all.
type Line struct {
	Prefix   netip.Prefix // one of Prefix, From to To, and Preset
	From, To netip.Addr   // both ends are in
	Preset   Preset
	// Ports are those it speaks of; none means every port. A permission has no
	// port (RFC 8656 §9): an Allow line with ports grants it, and a Deny line
	// with ports leaves it alone. The ports are judged at ChannelBind, at Send
	// and for every datagram.
	Ports []PortRange

	Place           string // file:line:column, for faults and Explain
	Comment, Ticket string // for Explain
}

// PortRange are the ports from First to Last, both ends in.
type PortRange struct{ First, Last uint16 }

func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Lines are lines of a prefix each, at every port.
func Lines(prefixes ...netip.Prefix) []Line {
	lines := make([]Line, len(prefixes))
	for i, pre := range prefixes {
		lines[i].Prefix = pre
	}
	return lines
}

// String is what the line matches, as an operator writes it.
func (l Line) String() string {
	if len(l.Ports) == 0 {
		return l.match()
	}
	ports := make([]string, len(l.Ports))
	for i, r := range l.Ports {
		ports[i] = r.String()
	}
	return l.match() + " ports " + strings.Join(ports, ",")
}

func (l Line) match() string {
	switch {
	case l.Preset != 0:
		return l.Preset.String()
	case l.From.IsValid() || l.To.IsValid():
		return fmt.Sprintf("%v-%v", l.From, l.To)
	}
	return l.Prefix.String()
}

// single reports whether the line names one address and nothing else.
func (l Line) single() bool {
	return l.Prefix.IsSingleIP() || l.From.IsValid() && l.From == l.To
}

// tidy is a copy of the line whose ports are its own, in order and apart from
// each other; ports that leave none out are none.
func (l Line) tidy() Line {
	ports := slices.Clone(l.Ports)
	slices.SortFunc(ports, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	l.Ports = ports[:0]
	for _, r := range ports {
		if n := len(l.Ports); n > 0 && int(r.First) <= int(l.Ports[n-1].Last)+1 {
			l.Ports[n-1].Last = max(l.Ports[n-1].Last, r.Last)
			continue
		}
		l.Ports = append(l.Ports, r)
	}
	if len(l.Ports) == 1 && l.Ports[0] == (PortRange{1, 65535}) {
		l.Ports = nil
	}
	return l
}

// wrong says what is amiss with the line's form and how it is cured, or
// nothing. A zone needs no check in a prefix: a netip.Prefix has none.
func (l Line) wrong() string {
	ranged := l.From.IsValid() || l.To.IsValid()
	n := 0
	for _, named := range []bool{l.Prefix != netip.Prefix{}, ranged, l.Preset != 0} {
		if named {
			n++
		}
	}
	for _, r := range l.Ports {
		if r.First == 0 || r.First > r.Last {
			return fmt.Sprintf("ports %v; write FIRST-LAST, from 1 to 65535", r)
		}
	}
	switch {
	case n > 1:
		return "more than one of a prefix, a range and a preset; write a line for each"
	case ranged:
		return wrongRange(l.From, l.To)
	case l.Preset != 0:
		return l.Preset.wrong()
	}
	return wrongPrefix(l.Prefix)
}

func wrongPrefix(pre netip.Prefix) string {
	switch {
	case !pre.IsValid():
		return "not a prefix; write ADDRESS/BITS"
	case pre.Addr().Is4In6():
		return fmt.Sprintf("an IPv4-mapped prefix; write %v, mapped addresses are judged as IPv4", unmapped(pre))
	case pre != pre.Masked():
		return fmt.Sprintf("bits set behind the prefix; write %v, or %v/%d for the one address",
			pre.Masked(), pre.Addr(), pre.Addr().BitLen())
	}
	return ""
}

func wrongRange(from, to netip.Addr) string {
	switch {
	case !usable(from) || !usable(to):
		return "not a range; write FROM-TO, two addresses without zone"
	case from.Unmap().BitLen() != to.Unmap().BitLen():
		return "one end is IPv4 and the other IPv6; write a range for each"
	case from.Is4In6():
		return fmt.Sprintf("an IPv4-mapped range; write %v-%v, mapped addresses are judged as IPv4", from.Unmap(), to.Unmap())
	case to.Less(from):
		return fmt.Sprintf("ends before it begins; write %v-%v", to, from)
	}
	return ""
}

// unmapped is the IPv4 prefix that a mapped one means.
func unmapped(pre netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(pre.Addr().Unmap(), max(pre.Bits()-96, 0)).Masked()
}

// cover is the fewest prefixes that hold the addresses from one to the other
// and no more.
func cover(from, to netip.Addr) (out []netip.Prefix) {
	for {
		bits := from.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(from, bits-1)
			if wider.Masked().Addr() != from || to.Less(lastOf(wider)) {
				break
			}
			bits--
		}
		pre := netip.PrefixFrom(from, bits)
		out = append(out, pre)
		last := lastOf(pre)
		if last == to {
			return out
		}
		from = last.Next()
	}
}

// lastOf is the highest address of a prefix.
func lastOf(pre netip.Prefix) netip.Addr {
	b := pre.Addr().AsSlice()
	for bit := pre.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

package netpolicy

import (
	"net/netip"
	"slices"
	"sort"

	"github.com/gaissmai/bart"
)

// list is one of the operator's lists, by prefix: finding the longest prefix
// that holds an address takes as long in a list of ten as of 100,000. It is not
// changed once it is made.
type list struct{ table bart.Table[*node] }

// node is what the lines say of one prefix.
type node struct {
	prefix netip.Prefix
	spans  []span // the ports that a line decides on, in order and apart
	whole  *Line  // decides on the others; nil if no line does
	first  *Line  // the one that speaks for the prefix as a whole
	outer  *node  // of the next wider prefix, or nil
}

// span are ports and the line that decides on them.
type span struct {
	PortRange
	line *Line
}

// match is a line and one of its prefixes.
type match struct {
	line   *Line
	prefix netip.Prefix
}

// nothingWrong takes every line whose form is right.
func nothingWrong(Line, []netip.Prefix) string { return "" }

// newList checks one of the operator's lists and makes a table of it. wrong
// says what is amiss with a line whose form is right, or nothing.
func newList(name string, lines []Line, h host, wrong func(Line, []netip.Prefix) string, faults *faults) *list {
	var matches []match
	for i, l := range lines {
		reason := l.wrong()
		if reason != "" {
			faults.line(name, i, l, reason)
			continue
		}
		prefixes := h.prefixes(l)
		if reason = wrong(l, prefixes); reason != "" {
			faults.line(name, i, l, reason)
			continue
		}
		line := l.tidy()
		for _, pre := range prefixes {
			matches = append(matches, match{&line, pre})
		}
	}
	return tableOf(matches)
}

// tableOf links each prefix to the next wider one as it goes: in order of
// address, and the wider first, the prefixes around one are those still open.
func tableOf(matches []match) *list {
	slices.SortStableFunc(matches, func(a, b match) int { return a.prefix.Compare(b.prefix) })
	l := new(list)
	var open *node
	for len(matches) > 0 {
		pre := matches[0].prefix
		n := 1
		for n < len(matches) && matches[n].prefix == pre {
			n++
		}
		for open != nil && !open.prefix.Overlaps(pre) {
			open = open.outer
		}
		open = newNode(pre, matches[:n], open)
		l.table.Insert(pre, open)
		matches = matches[n:]
	}
	return l
}

// newNode decides which of several lines speaks for each port of a prefix: the
// first, but a line of one address before a range that happens to have it as a
// part, since only the former opens an address of this host.
func newNode(pre netip.Prefix, matches []match, outer *node) *node {
	slices.SortStableFunc(matches, func(a, b match) int {
		switch {
		case a.line.single() == b.line.single():
			return 0
		case a.line.single():
			return -1
		}
		return 1
	})
	n := &node{prefix: pre, first: matches[0].line, outer: outer}
	for _, e := range matches {
		if len(e.line.Ports) == 0 {
			n.whole = e.line
			return n
		}
		for _, r := range e.line.Ports {
			n.paint(r, e.line)
		}
	}
	return n
}

// paint gives a line those of the ports that no line before it has.
func (n *node) paint(r PortRange, line *Line) {
	i := n.search(r.First)
	for next := int(r.First); next <= int(r.Last); i++ {
		if i == len(n.spans) || int(n.spans[i].First) > next {
			last := r.Last
			if i < len(n.spans) {
				last = min(last, n.spans[i].First-1)
			}
			n.spans = slices.Insert(n.spans, i, span{PortRange{uint16(next), last}, line})
		}
		next = int(n.spans[i].Last) + 1
	}
}

// search finds the first span that ends at port or behind it.
func (n *node) search(port uint16) int {
	return sort.Search(len(n.spans), func(i int) bool { return n.spans[i].Last >= port })
}

func (n *node) at(port uint16) *Line {
	if i := n.search(port); i < len(n.spans) && n.spans[i].First <= port {
		return n.spans[i].line
	}
	return n.whole
}

// find returns the line of the longest prefix that holds addr and has one.
func (l *list) find(addr netip.Addr, of func(*node) *Line) match {
	n, _ := l.table.Lookup(addr)
	for ; n != nil; n = n.outer {
		if line := of(n); line != nil {
			return match{line, n.prefix}
		}
	}
	return match{}
}

// denies returns the line that denies addr at port. Without a port, which is
// port 0, that is a line for every port: a permission is not refused for the
// sake of some.
func (l *list) denies(addr netip.Addr, port uint16) match {
	if port == 0 {
		return l.find(addr, func(n *node) *Line { return n.whole })
	}
	return l.find(addr, func(n *node) *Line { return n.at(port) })
}

// allows returns the line that allows addr at port, or at some port if port is 0.
func (l *list) allows(addr netip.Addr, port uint16) match {
	if port == 0 {
		return l.find(addr, func(n *node) *Line { return n.first })
	}
	return l.find(addr, func(n *node) *Line { return n.at(port) })
}

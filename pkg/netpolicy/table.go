package netpolicy

import (
	"net/netip"
	"slices"
)

// Row is a range that is special, as Policy judges it without any line.
type Row struct {
	Prefix       netip.Prefix
	Name, Source string
	Rule         Rule
	Hard         bool // no line opens it
}

// Table has every special range, IPv4 first, sorted by address; of those that
// hold an address the smallest decides.
func Table() (rows []Row) {
	for _, r := range slices.Concat(special4, special6) {
		rows = append(rows, Row{r.prefix, r.name, r.source, r.rule, r.rule.hard()})
	}
	return rows
}

package netpolicy

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

func addr(s string) netip.Addr         { return netip.MustParseAddr(s) }
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func addrs(list ...string) (out []netip.Addr) {
	for _, s := range list {
		out = append(out, addr(s))
	}
	return out
}

// lines are prefixes, ranges and presets at every port.
func lines(list ...string) (out []Line) {
	for _, s := range list {
		out = append(out, line(s))
	}
	return out
}

func line(s string) Line {
	if preset, ok := ParsePreset(s); ok {
		return Line{Preset: preset}
	}
	if from, to, ok := strings.Cut(s, "-"); ok {
		return Line{From: addr(from), To: addr(to)}
	}
	return Line{Prefix: netip.MustParsePrefix(s)}
}

// at gives lines ports, FIRST or FIRST-LAST each.
func at(list []Line, ports ...string) []Line {
	for i := range list {
		for _, s := range ports {
			first, last, ok := strings.Cut(s, "-")
			if !ok {
				last = first
			}
			list[i].Ports = append(list[i].Ports, PortRange{number(first), number(last)})
		}
	}
	return list
}

func number(s string) uint16 {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		panic(err)
	}
	return uint16(n)
}

func mustNew(t testing.TB, o Options) *Policy {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// everything is an operator who allows all that can be allowed.
func everything(o Options) Options {
	o.Allow = append(o.Allow, lines("0.0.0.0/0", "::/0")...)
	return o
}

func prefixesOf(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

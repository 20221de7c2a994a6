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

// encoding is an IPv4 address in an IPv6 one.
type encoding struct {
	form string
	addr netip.Addr
}

// encodings writes v4 in every form. What a form carries besides is public.
func encodings(v4 netip.Addr) []encoding {
	b := v4.As4()
	low := func(prefix string) netip.Addr {
		a := addr(prefix).As16()
		copy(a[12:], b[:])
		return netip.AddrFrom16(a)
	}
	at := func(base string, offset int) netip.Addr {
		a := addr(base).As16()
		copy(a[offset:], b[:])
		return netip.AddrFrom16(a)
	}
	split := addr("64:ff9b:1::808:808").As16()
	copy(split[6:8], b[:2])
	copy(split[9:11], b[2:])
	client := addr("2001:0:808:808::").As16()
	for i := range b {
		client[12+i] = ^b[i]
	}
	return []encoding{
		{"mapped", low("::ffff:0:0")},
		{"IPv4-compatible", low("::")},
		{"IPv4-translated", low("::ffff:0:0:0")},
		{"NAT64", low("64:ff9b::")},
		{"local NAT64 /48", netip.AddrFrom16(split)},
		{"local NAT64 /96", low("64:ff9b:1:808:8:800::")},
		{"6to4", at("2002::1", 2)},
		{"Teredo server", at("2001::f7f7:f7f7", 4)},
		{"Teredo client", netip.AddrFrom16(client)},
		{"ISATAP", low("2600:1234::5efe:0:0")},
		{"ISATAP, global", low("2600:1234::200:5efe:0:0")},
	}
}

// samples are the first, the middle and the last address of a prefix.
func samples(pre netip.Prefix) []netip.Addr {
	first, last := pre.Addr(), lastOf(pre)
	f := first.AsSlice()
	if pre.Bits() < first.BitLen() { // the first of the upper half
		f[pre.Bits()/8] |= 0x80 >> (pre.Bits() % 8)
		middle, _ := netip.AddrFromSlice(f)
		return []netip.Addr{first, middle, last}
	}
	return []netip.Addr{first}
}

func prefixesOf(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

package relaytest

import "net/netip"

// Encoding is an IPv4 address in an IPv6 one.
type Encoding struct {
	Form string
	Addr netip.Addr
}

// Encodings writes v4 in every form. What a form carries besides is public.
func Encodings(v4 netip.Addr) []Encoding {
	b := v4.As4()
	at := func(base string, offset int) netip.Addr {
		a := netip.MustParseAddr(base).As16()
		copy(a[offset:], b[:])
		return netip.AddrFrom16(a)
	}
	low := func(prefix string) netip.Addr { return at(prefix, 12) }
	split := netip.MustParseAddr("64:ff9b:1::808:808").As16()
	copy(split[6:8], b[:2])
	copy(split[9:11], b[2:])
	client := netip.MustParseAddr("2001:0:808:808::").As16()
	for i := range b {
		client[12+i] = ^b[i]
	}
	return []Encoding{
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

// Samples are the first, the middle and the last address of a prefix.
func Samples(p netip.Prefix) []netip.Addr {
	first := p.Masked().Addr()
	if p.IsSingleIP() {
		return []netip.Addr{first}
	}
	middle, last := first.AsSlice(), first.AsSlice()
	middle[p.Bits()/8] |= 0x80 >> (p.Bits() % 8) // the first of the upper half
	for bit := p.Bits(); bit < first.BitLen(); bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	return []netip.Addr{first, address(middle), address(last)}
}

func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b) // as long as it was
	return a
}

package netpolicy

import "net/netip"

var (
	compatible = netip.MustParsePrefix("::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")
	teredo     = netip.MustParsePrefix("2001::/32")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)

// reading is an IPv4 address found in an IPv6 address.
type reading struct {
	addr netip.Addr
	form string
}

// readings are those of one address; the first n are in use. A Teredo address
// has two, and its last bytes may look like ISATAP besides.
type readings struct {
	list [3]reading
	n    int
}

func (r *readings) add(form string, a, b, c, d byte) {
	r.list[r.n] = reading{netip.AddrFrom4([4]byte{a, b, c, d}), form}
	r.n++
}

// carried returns the IPv4 addresses in an IPv6 address, which is not a mapped
// one.
func carried(addr netip.Addr) (r readings) {
	b := addr.As16()
	switch {
	case compatible.Contains(addr):
		r.add("IPv4-compatible", b[12], b[13], b[14], b[15])
	case translated.Contains(addr):
		r.add("IPv4-translated", b[12], b[13], b[14], b[15])
	case nat64.Contains(addr):
		r.add("NAT64", b[12], b[13], b[14], b[15])
	case localNAT64.Contains(addr):
		// RFC 6052 §2.2: behind a /48 the address is split around byte 8.
		r.add("local-use NAT64 /48", b[6], b[7], b[9], b[10])
		r.add("local-use NAT64 /96", b[12], b[13], b[14], b[15])
	case teredo.Contains(addr):
		// RFC 4380 §4: the client's address is stored inverted.
		r.add("Teredo server", b[4], b[5], b[6], b[7])
		r.add("Teredo client", ^b[12], ^b[13], ^b[14], ^b[15])
	case sixToFour.Contains(addr):
		r.add("6to4", b[2], b[3], b[4], b[5])
	}
	// RFC 5214 §6.1: 00-00-5E-FE, or 02-00-5E-FE for a globally unique address.
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		r.add("ISATAP", b[12], b[13], b[14], b[15])
	}
	return r
}

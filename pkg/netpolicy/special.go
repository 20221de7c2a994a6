package netpolicy

import (
	"net/netip"
	"sort"
)

// special is a range with a rule of its own.
type special struct {
	prefix netip.Prefix
	name   string
	rule   Rule
	source string // RFC and section, or the platform
}

func entry(prefix, name string, rule Rule, source string) special {
	return special{netip.MustParsePrefix(prefix), name, rule, source}
}

// The tables are sorted by address, a range before those inside it. The most
// specific row that holds an address decides; a row inside a hard one is hard
// too.

var special4 = []special{
	entry("0.0.0.0/8", "this network", ThisNetwork, "RFC 1122 §3.2.1.3"),
	entry("10.0.0.0/8", "private use", Private, "RFC 1918 §3"),
	entry("34.118.224.0/20", "GKE services", CloudPlatform, "Google Cloud"),
	entry("100.64.0.0/10", "shared address space", SharedCGN, "RFC 6598 §7"),
	entry("100.100.100.200/32", "instance metadata", CloudMetadata, "Alibaba Cloud"),
	entry("127.0.0.0/8", "loopback", Loopback, "RFC 1122 §3.2.1.3"),
	entry("161.26.0.0/16", "service endpoints", CloudPlatform, "IBM Cloud"),
	entry("166.8.0.0/14", "service endpoints", CloudPlatform, "IBM Cloud"),
	entry("168.63.129.16/32", "WireServer", CloudMetadata, "Azure"),
	entry("169.254.0.0/16", "link-local", LinkLocal, "RFC 3927 §2.1"),
	entry("169.254.42.42/32", "instance metadata", CloudMetadata, "Scaleway"),
	entry("169.254.169.254/32", "instance metadata", CloudMetadata, "AWS, Azure, Google Cloud and most others"),
	entry("169.254.170.2/32", "task metadata and credentials", CloudMetadata, "AWS ECS"),
	entry("169.254.170.23/32", "pod identity agent", CloudMetadata, "AWS EKS"),
	entry("172.16.0.0/12", "private use", Private, "RFC 1918 §3"),
	entry("192.0.0.0/24", "IETF protocol assignments", Protocol, "RFC 6890 §2.1"),
	entry("192.0.0.192/32", "instance metadata", CloudMetadata, "Oracle Cloud"),
	entry("192.0.2.0/24", "TEST-NET-1", Documentation, "RFC 5737 §3"),
	entry("192.31.196.0/24", "AS112-v4", Protocol, "RFC 7535"),
	entry("192.52.193.0/24", "AMT", Protocol, "RFC 7450"),
	entry("192.88.99.0/24", "6to4 relay anycast", Transition, "RFC 7526"),
	entry("192.168.0.0/16", "private use", Private, "RFC 1918 §3"),
	entry("192.175.48.0/24", "direct delegation AS112 service", Protocol, "RFC 7534"),
	entry("198.18.0.0/15", "benchmarking", Benchmark, "RFC 2544"),
	entry("198.51.100.0/24", "TEST-NET-2", Documentation, "RFC 5737 §3"),
	entry("199.36.153.4/30", "restricted API endpoints", CloudPlatform, "Google Cloud"),
	entry("199.36.153.8/30", "private API endpoints", CloudPlatform, "Google Cloud"),
	entry("203.0.113.0/24", "TEST-NET-3", Documentation, "RFC 5737 §3"),
	entry("224.0.0.0/4", "multicast", Multicast, "RFC 5771"),
	entry("240.0.0.0/4", "reserved", Reserved, "RFC 1112 §4"),
	entry("255.255.255.255/32", "limited broadcast", Broadcast, "RFC 919 §7"),
}

// ::ffff:0:0/96 has no row: a mapped address is judged as IPv4.
var special6 = []special{
	entry("::/3", "outside global unicast", Reserved, "RFC 4291 §2.4"),
	entry("::/96", "IPv4-compatible", Transition, "RFC 4291 §2.5.5.1"),
	entry("::/128", "unspecified", ThisNetwork, "RFC 4291 §2.5.2"),
	entry("::1/128", "loopback", Loopback, "RFC 4291 §2.5.3"),
	entry("::ffff:0:0:0/96", "IPv4-translated", Transition, "RFC 2765"),
	entry("64:ff9b::/96", "NAT64", Transition, "RFC 6052 §2.1"),
	entry("64:ff9b:1::/48", "local-use NAT64", Transition, "RFC 8215"),
	entry("100::/64", "discard-only", Discard, "RFC 6666"),
	entry("100:0:0:1::/64", "dummy prefix", Discard, "RFC 9780"),
	entry("2001::/23", "IETF protocol assignments", Protocol, "RFC 2928"),
	entry("2001::/32", "Teredo", Transition, "RFC 4380 §2.6"),
	entry("2001:2::/48", "benchmarking", Benchmark, "RFC 5180"),
	entry("2001:db8::/32", "documentation", Documentation, "RFC 3849"),
	entry("2002::/16", "6to4", Transition, "RFC 3056 §2"),
	entry("2620:4f:8000::/48", "direct delegation AS112 service", Protocol, "RFC 7534"),
	entry("3fff::/20", "documentation", Documentation, "RFC 9637"),
	entry("4000::/2", "outside global unicast", Reserved, "RFC 4291 §2.4"),
	entry("5f00::/16", "SRv6 segment identifiers", Reserved, "RFC 9602"),
	entry("8000::/1", "outside global unicast", Reserved, "RFC 4291 §2.4"),
	entry("fc00::/7", "unique local", UniqueLocal, "RFC 4193 §3.1"),
	entry("fd00:42::42/128", "instance metadata", CloudMetadata, "Scaleway"),
	entry("fd00:c1::a9fe:a9fe/128", "instance metadata", CloudMetadata, "Oracle Cloud"),
	entry("fd00:100::100:200/128", "instance metadata", CloudMetadata, "Alibaba Cloud"),
	entry("fd00:ec2::/32", "instance services", CloudMetadata, "AWS"),
	entry("fd00:a9fe:a9fe::1/128", "instance metadata", CloudMetadata, "Akamai"),
	entry("fd20:ce::254/128", "instance metadata", CloudMetadata, "Google Cloud"),
	entry("fe80::/10", "link-local", LinkLocal, "RFC 4291 §2.5.6"),
	entry("fe80::a9fe:a9fe/128", "instance metadata", CloudMetadata, "OpenStack"),
	entry("fec0::/10", "site-local", SiteLocal, "RFC 3879"),
	entry("ff00::/8", "multicast", Multicast, "RFC 4291 §2.7"),
}

// around names, for each row of a table, the smallest row that holds it, or -1.
func around(table []special) []int {
	outer := make([]int, len(table))
	for i, r := range table {
		outer[i] = i - 1
		for outer[i] >= 0 && !table[outer[i]].prefix.Contains(r.prefix.Addr()) {
			outer[i] = outer[outer[i]]
		}
	}
	return outer
}

var around4, around6 = around(special4), around(special6)

func specials(addr netip.Addr) (table []special, outer []int) {
	if addr.Is4() {
		return special4, around4
	}
	return special6, around6
}

// specialOf returns the most specific row that holds addr, or nil. Of the rows
// that begin at or below addr the last one either holds it or lies within every
// row that does, since prefixes nest.
func specialOf(addr netip.Addr) *special {
	table, outer := specials(addr)
	i := sort.Search(len(table), func(i int) bool { return addr.Less(table[i].prefix.Addr()) }) - 1
	for i >= 0 && !table[i].prefix.Contains(addr) {
		i = outer[i]
	}
	if i < 0 {
		return nil
	}
	return &table[i]
}

// hardOver returns the hard row that holds all of prefix, or nil.
func hardOver(prefix netip.Prefix) *special {
	table, _ := specials(prefix.Addr())
	for i := range table {
		r := &table[i]
		if r.rule.hard() && r.prefix.Bits() <= prefix.Bits() && r.prefix.Contains(prefix.Addr()) {
			return r
		}
	}
	return nil
}

// Global reports whether addr can be reached from the whole internet as far as
// its range tells: it is in no special-purpose range. A relay behind such an
// address needs no other one to be told to peers.
func Global(addr netip.Addr) bool {
	addr = plain(addr)
	return addr.IsValid() && specialOf(addr) == nil
}

// SpecialPurpose lists the ranges that have a rule of their own: what a server
// has to be probed with from outside, to see that the rules are asked.
func SpecialPurpose() (ranges []netip.Prefix) {
	for _, table := range [][]special{special4, special6} {
		for _, r := range table {
			ranges = append(ranges, r.prefix)
		}
	}
	return ranges
}

// Package netpolicy answers two questions: may a peer be reached through the
// relay, and may a client come at all; and by which rule. A TURN server without such a policy is a way into
// the network behind it (RFC 8656 §21.2); this one refuses what is not public
// without any configuration.
//
// A [Policy] is immutable and its methods are pure: the same peer gets the same
// [Verdict] until another policy takes its place. Judging allocates nothing, and
// takes as long with 100,000 lines as with ten, but for the processor's cache.
//
// # The order
//
// The first that fits decides:
//
//  1. a currently allocated relay port of ours: allowed, whatever its address
//  2. the hard deny, which no configuration opens: loopback, "this network",
//     multicast, broadcast, link-local, cloud metadata, our own services
//  3. the operator's deny
//  4. the operator's allow
//  5. the built-in deny: every other special-purpose range, and all of IPv6
//     outside 2000::/3
//  6. the [Mode]: Public allows, AllowList denies
//
// Between 3 and 5 stands one rule more: an address of this host, at a port that
// is neither a live relay nor a listed service, is denied as [OwnHost]. Only an
// allow line of that single address (/32, /128) opens it, as for an SFU on the
// same machine; a wide line meant for the network around us does not, or it
// would open every UDP service of this host together with the SFU next door.
//
// # Lines
//
// A [Line] is a prefix, a range or a [Preset]; a range becomes the prefixes that
// cover it. Within a list the longest prefix with a line for the port speaks, so
// a line for one port of an address leaves what a wider line says of the other
// ports. What is a fault in an allow line is what could not hold what it says:
// one under a hard rule, special-purpose (half of it is hard, and the other half
// is every private network at once), self (every service of this host). The
// rest of the presets may be allowed: rfc1918, transition, local-routes; hard
// rules stand over their part of them.
//
// [Clients] are lists of the same lines without the order above: nothing about
// a client's address is special. An allow line where everybody may come anyway
// is a fault, since whoever wrote it believes in a wall that is not there.
//
// # Roles
//
// A role may have a list of peers of its own, see [Policy.Of]. A peer has to be
// allowed by the order above and to be in the list: a role can't reach what the
// policy refuses. That holds for live relay ports too, which the order puts first:
// they are every other client, and a role that is for one SFU is for no other
// client. The preset self, or the relay's address, lets it reach them. In the form
// of an IPv4 address in an IPv6 one a peer has to be in the list as it is written.
//
// # The second fence
//
// [Policy.NFTables] writes the policy for the kernel, from the same tables. It
// judges by source port: what leaves from a relay port goes to a peer, while a
// client may well have a private address. The kernel knows no roles.
//
// # IPv4 in IPv6
//
// ::ffff:a.b.c.d is that IPv4 address and nothing else. In every other form
// that carries one (IPv4-compatible, IPv4-translated, NAT64, 6to4, Teredo,
// ISATAP) the IPv6 address and each IPv4 address in it are judged, and the worst
// verdict counts: any denial beats any allow. So an allow line for 64:ff9b::/96,
// which a server behind a NAT64 needs, opens the public Internet behind it and
// neither the private networks nor loopback. Which bits of a 64:ff9b:1::/48
// address are the IPv4 address depends on the translator (RFC 8215, RFC 6052
// §2.2). Both readings are judged, and the unused bits of one are 0.0.0.0 in the
// other: [New] refuses an allow line in there, as it would open next to nothing.
// An ISATAP identifier can stand in any prefix (RFC 5214 §6.1); it is not
// refused by itself.
//
// A network of the operator's own that is translated (a NAT64 with its own
// prefix, 6rd) cannot be told from any other; it wants a deny line.
//
// # What is special
//
// The table in special.go is the IANA special-purpose registries (RFC 6890, RFC
// 8190) and what they leave out: multicast, site-local, IPv4-compatible and
// IPv4-translated addresses, and addresses of cloud platforms. Where a registry
// calls a range globally reachable it is denied all the same: AS112 and AMT
// answer no media, and of 2001::/23 only single anycast addresses and overlay
// identifiers are reachable at all, so the block is denied whole.
// Ranges of cloud platforms that may hold an operator's own services are a
// built-in deny, which an allow line opens; their metadata addresses are hard.
package netpolicy

package main

import "net/netip"

// The network of the benchmark. Addresses look public because the relay refuses
// special-purpose peers and has no switch for that; nothing of it has an uplink.
var (
	serverHost = netip.MustParseAddr("93.184.216.1")
	loadHost   = netip.MustParseAddr("93.184.216.2") // the other end of the wire
	peerHost   = netip.MustParseAddr("93.186.0.1")

	wireNet   = netip.MustParsePrefix("93.184.216.0/30")
	clientNet = netip.MustParsePrefix("93.185.0.0/16")
	peerNet   = netip.MustParsePrefix("93.186.0.0/16")

	// Floods come from strangers, who have their addresses, and from hosts that
	// are not there: what these are answered ends at the wire's other end.
	strangerNet = netip.MustParsePrefix("93.187.0.0/16")
	forgedNet   = netip.MustParsePrefix("44.0.0.0/8")
)

const (
	plainPort = 3478 // UDP and TCP
	tlsPort   = 5349
)

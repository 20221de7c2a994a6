package main

import (
	"net/netip"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/relay"
)

// settings is everything that run needs to know, however it was come by.
type settings struct {
	Realm  string
	Listen []netip.AddrPort // TURN over UDP
	Relays []relay.Pool
	// IssuerAddr and OperatorAddr are TCP addresses of this host.
	IssuerAddr, OperatorAddr netip.AddrPort

	NonceKey []byte
	Keyring  auth.Options
	APIKeys  []issuer.APIKey

	// OtherPorts says that an address in use may be replaced by another port
	// of it. Only a development server may: nobody knows its ports beforehand.
	OtherPorts bool
	// DevKey is the API key in the clear, for the announcement of a development
	// server; else empty.
	DevKey string
}

// Package relaytest is what tests of the relay need and what never ships: a
// network of their own, a TURN client that can misbehave, a list of hostile
// inputs, and a server that falls to every one of them.
//
// # A network without an uplink
//
// The relay refuses special-purpose peers and has no switch that opens them,
// so a test on loopback would prove nothing but that. [InNamespace] runs a
// test again inside a network namespace whose only interface is lo and whose
// only addresses are public-looking ones. Nothing can leave it.
//
// # The negative control
//
// A test that no attack gets through says little until the same attack has
// been seen to get through somewhere. [Hostile] lists the attacks;
// [HostileSucceeds] runs each against [StockPion], an unguarded pion/turn
// v4.1.4, and [HostileFails] runs the very same ones against the relay:
//
//	func TestHostileInputs(t *testing.T) {
//		net := relaytest.Namespace{Own: []netip.Prefix{netip.MustParsePrefix("93.184.216.0/24")}}
//		if !relaytest.InNamespace(t, net) {
//			return
//		}
//		relaytest.HostileFails(t, func(t *testing.T) relaytest.Env { ... })
//	}
//
// An attack that could not be carried out, say because the server gives
// nobody an allocation, passes neither.
package relaytest

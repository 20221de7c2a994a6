package relaytest

import (
	"net"
	"net/netip"
	"testing"
)

var (
	publicNet  = netip.MustParsePrefix("93.184.216.0/24")
	serverHost = netip.MustParseAddr("93.184.216.1")
	clientHost = netip.MustParseAddr("93.184.216.20")
	peerHost   = netip.MustParseAddr("93.184.216.30")
)

// stockEnv starts an unguarded server in the namespace that the test is in.
func stockEnv(t *testing.T) (Env, *Stock) {
	t.Helper()
	alice, bob := User{"alice", "wonderland"}, User{"bob", "builder"}
	stock := StockPion(t, StockOptions{
		Listen: serverHost, Relay: serverHost, Realm: "stock", Users: []User{alice, bob},
	})
	canary, err := NewEar(ListenUDP(t, netip.IPv4Unspecified()))
	if err != nil {
		t.Fatal(err)
	}
	return Env{
		Server:  stock.Addr,
		Alice:   alice,
		Bob:     bob,
		NewConn: func() net.PacketConn { return ListenUDP(t, clientHost) },
		NewPeer: func() net.PacketConn { return ListenUDP(t, peerHost) },
		Canary:  canary,
		Died:    stock.HasDied,
	}, stock
}

// TestStockPionFallsToHostileInputs is the negative control: what the relay
// fends off is what an unguarded server does not.
func TestStockPionFallsToHostileInputs(t *testing.T) {
	if !InNamespace(t, Namespace{Own: []netip.Prefix{publicNet}, StockPion: true}) {
		return
	}
	HostileSucceeds(t, func(t *testing.T) Env {
		env, _ := stockEnv(t)
		return env
	})
}

package relay_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/relay/relaytest"
)

// What an unguarded pion server falls to (relaytest,
// TestStockPionFallsToHostileInputs) must fail here, on real sockets, with the
// policy every server has, in a network where each address would be reached.
func TestHostileInputsFail(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{Own: []netip.Prefix{netip.MustParsePrefix("93.184.216.0/24")}}) {
		return
	}
	for _, p := range socketPlanes {
		t.Run(p.name, func(t *testing.T) { hostileFails(t, p) })
	}
}

func hostileFails(t *testing.T, p socketPlane) {
	host := netip.MustParseAddr("93.184.216.1")
	socket := func(t *testing.T, ip string) func() net.PacketConn {
		return func() net.PacketConn { return relaytest.ListenUDP(t, netip.MustParseAddr(ip)) }
	}
	relaytest.HostileFails(t, func(t *testing.T) relaytest.Env {
		plane, err := p.open()
		must(t, err)
		b := newBed(t, plane, host, setup{}, socket(t, "93.184.216.20"))
		canary, err := relaytest.NewEar(relaytest.ListenUDP(t, netip.IPv4Unspecified()))
		must(t, err)
		user := func(name string) relaytest.User {
			c, err := b.issuer.Issue(auth.Request{User: name}, time.Now())
			must(t, err)
			return relaytest.User{Name: c.Username, Password: c.Password}
		}
		return relaytest.Env{
			Server: b.addr, Alice: user("alice"), Bob: user("bob"),
			NewConn: b.host, NewPeer: socket(t, "93.184.216.30"), Canary: canary,
			// A crash would end this process, and the test with it.
			Died: func() bool { return len(b.server.Ready()) > 0 },
		}
	})
}

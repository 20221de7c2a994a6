package mem_test

import (
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"turnpike/relay/dataplane/mem"
	"turnpike/relay/dataplane/planetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func network(ip, alias string) func(testing.TB) planetest.Network {
	return func(t testing.TB) planetest.Network {
		p := mem.New(nil)
		n := planetest.Network{Plane: p, IP: netip.MustParseAddr(ip), Alias: netip.MustParseAddr(alias)}
		n.Host = host(t, p, n.IP)
		n.Other = planetest.Hosts{IP: netip.MustParseAddr("2001:db8::1"), Alias: netip.MustParseAddr("2001:db8:1::1")}
		if n.IP.Is6() {
			n.Other = planetest.Hosts{IP: netip.MustParseAddr("192.0.2.1"), Alias: netip.MustParseAddr("198.51.100.1")}
		}
		n.Other.Host = host(t, p, n.Other.IP)
		return n
	}
}

// host opens sockets on an address.
func host(t testing.TB, p *mem.Plane, addr netip.Addr) func() net.PacketConn {
	return func() net.PacketConn {
		c, err := p.Host(netip.AddrPortFrom(addr, 0))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestContract4(t *testing.T) { planetest.Run(t, network("192.0.2.1", "198.51.100.1")) }
func TestContract6(t *testing.T) { planetest.Run(t, network("2001:db8::1", "2001:db8:1::1")) }

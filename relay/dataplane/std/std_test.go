package std_test

import (
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"turnpike/relay/dataplane/planetest"
	"turnpike/relay/dataplane/std"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func network(ip, alias string) func(testing.TB) planetest.Network {
	return func(t testing.TB) planetest.Network {
		p, err := std.New(std.Options{})
		if err != nil {
			t.Fatal(err)
		}
		n := planetest.Network{Plane: p, IP: netip.MustParseAddr(ip), Alias: netip.MustParseAddr(alias)}
		n.Host = host(t, n.IP)
		n.Other = planetest.Hosts{IP: netip.IPv6Loopback(), Alias: netip.MustParseAddr("2001:db8::1")}
		if n.IP.Is6() {
			n.Other = planetest.Hosts{IP: netip.MustParseAddr("127.0.0.1"), Alias: netip.MustParseAddr("192.0.2.1")}
		}
		n.Other.Host = host(t, n.Other.IP)
		return n
	}
}

// host opens sockets on an address.
func host(t testing.TB, addr netip.Addr) func() net.PacketConn {
	return func() net.PacketConn {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestContract4(t *testing.T) { planetest.Run(t, network("127.0.0.1", "192.0.2.1")) }
func TestContract6(t *testing.T) { planetest.Run(t, network("::1", "2001:db8::1")) }

func BenchmarkRelay(b *testing.B) { planetest.Bench(b, network("127.0.0.1", "192.0.2.1")) }

package mmsg_test

import (
	"net"
	"net/netip"
	"testing"

	"go.uber.org/goleak"

	"turnpike/relay/dataplane/mmsg"
	"turnpike/relay/dataplane/planetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func network(ip, alias string, o mmsg.Options) func(testing.TB) planetest.Network {
	return func(t testing.TB) planetest.Network {
		p, err := mmsg.New(o)
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

// contracts are the ways that the kernel can be asked.
var contracts = map[string]mmsg.Options{
	"all":        {},
	"one worker": {Workers: 1},
	"8 workers":  {Workers: 8},
	"no GRO":     {NoGRO: true},
	"no GSO":     {NoGSO: true},
	"neither":    {NoGRO: true, NoGSO: true},
	"coalescing": {Coalesce: mmsg.MaxCoalesce},
}

func TestContract4(t *testing.T) {
	for name, o := range contracts {
		t.Run(name, func(t *testing.T) { planetest.Run(t, network("127.0.0.1", "192.0.2.1", o)) })
	}
}

func TestContract6(t *testing.T) {
	for name, o := range contracts {
		t.Run(name, func(t *testing.T) { planetest.Run(t, network("::1", "2001:db8::1", o)) })
	}
}

func BenchmarkRelay(b *testing.B) {
	planetest.Bench(b, network("127.0.0.1", "192.0.2.1", mmsg.Options{}))
}

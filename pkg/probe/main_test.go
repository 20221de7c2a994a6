package probe

import (
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/pion/stun/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// tells is the attribute of a server that sees at.
func tells(at string) *stun.XORMappedAddress {
	a := addrPort(at)
	return &stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}
}

// answer builds a message of the request's transaction.
func answer(request []byte, with ...stun.Setter) []byte {
	id := [stun.TransactionIDSize]byte(request[8:20])
	m, err := stun.Build(append([]stun.Setter{stun.NewTransactionIDSetter(id)}, with...)...)
	if err != nil {
		panic(err)
	}
	return m.Raw
}

// success is an answer that says where the client is seen.
func success(request []byte, at string, with ...stun.Setter) []byte {
	return answer(request, append([]stun.Setter{stun.BindingSuccess, tells(at)}, with...)...)
}

// raw is an attribute as it is.
func raw(t stun.AttrType, value string) stun.Setter {
	return stun.RawAttribute{Type: t, Value: []byte(value)}
}

// udp serves datagrams on a loopback port until the test ends.
func udp(t testing.TB, serve func(conn *net.UDPConn, from netip.AddrPort, request []byte)) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			serve(conn, from, buf[:n])
		}
	})
	t.Cleanup(func() { conn.Close(); all.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// udpAnswers sends these packets for every request.
func udpAnswers(t testing.TB, packets func(from netip.AddrPort, request []byte) [][]byte) netip.AddrPort {
	t.Helper()
	return udp(t, func(conn *net.UDPConn, from netip.AddrPort, request []byte) {
		for _, p := range packets(from, request) {
			_, _ = conn.WriteToUDPAddrPort(p, from)
		}
	})
}

// tcp serves one request of each connection on l until the test ends.
func tcp(t testing.TB, l net.Listener, serve func(conn net.Conn, request []byte)) netip.AddrPort {
	t.Helper()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				request := make([]byte, 28) // a header and FINGERPRINT
				if _, err := io.ReadFull(conn, request); err == nil {
					serve(conn, request)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// expect wants an address, or an error with these words.
func expect(t *testing.T, seen netip.AddrPort, err error, want, words string) {
	t.Helper()
	switch {
	case words == "" && (err != nil || seen.String() != want):
		t.Errorf("%v, %v, want %s", seen, err, want)
	case words != "" && (err == nil || seen.IsValid() || !strings.Contains(err.Error(), words)):
		t.Errorf("%v, %v, want an error with %q", seen, err, words)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

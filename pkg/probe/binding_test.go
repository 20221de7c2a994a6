package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"turnpike/pkg/certs"
)

func TestBindingOverUDP(t *testing.T) {
	server := udpAnswers(t, func(from netip.AddrPort, request []byte) [][]byte {
		return [][]byte{success(request, from.String(), stun.Fingerprint)}
	})
	seen, err := Binding(t.Context(), "udp", server, Options{})
	if err != nil || seen.Addr() != server.Addr() || seen.Port() == 0 {
		t.Errorf("%v, %v", seen, err)
	}
	local := netip.MustParseAddr("127.0.0.2")
	seen, err = Binding(t.Context(), "udp", server, Options{Local: local})
	if err != nil || seen.Addr() != local {
		t.Errorf("from %v: %v, %v", local, seen, err)
	}
}

func TestBindingOverTCP(t *testing.T) {
	local := netip.MustParseAddr("127.0.0.2")
	closed := make(chan error, 1)
	server := tcp(t, loopback(t), func(conn net.Conn, request []byte) {
		_, _ = conn.Write(success(request, conn.RemoteAddr().String()))
		_, err := conn.Read(make([]byte, 1))
		closed <- err
	})
	seen, err := Binding(t.Context(), "tcp", server, Options{Local: local})
	if err != nil || seen.Addr() != local {
		t.Errorf("from %v: %v, %v", local, seen, err)
	}
	if err := <-closed; !errors.Is(err, io.EOF) {
		t.Errorf("the connection ends with %v", err)
	}
}

// What does not count is passed over, and the answer behind it taken.
func TestPassedOver(t *testing.T) {
	const lie, truth = "198.51.100.9:9", "192.0.2.1:5"
	for _, tt := range []struct {
		name string
		bad  func(request []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"one byte", func([]byte) []byte { return []byte{1} }},
		{"garbage", func([]byte) []byte { return []byte(strings.Repeat("garbage ", 10)) }},
		{"cut short", func(r []byte) []byte { return success(r, lie)[:28] }},
		{"longer than it says", func(r []byte) []byte { return append(success(r, lie), 0, 0, 0, 0) }},
		{"an attribute beyond the end", func(r []byte) []byte {
			b := success(r, lie, raw(0x8000, "1234"))
			b[len(b)-5] = 200
			return b
		}},
		{"not the cookie", func(r []byte) []byte { b := success(r, lie); b[4]++; return b }},
		{"another request's", func(r []byte) []byte { b := success(r, lie); b[19]++; return b }},
		{"the request itself", func(r []byte) []byte { return r }},
		{"an indication", func(r []byte) []byte {
			return answer(r, stun.NewType(stun.MethodBinding, stun.ClassIndication), tells(lie))
		}},
		{"of another method", func(r []byte) []byte {
			return answer(r, stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse), tells(lie))
		}},
		{"channel data", func(r []byte) []byte { b := success(r, lie); b[0] |= 0x40; return b }},
		{"wrong FINGERPRINT", func(r []byte) []byte { b := success(r, lie, stun.Fingerprint); b[len(b)-1]++; return b }},
		{"short FINGERPRINT", func(r []byte) []byte { return success(r, lie, raw(stun.AttrFingerprint, "12")) }},
		{"FINGERPRINT not last", func(r []byte) []byte { return success(r, lie, stun.Fingerprint, stun.NewSoftware("x")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := udpAnswers(t, func(_ netip.AddrPort, request []byte) [][]byte {
				return [][]byte{tt.bad(request), success(request, truth)}
			})
			seen, err := Binding(t.Context(), "udp", server, Options{})
			expect(t, seen, err, truth, "")
		})
	}
}

func TestPassedOverIsTold(t *testing.T) {
	server := udpAnswers(t, func(_ netip.AddrPort, request []byte) [][]byte {
		return [][]byte{[]byte("garbage"), answer(request, stun.BindingError, stun.CodeServerError)}
	})
	seen, err := Binding(t.Context(), "udp", server, Options{})
	expect(t, seen, err, "", "; passed over: what came is not a STUN message")
}

func TestAnotherSourceIsNotHeard(t *testing.T) {
	liar, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer liar.Close()
	server := udp(t, func(conn *net.UDPConn, from netip.AddrPort, request []byte) {
		_, _ = liar.WriteToUDPAddrPort(success(request, "198.51.100.9:9"), from)
		_, _ = conn.WriteToUDPAddrPort(success(request, "192.0.2.1:5"), from)
	})
	seen, err := Binding(t.Context(), "udp", server, Options{})
	expect(t, seen, err, "192.0.2.1:5", "")
}

// answers are what a server may say to the request, over any network.
var answers = []struct {
	name        string
	answer      func(request []byte) []byte
	want, words string
}{
	{"plain", func(r []byte) []byte { return success(r, "192.0.2.1:5") }, "192.0.2.1:5", ""},
	{"IPv6", func(r []byte) []byte { return success(r, "[2001:db8::1]:5", stun.Fingerprint) }, "[2001:db8::1]:5", ""},
	{"IPv4 in IPv6", func(r []byte) []byte {
		// ::ffff:192.0.2.1 port 5, each XORed with cookie and transaction.
		v := append([]byte{0, 2, 0x21, 0x12 ^ 5}, make([]byte, 16)...)
		mapped := netip.MustParseAddr("::ffff:192.0.2.1").As16()
		for i := range mapped {
			v[4+i] = mapped[i] ^ r[4+i]
		}
		return answer(r, stun.BindingSuccess, raw(stun.AttrXORMappedAddress, string(v)))
	}, "192.0.2.1:5", ""},
	{"with the optional and the old", func(r []byte) []byte {
		return success(r, "192.0.2.1:5", stun.NewSoftware("x"), raw(0x802b, "x"), raw(0x0004, "x"), raw(0x0005, "x"), raw(stun.AttrMappedAddress, "x"))
	}, "192.0.2.1:5", ""},
	{"the first counts", func(r []byte) []byte { return success(r, "192.0.2.1:5", tells("192.0.2.2:6")) }, "192.0.2.1:5", ""},
	{"refusal", func(r []byte) []byte {
		return answer(r, stun.BindingError, stun.CodeUnknownAttribute, stun.Fingerprint)
	},
		"", `the server refuses: 420 "Unknown Attribute"`},
	{"refusal that writes to the terminal", func(r []byte) []byte {
		return answer(r, stun.BindingError, stun.ErrorCodeAttribute{Code: 300, Reason: []byte("\x1b[2J")})
	}, "", `300 "\x1b[2J"`},
	{"refusal without a code", func(r []byte) []byte { return answer(r, stun.BindingError) }, "", "without ERROR-CODE"},
	{"unknown requirement", func(r []byte) []byte { return success(r, "192.0.2.1:5", raw(0x7ffe, "")) }, "", "requires attribute 0x7ffe"},
	{"no address", func(r []byte) []byte { return answer(r, stun.BindingSuccess) }, "", "no XOR-MAPPED-ADDRESS"},
	{"only MAPPED-ADDRESS", func(r []byte) []byte {
		return answer(r, stun.BindingSuccess, &stun.MappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 5})
	}, "", "no XOR-MAPPED-ADDRESS"},
	{"short address", func(r []byte) []byte {
		return answer(r, stun.BindingSuccess, raw(stun.AttrXORMappedAddress, "\x00\x01\x00\x00\x00\x00"))
	}, "", "is malformed"},
	{"long address", func(r []byte) []byte {
		return answer(r, stun.BindingSuccess, raw(stun.AttrXORMappedAddress, "\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	}, "", "is malformed"},
	{"unknown family", func(r []byte) []byte {
		return answer(r, stun.BindingSuccess, raw(stun.AttrXORMappedAddress, "\x00\x03\x00\x00\x00\x00\x00\x00"))
	}, "", "is malformed"},
	{"port 0", func(r []byte) []byte { return success(r, "192.0.2.1:0") }, "", "nobody's address"},
	{"unspecified", func(r []byte) []byte { return success(r, "0.0.0.0:5") }, "", "nobody's address"},
}

func TestAnswers(t *testing.T) {
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			server := udpAnswers(t, func(_ netip.AddrPort, request []byte) [][]byte { return [][]byte{tt.answer(request)} })
			seen, err := Binding(t.Context(), "udp", server, Options{})
			expect(t, seen, err, tt.want, tt.words)
			if err != nil && !strings.HasPrefix(err.Error(), "probe: udp "+server.String()+": ") {
				t.Errorf("%v: does not say who", err)
			}
			server = tcp(t, loopback(t), func(conn net.Conn, request []byte) {
				for _, b := range tt.answer(request) { // one byte at a time
					_, _ = conn.Write([]byte{b})
				}
			})
			seen, err = Binding(t.Context(), "tcp", server, Options{})
			expect(t, seen, err, tt.want, tt.words)
		})
	}
}

// Over a stream nothing is passed over.
func TestStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(request []byte) []byte
		words  string
		closes bool // behind it; else it is for us to notice
	}{
		{"closed", func([]byte) []byte { return nil }, "EOF", true},
		{"cut short", func(r []byte) []byte { return success(r, "192.0.2.1:5")[:28] }, "unexpected EOF", true},
		{"another protocol, that waits", func([]byte) []byte { return []byte{0, 0, 0, 99, 19: 0} }, "not a STUN message", false},
		{"HTTP", func([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") }, "not a STUN message", false},
		{"endless", func(r []byte) []byte { b := success(r, "192.0.2.1:5"); b[2] = 0xff; return b }, "not a STUN message", false},
		{"not the cookie", func(r []byte) []byte { b := success(r, "192.0.2.1:5"); b[4]++; return b }, "not a STUN message", false},
		{"another request's", func(r []byte) []byte { b := success(r, "192.0.2.1:5"); b[19]++; return b }, "answers another request", false},
		{"wrong FINGERPRINT", func(r []byte) []byte { b := success(r, "192.0.2.1:5", stun.Fingerprint); b[len(b)-1]++; return b }, "FINGERPRINT", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := tcp(t, loopback(t), func(conn net.Conn, request []byte) {
				_, _ = conn.Write(tt.answer(request))
				if !tt.closes {
					_, _ = io.Copy(io.Discard, conn)
				}
			})
			seen, err := Binding(t.Context(), "tcp", server, Options{})
			expect(t, seen, err, "", tt.words)
		})
	}
}

func TestBindingOverTLS(t *testing.T) {
	c, err := certs.SelfSigned([]string{"127.0.0.1", "turn.example"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	server := tcp(t, tls.NewListener(loopback(t), certs.Relay(c, 0)), func(conn net.Conn, request []byte) {
		_, _ = conn.Write(success(request, "192.0.2.1:5"))
		// close_notify (RFC 8446 §6.1) is more than the end of the stream below.
		var rest bytes.Buffer
		_, _ = rest.ReadFrom(conn.(*tls.Conn).NetConn())
		if rest.Len() == 0 {
			t.Error("the client ends without close_notify")
		}
	})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.PEM())
	for _, tt := range []struct {
		name   string
		config *tls.Config
		words  string
	}{
		{"trusted by address", &tls.Config{RootCAs: roots}, ""},
		{"trusted by name", &tls.Config{RootCAs: roots, ServerName: "turn.example", NextProtos: []string{"stun.turn"}}, ""},
		{"another name", &tls.Config{RootCAs: roots, ServerName: "other.example"}, "other.example"},
		{"not trusted", nil, "unknown authority"},
		{"unverified as asked", &tls.Config{InsecureSkipVerify: true}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen, err := Binding(t.Context(), "tls", server, Options{TLS: tt.config})
			expect(t, seen, err, "192.0.2.1:5", tt.words)
		})
	}
}

func TestBindingRefuses(t *testing.T) {
	for _, tt := range []struct {
		network, server string
		local           netip.Addr
		words           string
	}{
		{"sctp", "127.0.0.1:3478", netip.Addr{}, "want udp, tcp or tls"},
		{"udp", "0.0.0.0:3478", netip.Addr{}, "not the address of a server"},
		{"tcp", "127.0.0.1:0", netip.Addr{}, "not the address of a server"},
		{"udp", "127.0.0.1:3478", netip.IPv6Loopback(), "the same family"},
		{"tls", "[::1]:3478", netip.MustParseAddr("127.0.0.1"), "the same family"},
	} {
		seen, err := Binding(t.Context(), tt.network, addrPort(tt.server), Options{Local: tt.local})
		expect(t, seen, err, "", tt.words)
	}
	if _, err := Binding(t.Context(), "udp", netip.AddrPort{}, Options{}); err == nil {
		t.Error("no address is taken for one")
	}
}

// The end of ctx ends the wait at once, and what came meanwhile is told.
func TestSilenceEndsWithContext(t *testing.T) {
	for _, network := range []string{"udp", "tcp", "tls"} {
		ctx, cancel := context.WithCancel(t.Context())
		var server netip.AddrPort
		if network == "udp" {
			server = udp(t, func(conn *net.UDPConn, from netip.AddrPort, _ []byte) {
				_, _ = conn.WriteToUDPAddrPort([]byte("garbage"), from)
				cancel()
			})
		} else {
			server = tcp(t, loopback(t), func(conn net.Conn, _ []byte) {
				cancel()
				_, _ = io.Copy(io.Discard, conn)
			})
		}
		begun := time.Now()
		_, err := Binding(ctx, network, server, Options{})
		if !errors.Is(err, context.Canceled) || time.Since(begun) > patience/2 {
			t.Errorf("%s: %v after %v", network, err, time.Since(begun))
		}
		cancel()
	}
}

func TestNobodyThere(t *testing.T) {
	l := loopback(t)
	server := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	for _, network := range []string{"udp", "tcp", "tls"} {
		if _, err := Binding(t.Context(), network, server, Options{}); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// An independent server understands the question.
func TestPionAnswers(t *testing.T) {
	packets, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	streams := loopback(t)
	generator := &turn.RelayAddressGeneratorNone{Address: "127.0.0.1"}
	server, err := turn.NewServer(turn.ServerConfig{
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: packets, RelayAddressGenerator: generator}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: streams, RelayAddressGenerator: generator}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for network, at := range map[string]string{"udp": packets.LocalAddr().String(), "tcp": streams.Addr().String()} {
		seen, err := Binding(t.Context(), network, addrPort(at), Options{})
		if err != nil || seen.Addr() != addrPort(at).Addr() || seen.Port() == 0 {
			t.Errorf("%s: %v, %v", network, seen, err)
		}
	}
}

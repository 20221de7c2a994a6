package stream

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pires/go-proxyproto"
)

func tcpAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// v2 is a version 2 header with the address block given.
func v2(command, family byte, block []byte) []byte {
	b := append(bytes.Clone(proxyproto.SIGV2), 0x20|command, family, 0, 0)
	binary.BigEndian.PutUint16(b[14:], uint16(len(block)))
	return append(b, block...)
}

// block is the address block of a client, with our end 192.0.2.1:3478.
func block(client string) []byte {
	at := netip.MustParseAddrPort(client)
	to := netip.MustParseAddr("192.0.2.1")
	if at.Addr().Is6() {
		to = netip.AddrFrom16(to.As16())
	}
	b := append(at.Addr().AsSlice(), to.AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, at.Port())
	return binary.BigEndian.AppendUint16(b, 3478)
}

var proxyCases = []struct {
	name   string
	header []byte
	client string // "" is the proxy itself, "bad" no header that we take
}{
	{"v1 IPv4", []byte("PROXY TCP4 203.0.113.5 192.0.2.1 1024 3478\r\n"), "203.0.113.5:1024"},
	{"v1 IPv6", []byte("PROXY TCP6 2001:db8::5 2001:db8::1 1024 3478\r\n"), "[2001:db8::5]:1024"},
	{"v1 mapped", []byte("PROXY TCP6 ::ffff:203.0.113.5 ::ffff:192.0.2.1 1024 3478\r\n"), "203.0.113.5:1024"},
	{"v1 UNKNOWN", []byte("PROXY UNKNOWN\r\n"), ""},
	{"v1 UNKNOWN, full", []byte("PROXY UNKNOWN " + strings.Repeat("f", 91) + "\r\n"), ""},
	{"v1 too long", []byte("PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n"), "bad"},
	{"v1 other family", []byte("PROXY TCP4 2001:db8::5 2001:db8::1 1024 3478\r\n"), "bad"},
	{"v1 zone", []byte("PROXY TCP6 fe80::1%eth0 fe80::2 1024 3478\r\n"), "bad"},
	{"v1 port 0", []byte("PROXY TCP4 203.0.113.5 192.0.2.1 0 3478\r\n"), "bad"},
	{"v1 port 65536", []byte("PROXY TCP4 203.0.113.5 192.0.2.1 65536 3478\r\n"), "bad"},
	{"v1 unspecified", []byte("PROXY TCP4 0.0.0.0 192.0.2.1 1024 3478\r\n"), "bad"},
	{"v1 unspecified, mapped", []byte("PROXY TCP6 ::ffff:0.0.0.0 ::1 1024 3478\r\n"), "bad"},
	{"v1 multicast", []byte("PROXY TCP4 224.0.0.1 192.0.2.1 1024 3478\r\n"), "bad"},
	{"v1 broadcast", []byte("PROXY TCP4 255.255.255.255 192.0.2.1 1024 3478\r\n"), "bad"},
	{"v1 UDP", []byte("PROXY UDP4 203.0.113.5 192.0.2.1 1024 3478\r\n"), "bad"},
	{"v1 without CR", []byte("PROXY TCP4 203.0.113.5 192.0.2.1 1024 3478\n"), "bad"},
	{"v1 six", []byte("PROXY TCP4 203.0.113.5 192.0.2.1 1024 3478 9\r\n"), "bad"},
	{"v2 IPv4", v2(1, 0x11, block("203.0.113.5:1024")), "203.0.113.5:1024"},
	{"v2 IPv6", v2(1, 0x21, block("[2001:db8::5]:1024")), "[2001:db8::5]:1024"},
	{"v2 mapped", v2(1, 0x21, block("[::ffff:203.0.113.5]:1024")), "203.0.113.5:1024"},
	{"v2 TLV", v2(1, 0x11, append(block("203.0.113.5:1024"), 3, 0, 1, 'x')), "203.0.113.5:1024"},
	{"v2 TLVs, many", v2(1, 0x11, append(block("203.0.113.5:1024"), make([]byte, 4096-16-12)...)), "203.0.113.5:1024"},
	{"v2 TLVs, too many", v2(1, 0x11, append(block("203.0.113.5:1024"), make([]byte, 4096-16-12+1)...)), "bad"},
	{"v2 TLV, broken", v2(1, 0x11, append(block("203.0.113.5:1024"), 3, 255, 255)), "203.0.113.5:1024"},
	{"v2 LOCAL", v2(0, 0x00, nil), ""},
	{"v2 LOCAL with an address", v2(0, 0x11, block("203.0.113.5:1024")), ""},
	{"v2 LOCAL with half an address", v2(0, 0x11, []byte{1, 2, 3}), ""},
	{"v2 unspecified family", v2(1, 0x00, nil), "bad"},
	{"v2 UDP", v2(1, 0x12, block("203.0.113.5:1024")), "bad"},
	{"v2 Unix", v2(1, 0x31, make([]byte, 216)), "bad"},
	{"v2 family 3", v2(1, 0x13, block("203.0.113.5:1024")), "bad"},
	{"v2 command 2", v2(2, 0x11, block("203.0.113.5:1024")), "bad"},
	{"v2 other family", v2(1, 0x21, block("203.0.113.5:1024")), "bad"},
	{"v2 port 0", v2(1, 0x11, block("203.0.113.5:0")), "bad"},
	{"v2 multicast", v2(1, 0x21, block("[ff02::1]:1024")), "bad"},
	{"none", stun(0), "bad"},
	{"TLS", []byte{recordHandshake, 3, 1}, "bad"},
	{"almost v1", []byte("PROXZ TCP4"), "bad"},
	{"almost v2", append(bytes.Clone(proxyproto.SIGV2[:11]), 0), "bad"},
}

func TestParseProxy(t *testing.T) {
	for _, c := range proxyCases {
		h, err := parseProxy(append(bytes.Clone(c.header), stun(0)...))
		if c.client == "bad" {
			if err == nil {
				t.Errorf("%s: %+v", c.name, h)
			}
			continue
		}
		var want netip.AddrPort
		if c.client != "" {
			want = tcpAddrPort(c.client)
		}
		if err != nil || h.size != len(c.header) || h.client != want {
			t.Errorf("%s: %+v, %v; want %d bytes, %v", c.name, h, err, len(c.header), want)
		}
	}
}

// What is true of any header: it is found where the parser finds it, no piece
// of it is taken for a header, and nobody comes from where no host is.
func FuzzProxy(f *testing.F) {
	for _, c := range proxyCases {
		f.Add(append(bytes.Clone(c.header), stun(0)...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseProxy(b)
		if h.size < 0 || h.size > min(len(b), proxyMax) || err != nil && h != (proxyHeader{}) {
			t.Fatalf("%+v of %d bytes, %v", h, len(b), err)
		}
		for n := range min(len(b), 300) {
			part, partErr := parseProxy(b[:n])
			switch {
			case h.size > 0 && n < h.size && (partErr != nil || part.size != 0),
				h.size > 0 && n >= h.size && part != h,
				err == nil && h.size == 0 && (partErr != nil || part.size != 0):
				t.Fatalf("%d of %d bytes: %+v, %v; all: %+v, %v", n, len(b), part, partErr, h, err)
			}
		}
		if h.size == 0 {
			return
		}
		r := bufio.NewReaderSize(bytes.NewReader(b), 64<<10)
		p, err := proxyproto.Read(r)
		if rest, _ := io.ReadAll(r); err != nil || len(rest) != len(b)-h.size {
			t.Fatalf("the parser leaves %d bytes of %d, we %d (%v)", len(rest), len(b), len(b)-h.size, err)
		}
		a := h.client.Addr()
		if p.Command.IsLocal() == h.client.IsValid() || a.Is4In6() || a.Zone() != "" || a.IsMulticast() ||
			a.IsValid() && (a.IsUnspecified() || h.client.Port() == 0) {
			t.Fatalf("%+v of %+v", h, p)
		}
	})
}

var proxy = Kind{TCP: true, TLS: true, ProxyFrom: prefixes("198.51.100.0/24", "2001:db8:ffff::/48")}

// A proxy's header tells the client, in one piece or byte by byte, before a
// message and before TLS.
func TestProxiedClient(t *testing.T) {
	for _, c := range proxyCases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, Options{}, proxy)
				together := b.dial("198.51.100.7:5000")
				put(together, c.header, stun(0))
				if c.client == "bad" {
					silence(t, together)
					synctest.Wait()
					b.over(BadProxy, 1)
					return
				}
				pieces := b.dial("198.51.100.7:5000")
				for i := range c.header {
					put(pieces, c.header[i:i+1])
				}
				put(pieces, stun(0))
				secure := b.dial("198.51.100.7:5000")
				put(secure, c.header)
				if _, err := overTLS(secure).Write(stun(0)); err != nil {
					t.Error(err)
				}
				for range 3 {
					<-b.told
				}
				want := c.client
				if want == "" {
					want = "198.51.100.7:5000"
				}
				for conn := range b.frames {
					if conn.Remote() != tcpAddrPort(want) || conn.Local() != tcpAddrPort("192.0.2.1:3478") {
						t.Errorf("from %v to %v", conn.Remote(), conn.Local())
					}
				}
			})
		})
	}
}

// Nobody but a proxy may say who they are.
func TestHeaderOfAStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, proxy)
		for _, header := range [][]byte{
			[]byte("PROXY TCP4 203.0.113.5 192.0.2.1 1024 3478\r\n"), v2(1, 0x11, block("203.0.113.5:1024")), v2(0, 0, nil),
		} {
			stranger := b.dial("203.0.113.66:5000")
			put(stranger, header, stun(0))
			silence(t, stranger)
		}
		mapped := b.dial("[::ffff:198.51.100.7]:5000") // a proxy, as a dual-stack socket shows it
		put(mapped, []byte("PROXY TCP4 203.0.113.5 192.0.2.1 1024 3478\r\n"), stun(0))
		if c := b.conn(1); c.Remote() != tcpAddrPort("203.0.113.5:1024") {
			t.Error(c.Remote())
		}
		synctest.Wait()
		b.over(NotTURN, 3)
	})
}

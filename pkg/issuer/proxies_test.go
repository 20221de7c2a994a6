package issuer

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

var proxies = Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"), netip.MustParsePrefix("127.0.0.1/32")}

func TestClient(t *testing.T) {
	const plain, standard = "X-Forwarded-For", "Forwarded"
	h := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	tests := []struct {
		name, remote string
		header       http.Header
		want         string // empty: an error
	}{
		{"no proxy", "192.0.2.1:5", h(), "192.0.2.1"},
		{"mapped", "[::ffff:192.0.2.1]:5", h(), "192.0.2.1"},
		{"a zone", "[fe80::1%eth0]:5", h(), "fe80::1"},
		{"a stranger that claims", "192.0.2.1:5", h(plain, "10.0.0.1"), "192.0.2.1"},
		{"a stranger that claims in the new way", "192.0.2.1:5", h(standard, "for=10.0.0.1"), "192.0.2.1"},
		{"a stranger with nonsense", "192.0.2.1:5", h(plain, "x", standard, "x"), "192.0.2.1"},
		{"the proxy itself", "10.0.0.1:5", h(), "10.0.0.1"},
		{"one hop", "10.0.0.1:5", h(plain, "198.51.100.7"), "198.51.100.7"},
		{"a forged hop before it", "10.0.0.1:5", h(plain, "127.0.0.1, 198.51.100.7"), "198.51.100.7"},
		{"a forged line before it", "10.0.0.1:5", h(plain, "127.0.0.1", plain, "198.51.100.7"), "198.51.100.7"},
		{"forged nonsense before it", "10.0.0.1:5", h(plain, "<script>,,198.51.100.7"), "198.51.100.7"},
		{"two proxies", "10.0.0.1:5", h(plain, "203.0.113.1, 198.51.100.7, 10.9.9.9"), "198.51.100.7"},
		{"proxies alone", "10.0.0.1:5", h(plain, "10.2.2.2 ,\t10.3.3.3"), "10.2.2.2"},
		{"a port", "10.0.0.1:5", h(plain, "198.51.100.7:1234"), "198.51.100.7"},
		{"IPv6", "10.0.0.1:5", h(plain, "2001:db8:2::7"), "2001:db8:2::7"},
		{"IPv6 with a port", "10.0.0.1:5", h(plain, "[2001:db8:2::7]:1234"), "2001:db8:2::7"},
		{"IPv6 in brackets", "[2001:db8:1::1]:5", h(plain, "[2001:db8:2::7]"), "2001:db8:2::7"},
		{"mapped hop of a proxy", "10.0.0.1:5", h(plain, "198.51.100.7, ::ffff:10.1.1.1"), "198.51.100.7"},
		{"by a unix socket", "@", h(plain, "198.51.100.7"), "198.51.100.7"},
		{"a unix socket's own", "", h(), "127.0.0.1"},
		{"Forwarded", "10.0.0.1:5", h(standard, "for=198.51.100.7;proto=https;by=203.0.113.43"), "198.51.100.7"},
		{"Forwarded, quoted", "10.0.0.1:5", h(standard, `By=x ; FOR="[2001:db8:2::7]:4711"`), "2001:db8:2::7"},
		{"Forwarded, forged before it", "10.0.0.1:5", h(standard, "for=127.0.0.1, for=198.51.100.7"), "198.51.100.7"},
		{"Forwarded, two lines", "10.0.0.1:5", h(standard, "for=127.0.0.1", standard, "for=198.51.100.7, for=10.2.2.2"), "198.51.100.7"},
		{"Forwarded, a comma in quotes", "10.0.0.1:5", h(standard, `host="a,b";for=198.51.100.7`), "198.51.100.7"},

		{"a proxy that does not know", "10.0.0.1:5", h(plain, "198.51.100.7, unknown"), ""},
		{"an empty hop of the proxy", "10.0.0.1:5", h(plain, "198.51.100.7,"), ""},
		{"obfuscated", "10.0.0.1:5", h(standard, "for=_hidden"), ""},
		{"Forwarded without for", "10.0.0.1:5", h(standard, "for=198.51.100.7, proto=https"), ""},
		{"Forwarded, a quote left open", "10.0.0.1:5", h(standard, `for="127.0.0.1`, standard, "for=198.51.100.7"), ""},
		{"Forwarded, an escape", "10.0.0.1:5", h(standard, `for="127.0.0.1\", for=198.51.100.7"`), ""},
		{"Forwarded, for twice", "10.0.0.1:5", h(standard, "for=127.0.0.1;for=198.51.100.7"), ""},
		{"Forwarded, text behind a quote", "10.0.0.1:5", h(standard, `for="198.51.100.7"x`), ""},
		{"Forwarded, no pair", "10.0.0.1:5", h(standard, "198.51.100.7"), ""},
		{"both headers", "10.0.0.1:5", h(plain, "198.51.100.7", standard, "for=127.0.0.1"), ""},
		{"a name", "10.0.0.1:5", h(plain, "localhost"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := proxies.Client(&http.Request{RemoteAddr: tt.remote, Header: tt.header})
			if tt.want == "" {
				if !errors.Is(err, errClient) {
					t.Errorf("%v, %v, want an error", got, err)
				}
				return
			}
			if err != nil || got != netip.MustParseAddr(tt.want) {
				t.Errorf("%v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

// The networks of a key, and the record, are about who asks, not about the proxy.
func TestClientBehindAProxy(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.Proxies = proxies
		o.Keys[0].Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	})
	through := from("10.0.0.1:5")
	if w := b.post("", through, withHeader("X-Forwarded-For", "203.0.113.9, 198.51.100.7")); w.Code != http.StatusOK {
		t.Errorf("%s", w.Body)
	}
	if got := b.records[0].Client; got != netip.MustParseAddr("198.51.100.7") {
		t.Errorf("the record has %v", got)
	}
	wantProblem(t, b.post("", through, withHeader("X-Forwarded-For", "198.51.100.7, 203.0.113.9")), NetworkNotAllowed, "")
	wantProblem(t, b.post("", through), NetworkNotAllowed, "")
	p := wantProblem(t, b.post("", through, withHeader("X-Forwarded-For", "198.51.100.7"), withHeader("Forwarded", "for=198.51.100.7")), InvalidForwarded, "")
	if !strings.Contains(p.Detail, "have the proxy delete") {
		t.Errorf("detail %q", p.Detail)
	}
}

// FuzzForwarded: whatever a client has put before what the proxy writes, the
// client is who the proxy saw, or nobody.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "127.0.0.1", `for="`, `for="10.0.0.1\", for=x`, "for=1.2.3.4;", "unknown,", `";for=9.9.9.9;x="`} {
		f.Add(seed)
	}
	saw := netip.MustParseAddr("198.51.100.7")
	f.Fuzz(func(t *testing.T, forged string) {
		for name, written := range map[string]string{"X-Forwarded-For": saw.String(), "Forwarded": "for=" + saw.String()} {
			for _, h := range []http.Header{{name: {forged, written}}, {name: {forged + ", " + written}}} {
				got, err := proxies.Client(&http.Request{RemoteAddr: "10.0.0.1:5", Header: h})
				if err == nil && got != saw {
					t.Fatalf("%s %q: %v", name, h[name], got)
				}
			}
		}
	})
}

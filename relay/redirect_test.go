package relay

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
)

var (
	elsewhere4 = netip.MustParseAddrPort("198.51.100.1:3478")
	elsewhere6 = netip.MustParseAddrPort("[2001:db8::1]:3478")
)

// RFC 8489 §10: first a server of the client's family, then one of the other.
func TestAlternate(t *testing.T) {
	none := netip.AddrPort{}
	for _, c := range []struct {
		name, client  string
		servers       []netip.AddrPort
		server, other netip.AddrPort
	}{
		{"IPv4", "192.0.2.1:5000", []netip.AddrPort{elsewhere6, elsewhere4}, elsewhere4, elsewhere6},
		{"IPv4 in IPv6 form", "[::ffff:192.0.2.1]:5000", []netip.AddrPort{elsewhere6, elsewhere4}, elsewhere4, elsewhere6},
		{"IPv6", "[2001:db8::9]:5000", []netip.AddrPort{elsewhere4, elsewhere6}, elsewhere6, elsewhere4},
		{"IPv4 alone", "192.0.2.1:5000", []netip.AddrPort{elsewhere4}, elsewhere4, none},
		{"none of IPv6", "[2001:db8::9]:5000", []netip.AddrPort{elsewhere4}, none, elsewhere4},
		{"none", "192.0.2.1:5000", nil, none, none},
	} {
		d := Redirect{Servers: c.servers, Domain: "turn.example.org"}
		r := &gate.Request{Client: dataplane.Client{Addr: netip.MustParseAddrPort(c.client)}}
		a, ok := d.alternate(r)
		if a.Server != c.server || a.Other != c.other || ok != c.server.IsValid() || a.Domain != d.Domain {
			t.Errorf("%s: %+v, %t", c.name, a, ok)
		}
		if r.Port.Token = new(gate.Token); ok {
			if _, ok := d.alternate(r); ok {
				t.Errorf("%s: sent away from its own reserved port", c.name)
			}
		}
	}
}

// Transmissions of one transaction are told the same server, and transactions
// are spread over all of them.
func TestAlternatesAreSpread(t *testing.T) {
	d := Redirect{Servers: []netip.AddrPort{elsewhere4, elsewhere6, netip.MustParseAddrPort("198.51.100.2:3478"), netip.MustParseAddrPort("198.51.100.3:3478")}}
	r := &gate.Request{Client: dataplane.Client{Addr: netip.MustParseAddrPort("192.0.2.1:5000")}}
	told := map[netip.AddrPort]int{}
	for i := range 300 {
		r.Tx[11] = byte(i)
		r.Tx[10] = byte(i >> 8)
		a, _ := d.alternate(r)
		if again, _ := d.alternate(r); again != a {
			t.Fatalf("%v, then %v", a, again)
		}
		told[a.Server]++
	}
	if len(told) != 3 || told[elsewhere4] != 100 || told[elsewhere6] != 0 {
		t.Errorf("%v", told)
	}
}

func TestRedirectIsChecked(t *testing.T) {
	at := netip.MustParseAddrPort
	listen := []Listener{{Addr: at("10.0.0.1:3478"), UDP: true}, {Addr: at("[2001:db8::1]:443"), TLS: true}}
	pools := []Pool{{Bind: netip.MustParseAddr("10.0.0.1"), Public: netip.MustParseAddr("93.184.216.1")}, {Bind: netip.MustParseAddr("2001:db8::1")}}
	for _, c := range []struct {
		d     Redirect
		fault string // part of the error; none: good
	}{
		{Redirect{}, ""},
		{Redirect{Draining: true, Servers: []netip.AddrPort{elsewhere4, elsewhere6}, Domain: "turn.example.org"}, ""},
		{Redirect{Always: true, Servers: []netip.AddrPort{at("10.0.0.1:3479"), at("93.184.216.1:443"), at("10.0.0.2:3478")}}, ""},
		{Redirect{Draining: true}, "set Servers"},
		{Redirect{Full: true}, "set Servers"},
		{Redirect{Always: true}, "set Servers"},
		{Redirect{Full: true, Servers: []netip.AddrPort{elsewhere4, at("10.0.0.1:3478")}}, "10.0.0.1:3478 among its servers, which is this one"},
		{Redirect{Servers: []netip.AddrPort{at("[2001:db8::1]:443")}}, "[2001:db8::1]:443 among its servers, which is this one"},
		{Redirect{Servers: []netip.AddrPort{at("93.184.216.1:3478")}}, "93.184.216.1:3478 among its servers, which is this one"},
		{Redirect{Servers: []netip.AddrPort{{}}}, "invalid AddrPort among"},
		{Redirect{Servers: []netip.AddrPort{at("198.51.100.1:0")}}, "198.51.100.1:0 among"},
		{Redirect{Servers: []netip.AddrPort{at("0.0.0.0:1")}}, "0.0.0.0:1 among"},
		{Redirect{Servers: []netip.AddrPort{at("224.0.0.1:1")}}, "224.0.0.1:1 among"},
		{Redirect{Servers: []netip.AddrPort{at("[::ffff:198.51.100.1]:1")}}, "[::ffff:198.51.100.1]:1 among"},
		{Redirect{Servers: []netip.AddrPort{at("[fe80::1%eth0]:1")}}, "[fe80::1%eth0]:1 among"},
		{Redirect{Domain: strings.Repeat("x", 256)}, "Domain of 256 bytes"},
	} {
		err := c.d.check(listen, pools)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%+v: %v, want %q", c.d, err, c.fault)
		}
	}
	if _, err := New(Options{Redirect: Redirect{Always: true}}); err == nil || !strings.Contains(err.Error(), "set Servers") {
		t.Errorf("New does not check: %v", err)
	}
	if i := (&Redirect{Servers: []netip.AddrPort{elsewhere4, at("93.184.216.1:3478")}}).Loop(listen, pools); i != 1 {
		t.Errorf("the loop is at %d", i)
	}
	if !slices.Contains(gate.Codes(), codeTryAlternate) {
		t.Error("300 is not counted by its own code")
	}
}

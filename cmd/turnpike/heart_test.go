package main

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"turnpike/relay"
	"turnpike/relay/gate"
)

// A server whose own listener does not answer calls itself unready after three
// beats, and ready again after one that is answered.
func TestHeart(t *testing.T) {
	silent, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at := relay.Bound{Addr: silent.LocalAddr().(*net.UDPAddr).AddrPort()}
	over, cancel := context.WithCancel(t.Context())
	cancel() // nobody is waited for
	var h heart
	for i := range missed {
		if r := h.ready(); len(r) != 0 {
			t.Errorf("unready after %d beats: %q", i, r)
		}
		if h.beat(over, at) {
			t.Fatal("a silent listener answered")
		}
	}
	if r := h.ready(); len(r) != 1 || !strings.Contains(r[0], "no answer to a Binding request from udp "+at.Addr.String()) {
		t.Errorf("after %d beats: %q", missed, r)
	}
	s := startServer(t)
	if !h.beat(t.Context(), relay.Bound{Addr: s.TURN.UDP[0]}) || len(h.ready()) != 0 {
		t.Errorf("a server that answers: %q", h.ready())
	}
}

func TestHeartAsksWhoAnswers(t *testing.T) {
	at := netip.MustParseAddrPort("10.0.0.5:443")
	side := relay.Bound{Addr: netip.MustParseAddrPort("10.0.0.5:5349"), Transport: gate.TLS}
	udp, tcp, tls := relay.Bound{Addr: at}, relay.Bound{Addr: at, Transport: gate.TCP}, relay.Bound{Addr: at, Transport: gate.TLS}
	plain := []relay.Listener{{Addr: at}}
	proxied := []relay.Listener{{Addr: at, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct {
		bound  []relay.Bound
		listen []relay.Listener
		want   *relay.Bound
	}{
		{[]relay.Bound{tls, udp}, plain, &udp},
		{[]relay.Bound{tls, tcp}, plain, &tls},
		{[]relay.Bound{tls, udp}, proxied, &udp}, // UDP carries no PROXY header
		{[]relay.Bound{tls, tcp}, proxied, nil},
		{[]relay.Bound{tls, side}, append(proxied, relay.Listener{Addr: side.Addr}), &side},
	} {
		got := own(c.bound, c.listen)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%v %v: %v, want %v", c.bound, c.listen, got, c.want)
		}
	}
}

package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"turnpike/relay"
	"turnpike/relay/gate"
)

// Clients are told UDP first, by host name or by the address that they can
// reach, each place once.
func TestURIs(t *testing.T) {
	bound := func(list ...string) (all []relay.Bound) {
		for _, text := range list {
			over, at, _ := strings.Cut(text, " ")
			for _, transport := range []gate.Transport{gate.UDP, gate.TCP, gate.TLS} {
				if transport.String() == over {
					all = append(all, relay.Bound{Addr: netip.MustParseAddrPort(at), Transport: transport})
				}
			}
		}
		return all
	}
	nat := []relay.Pool{{Bind: netip.MustParseAddr("10.0.0.5"), Public: netip.MustParseAddr("93.184.216.1")}}
	for name, c := range map[string]struct {
		bound      []relay.Bound
		issuer     issuerSettings
		turn, stun []string
	}{
		"order": {bound("tls 8.8.8.8:5349", "tcp 8.8.8.8:3478", "udp 8.8.8.8:3478"), issuerSettings{},
			[]string{"turn:8.8.8.8:3478?transport=udp", "turn:8.8.8.8:3478?transport=tcp", "turns:8.8.8.8:5349?transport=tcp"},
			[]string{"stun:8.8.8.8:3478"}},
		"behind a NAT": {bound("udp 10.0.0.5:3478", "udp 127.0.0.1:3478"), issuerSettings{},
			[]string{"turn:93.184.216.1:3478?transport=udp"}, []string{"stun:93.184.216.1:3478"}},
		"IPv6": {bound("udp [2606:4700::1]:3478"), issuerSettings{},
			[]string{"turn:[2606:4700::1]:3478?transport=udp"}, []string{"stun:[2606:4700::1]:3478"}},
		"public alone": {bound("udp 172.17.0.1:3478", "udp 10.0.0.5:3478", "udp [fd00::1]:3478", "udp 8.8.8.8:3478", "udp 127.0.0.1:3478"), issuerSettings{},
			[]string{"turn:93.184.216.1:3478?transport=udp", "turn:8.8.8.8:3478?transport=udp"}, []string{"stun:93.184.216.1:3478", "stun:8.8.8.8:3478"}},
		"private alone": {bound("udp 127.0.0.1:3478", "udp 192.168.1.2:3478"), issuerSettings{},
			[]string{"turn:192.168.1.2:3478?transport=udp"}, []string{"stun:192.168.1.2:3478"}},
		"a host name for a private port": {bound("udp 8.8.8.8:3478", "tls 192.168.1.2:5349", "tls 127.0.0.1:6349"), issuerSettings{Host: "turn.example.org"},
			[]string{"turn:turn.example.org:3478?transport=udp", "turns:turn.example.org:5349?transport=tcp"}, []string{"stun:turn.example.org:3478"}},
		"loopback alone": {bound("udp 127.0.0.1:3478"), issuerSettings{},
			[]string{"turn:127.0.0.1:3478?transport=udp"}, []string{"stun:127.0.0.1:3478"}},
		"one host of several addresses": {bound("udp 8.8.8.8:3478", "udp [2606:4700::1]:3478"), issuerSettings{Host: "turn.example.org"},
			[]string{"turn:turn.example.org:3478?transport=udp"}, []string{"stun:turn.example.org:3478"}},
		"configured": {bound("udp 8.8.8.8:3478"), issuerSettings{URIs: []string{"turn:edge.example.org:443?transport=tcp"}},
			[]string{"turn:edge.example.org:443?transport=tcp"}, []string{"stun:8.8.8.8:3478"}},
	} {
		u := &up{settings: &settings{Issuer: c.issuer}, parts: &parts{pools: nat}, turn: c.bound}
		turn, stun := u.uris()
		if !slices.Equal(turn, c.turn) || !slices.Equal(stun, c.stun) {
			t.Errorf("%s: %q %q, want %q %q", name, turn, stun, c.turn, c.stun)
		}
	}
	many := &up{settings: &settings{}, parts: &parts{}}
	for port := range uint16(20) {
		many.turn = append(many.turn, relay.Bound{Addr: netip.AddrPortFrom(nat[0].Public, 3000+port)})
	}
	if turn, _ := many.uris(); len(turn) != maxURIs {
		t.Errorf("%d addresses handed out", len(turn))
	}
}

package main

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redisstore"
)

// Servers of Redis are known by the configuration, and by where connections went; of
// those that come and go the newest.
func TestServersOfRedis(t *testing.T) {
	s := &settings{Store: storeSettings{Redis: &redisstore.Options{Addrs: []string{"192.0.2.1:6379", "redis.example:6379"}}}}
	f := &fleet{met: make(chan struct{}, 1), servers: s.Store.servers()}
	at := func(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }
	f.dialed(at("192.0.2.1:6379"))
	f.dialed(&net.UnixAddr{Name: "/run/redis.sock", Net: "unix"})
	select {
	case <-f.met:
		t.Error("a server that is known was told")
	default:
	}
	f.dialed(at("[::ffff:192.0.2.2]:6379"))
	select {
	case <-f.met:
	default:
		t.Error("a new server was not told")
	}
	if want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:6379"), netip.MustParseAddrPort("192.0.2.2:6379")}; !slices.Equal(f.own(), want) {
		t.Errorf("known are %v, want %v", f.own(), want)
	}
	for port := range 2 * maxServers {
		f.dialed(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 3), Port: 1 + port})
	}
	own := f.own()
	if newest := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.3"), 2*maxServers); len(own) != maxServers || own[len(own)-1] != newest {
		t.Errorf("%d are known, the newest %s; want %d and %s", len(own), own[len(own)-1], maxServers, newest)
	}
}

// In memory a limit is exact without asking, and what a rule says of a store that is
// away means nothing; only counting stays.
func TestRulesInMemory(t *testing.T) {
	s := &settings{}
	for i := range s.Limits.Rules {
		s.Limits.Rules[i] = ratelimit.Rule{Strict: true, Shadow: true, OnStoreError: ratelimit.Deny}
	}
	for i, r := range s.rules() {
		if want := (ratelimit.Rule{Strict: ratelimit.Limit(i) == ratelimit.LimitBytes, Shadow: true}); r != want {
			t.Errorf("%s: %+v, want %+v", ratelimit.Limit(i), r, want)
		}
	}
	s.Store = storeSettings{Redis: &redisstore.Options{}, Lease: time.Minute}
	if s.rules() != s.Limits.Rules {
		t.Errorf("with Redis: %+v", s.rules())
	}
}

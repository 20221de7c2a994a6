package hostnet

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

func TestBroadcast(t *testing.T) {
	for network, want := range map[string]string{
		"10.1.2.3/24": "10.1.2.255", "10.1.2.3/8": "10.255.255.255", "10.1.2.3/30": "10.1.2.3", "10.1.2.4/13": "10.7.255.255",
		"192.0.2.77/26": "192.0.2.127", "10.1.2.3/31": "", "10.1.2.3/32": "", "fd00::1/64": "",
	} {
		got, ok := broadcast(prefix(network))
		if ok != (want != "") || ok && got != addr(want) {
			t.Errorf("%s: %v, %v", network, got, ok)
		}
	}
}

func TestDefaultRoutes(t *testing.T) {
	for route, want := range map[string]bool{
		"0.0.0.0/0": true, "0.0.0.0/1": true, "128.0.0.0/1": true, "64.0.0.0/2": false, "10.0.0.0/8": false,
		"::/0": true, "8000::/1": true, "2000::/3": true, "2000::/4": false, "fd00::/8": false,
	} {
		if got := isDefault(prefix(route)); got != want {
			t.Errorf("%s: %v", route, got)
		}
	}
}

func TestTidy(t *testing.T) {
	var h Host
	for _, s := range []string{"10.0.0.9/24", "10.0.0.9/24", "10.0.0.255/32", "fe80::1/64"} {
		h.addInterface(prefix(s))
	}
	h = h.tidy()
	own := []netip.Addr{addr("10.0.0.9"), addr("10.0.0.255"), addr("fe80::1")}
	want := Host{
		Interfaces: own, Addrs: own,
		Routes: []netip.Prefix{prefix("10.0.0.0/24"), prefix("10.0.0.255/32"), prefix("fe80::/64")},
	}
	if !h.Equal(want) {
		t.Errorf("%+v, want %+v", h, want)
	}
}

func TestReadKnowsLoopback(t *testing.T) {
	h, err := Read()
	if err != nil || !slices.Contains(h.Addrs, addr("127.0.0.1")) {
		t.Errorf("%+v, %v", h, err)
	}
}

// Without word from the system the host is looked at with each tick, and only a
// change is told.
func TestPoll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ticks, told, done := make(chan time.Time), make(chan Host, 9), make(chan error)
	go func() { done <- poll(ctx, ticks, Host{}, func(h Host) { told <- h }) }()
	ticks <- time.Time{}
	ticks <- time.Time{} // by now two looks are over
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if now, err := Read(); err != nil || len(told) != 1 || !now.Equal(<-told) {
		t.Errorf("told %d times, %v", len(told), err)
	}
}

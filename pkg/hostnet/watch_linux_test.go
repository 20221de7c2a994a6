package hostnet

import (
	"context"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"turnpike/relay/relaytest"
)

func ip(t *testing.T, args string) {
	t.Helper()
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", args, err, out)
	}
}

func TestReadRoutes(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{Own: []netip.Prefix{prefix("93.184.216.0/24")}}) {
		return
	}
	ip(t, "address add 11.0.0.4/24 dev lo")
	ip(t, "address add 2600:7::4/64 dev lo nodad")
	for _, route := range []string{
		"12.0.0.0/8 dev lo", "13.0.0.0/8 dev lo table 77", "default dev lo", "0.0.0.0/1 dev lo",
		"blackhole 14.0.0.0/8", "local 15.0.0.1/32 dev lo", "2600:8::/48 dev lo",
	} {
		ip(t, "route add "+route)
	}
	h, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"127.0.0.1", "11.0.0.4", "2600:7::4", "15.0.0.1"} {
		if !slices.Contains(h.Addrs, addr(a)) {
			t.Errorf("%s is not known as ours: %v", a, h.Addrs)
		}
	}
	if slices.Contains(h.Interfaces, addr("15.0.0.1")) {
		t.Error("15.0.0.1 is taken for the address of an interface")
	}
	if !slices.Contains(h.Broadcasts, addr("11.0.0.255")) {
		t.Errorf("broadcasts %v", h.Broadcasts)
	}
	var routes []string
	for _, pre := range h.Routes {
		routes = append(routes, pre.String())
	}
	for _, want := range []string{"11.0.0.0/24", "2600:7::/64", "12.0.0.0/8", "13.0.0.0/8", "2600:8::/48", "93.184.216.0/24"} {
		if !slices.Contains(routes, want) {
			t.Errorf("%s is not a route: %v", want, routes)
		}
	}
	for _, never := range []string{"0.0.0.0/0", "0.0.0.0/1", "14.0.0.0/8", "::/0"} {
		if slices.Contains(routes, never) {
			t.Errorf("%s is a route", never)
		}
	}
}

func TestWatch(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{}) {
		return
	}
	have, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	ip(t, "route add 11.0.0.0/8 dev lo") // before Watch
	ctx, cancel := context.WithCancel(t.Context())
	told, done := make(chan Host), make(chan error)
	go func() { done <- Watch(ctx, have, func(h Host) { told <- h }) }()
	routed := func(h Host, s string) bool { return slices.Contains(h.Routes, prefix(s)) }
	if h := <-told; !routed(h, "11.0.0.0/8") {
		t.Errorf("what changed before: %+v", h)
	}

	// A second way to the same network is no change; the next one told is.
	ip(t, "route add 11.0.0.0/8 dev lo metric 7")
	ip(t, "address add 12.0.0.4/24 dev lo")
	h := <-told
	for ; !slices.Contains(h.Broadcasts, addr("12.0.0.255")); h = <-told {
		if !slices.Contains(h.Addrs, addr("12.0.0.4")) {
			t.Errorf("told of no change: %+v", h)
		}
	}
	ip(t, "address del 12.0.0.4/24 dev lo")
	for h = <-told; slices.Contains(h.Addrs, addr("12.0.0.4")); h = <-told {
	}
	ip(t, "route add 2600:8::/48 dev lo")
	if h = <-told; !routed(h, "2600:8::/48") {
		t.Errorf("an IPv6 route: %+v", h)
	}
	ip(t, "link set lo down") // takes the routes with it, and tells of IPv4's none
	for h = <-told; routed(h, "11.0.0.0/8"); h = <-told {
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

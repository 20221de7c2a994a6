package netpolicy

import (
	"flag"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/egress.nft anew")

var fencePorts = []PortRange{{50000, 50999}}

// fencedOptions have something of everything that a ruleset says.
func fencedOptions() Options {
	return Options{
		Mode: Public,
		Deny: slices.Concat(lines("11.0.0.0/8", "11.1.0.0/16", "198.41.7.0-198.41.7.9", "2600:bad::/32"),
			at(lines("8.8.8.0/24", "2600:53::/32"), "53", "8000-8999"), at(lines("9.0.0.0/8"), "53", "8000-8999")),
		Allow: slices.Concat(lines("10.1.0.0/16", "10.1.0.5/32", "fd12::/48", "64:ff9b::/96"),
			at(lines("10.20.30.40/32"), "10000-20000"), at(lines("10.1.0.6/32"), "443"), at(lines("10.0.0.0/9"), "7000")),
		RelayAddrs: addrs("198.41.0.4", "2600:4::4"),
		HostAddrs:  addrs("10.1.0.4", "10.1.0.5", "10.1.0.6", "198.41.0.4", "fd12::4"),
		Own:        []netip.AddrPort{addrPort("0.0.0.0:3478"), addrPort("[::]:3478"), addrPort("10.1.7.7:6379"), addrPort("198.41.0.4:50999")},
		Broadcasts: addrs("10.1.255.255"),
	}
}

func mustFence(t *testing.T, p *Policy, o NFTOptions) string {
	t.Helper()
	text, err := p.NFTables(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestNFTablesGolden(t *testing.T) {
	const golden = "testdata/egress.nft"
	p := mustNew(t, fencedOptions())
	o := NFTOptions{User: "turnpike", Ports: fencePorts, Resolvers: []netip.AddrPort{addrPort("10.1.0.53:53"), addrPort("[fd12::53]:53")}}
	got := mustFence(t, p, o)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as in %s; if it should not be, go test -update:\n%s", golden, got)
	}
	if mustFence(t, p, o) != got {
		t.Error("not the same twice")
	}
	o.User, o.Cgroup = "", "system.slice/turnpike.service"
	if got := mustFence(t, p, o); !strings.Contains(got, `socket cgroupv2 level 2 "system.slice/turnpike.service" udp sport { 50000-50999 }`) {
		t.Errorf("by control group:\n%s", got)
	}
}

func TestNFTablesRefuses(t *testing.T) {
	p := mustNew(t, Options{})
	for _, c := range []struct {
		o    NFTOptions
		want string
	}{
		{NFTOptions{Ports: fencePorts}, "name one of them"},
		{NFTOptions{Ports: fencePorts, User: "turnpike", Cgroup: "turnpike"}, "name one of them"},
		{NFTOptions{Ports: fencePorts, User: `a" accept; #`}, "a user's name or number"},
		{NFTOptions{Ports: fencePorts, Cgroup: `a" accept; #`}, "a path"},
		{NFTOptions{Ports: fencePorts, Cgroup: "/system.slice"}, "without /"},
		{NFTOptions{User: "turnpike"}, "Ports: none"},
		{NFTOptions{User: "turnpike", Ports: []PortRange{{9, 1}}}, "Ports[0] 9-1"},
		{NFTOptions{User: "turnpike", Ports: fencePorts, Resolvers: []netip.AddrPort{addrPort("10.0.0.1:0")}}, "Resolvers[0] 10.0.0.1:0"},
	} {
		if text, err := p.NFTables(c.o); err == nil || text != "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q, %v, want %q", c.o, text, err, c.want)
		}
	}
}

package netpolicy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	allow := func(s ...string) Options { return Options{Allow: lines(s...)} }
	own := func(s string) Options { return Options{Own: []netip.AddrPort{addrPort(s)}} }
	for _, c := range []struct {
		name string
		o    Options
		want []string // the entry and the cure
	}{
		{"mode", Options{Mode: 7}, []string{"Mode 7", "Public or AllowList"}},
		{"no prefix", Options{Deny: []Line{{}}}, []string{"Deny[0]", "ADDRESS/BITS"}},
		{"host bits", Options{Deny: lines("11.0.0.0/8", "10.1.2.3/8")}, []string{"Deny[1] 10.1.2.3/8", "write 10.0.0.0/8, or 10.1.2.3/32"}},
		{"host bits v6", allow("2600::1/64"), []string{"Allow[0] 2600::1/64", "write 2600::/64, or 2600::1/128"}},
		{"mapped", allow("::ffff:10.0.0.0/104"), []string{"Allow[0]", "write 10.0.0.0/8"}},
		{"mapped deny", Options{Deny: lines("::ffff:10.0.0.1/128")}, []string{"Deny[0]", "write 10.0.0.1/32"}},
		{"loopback", allow("127.0.0.0/8"), []string{"Allow[0] 127.0.0.0/8", "no line opens loopback"}},
		{"loopback address", allow("127.0.0.1/32"), []string{"Allow[0]", "no line opens loopback"}},
		{"loopback v6", allow("::1/128"), []string{"no line opens loopback"}},
		{"this network", allow("0.0.0.0/32"), []string{"no line opens this_network"}},
		{"unspecified", allow("::/128"), []string{"no line opens this_network"}},
		{"multicast", allow("239.0.0.0/8", "ff02::/16"), []string{"Allow[0]", "Allow[1]", "no line opens multicast"}},
		{"broadcast", allow("255.255.255.255/32"), []string{"no line opens broadcast"}},
		{"link-local", allow("169.254.0.0/16", "fe80::/64"), []string{"Allow[0]", "Allow[1]", "no line opens link_local"}},
		{"metadata", allow("168.63.129.16/32"), []string{"no line opens cloud_metadata", "Azure"}},
		{"directed broadcast", Options{Allow: lines("10.0.0.255/32"), Broadcasts: addrs("10.0.0.255")}, []string{"Allow[0]", "directed broadcast"}},
		{"local NAT64", allow("64:ff9b:1::/48", "64:ff9b:1:fffe::/96"), []string{"Allow[0]", "Allow[1]", "use 64:ff9b::/96"}},
		{"loopback in NAT64", allow("64:ff9b::7f00:0/104"), []string{"127.0.0.0/8", "NAT64", "no line opens loopback"}},
		{"loopback in 6to4", allow("2002:7f00::/24", "2002:7f12:3400::/40"), []string{"Allow[0]", "Allow[1]", "6to4"}},
		{"loopback in Teredo", allow("2001:0:7f00::/40"), []string{"Teredo server"}},
		{"place", Options{Deny: []Line{{Prefix: netip.MustParsePrefix("10.1.2.3/8"), Place: "turnpike.yaml:7:5"}}}, []string{"netpolicy: turnpike.yaml:7:5: 10.1.2.3/8", "write 10.0.0.0/8"}},
		{"two forms", Options{Deny: []Line{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Preset: PresetRFC1918}}}, []string{"Deny[0]", "a line for each"}},
		{"half a range", Options{Deny: []Line{{From: addr("10.0.0.1")}}}, []string{"Deny[0] 10.0.0.1-invalid IP", "write FROM-TO"}},
		{"backwards", allow("10.0.0.9-10.0.0.1"), []string{"Allow[0]", "write 10.0.0.1-10.0.0.9"}},
		{"mixed range", allow("10.0.0.9-2600::1"), []string{"a range for each"}},
		{"mapped range", allow("::ffff:10.0.0.1-::ffff:10.0.0.9"), []string{"write 10.0.0.1-10.0.0.9"}},
		{"zone", allow("fd00::1%eth0-fd00::9%eth0"), []string{"without zone"}},
		{"hard range", allow("127.0.0.1-127.0.0.9"), []string{"Allow[0] 127.0.0.1-127.0.0.9", "no line opens loopback"}},
		{"port 0", Options{Deny: at(lines("10.0.0.0/8"), "0-80")}, []string{"Deny[0]", "from 1 to 65535"}},
		{"ports backwards", Options{Deny: at(lines("10.0.0.0/8"), "80-1")}, []string{"Deny[0]", "FIRST-LAST"}},
		{"preset", Options{Deny: []Line{{Preset: 77}}}, []string{"Deny[0]", "preset 77", "local-routes"}},
		{"allow special-purpose", allow("special-purpose"), []string{"Allow[0] special-purpose", "name rfc1918"}},
		{"allow cloud-metadata", allow("cloud-metadata"), []string{"Allow[0] cloud-metadata", "no line opens cloud_metadata", "remove the line"}},
		{"allow self", allow("self"), []string{"Allow[0] self", "live relay ports need no line"}},
		{"no route", Options{Routes: []netip.Prefix{{}}}, []string{"Routes[0]", "ADDRESS/BITS"}},
		{"default route", Options{Routes: prefixesOf("10.0.0.0/8", "::/0")}, []string{"Routes[1] ::/0", "leave it out"}},
		{"no host", Options{HostAddrs: []netip.Addr{{}}}, []string{"HostAddrs[0]", "list each address"}},
		{"unspecified relay", Options{RelayAddrs: addrs("198.41.0.4", "0.0.0.0")}, []string{"RelayAddrs[1] 0.0.0.0", "list each address"}},
		{"multicast host", Options{HostAddrs: addrs("224.0.0.1")}, []string{"HostAddrs[0]"}},
		{"broadcast v6", Options{Broadcasts: addrs("ff02::1")}, []string{"Broadcasts[0] ff02::1", "only IPv4"}},
		{"broadcast of /32", Options{HostAddrs: addrs("10.0.0.4"), Broadcasts: addrs("10.0.0.4")}, []string{"Broadcasts[0] 10.0.0.4", "/32"}},
		{"no service", Options{Own: []netip.AddrPort{{}}}, []string{"Own[0]", "ADDRESS:PORT"}},
		{"port 0", own("10.0.0.1:0"), []string{"Own[0] 10.0.0.1:0", "the port the listener got"}},
		{"any address, no host", own("0.0.0.0:3478"), []string{"Own[0] 0.0.0.0:3478", "fill HostAddrs"}},
		{"every fault", Options{Mode: 2, Deny: []Line{{}}, Allow: lines("127.0.0.0/8")}, []string{"Mode", "Deny[0]", "Allow[0]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := New(c.o)
			if err == nil || p != nil {
				t.Fatalf("New = %v, %v", p, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// The fault of a line can be told apart, for whoever knows its place better.
func TestFaultsAreTyped(t *testing.T) {
	_, err := New(Options{Allow: append(lines("10.0.0.0/8"), Line{Prefix: netip.MustParsePrefix("10.0.0.1/8"), Place: "a.yaml:1:2"})})
	var f *Fault
	if !errors.As(err, &f) || f.List != "Allow" || f.Index != 1 || f.Place != "a.yaml:1:2" || !strings.HasPrefix(f.Reason, "10.0.0.1/8: bits set") {
		t.Errorf("%+v", f)
	}
}

func TestNewAccepts(t *testing.T) {
	p := mustNew(t, Options{
		// Wider than what is hard, or beside it.
		Allow:      lines("0.0.0.0/0", "::/0", "126.0.0.0/7", "10.1.2.0/24", "64:ff9b::/96", "2002::/16", "2001::/32", "fd00::/8", "2600::5efe:0:0/96", "126.0.0.1-128.0.0.1"),
		Deny:       lines("127.0.0.0/8", "0.0.0.0/32"),
		HostAddrs:  addrs("::ffff:10.0.0.1", "fe80::1%eth0", "127.0.0.1"),
		Broadcasts: addrs("::ffff:10.0.0.255"),
		Own:        []netip.AddrPort{addrPort("[fe80::1%eth0]:3478"), addrPort("[::ffff:10.0.0.1]:3478")},
	})
	for peer, rule := range map[string]Rule{
		"10.0.0.1:3478":   OwnService,
		"10.0.0.1:3479":   OwnHost,
		"10.0.0.255:9":    Broadcast,
		"127.0.0.1:9":     Loopback,
		"126.0.0.1:9":     OperatorAllow,
		"[fe80::1]:3478":  LinkLocal,
		"[fd00::1]:3478":  OperatorAllow,
		"10.1.2.255:3478": OperatorAllow,
	} {
		if v := p.Peer(addrPort(peer), nil); v.Rule != rule {
			t.Errorf("%s: %v, want %v", peer, v.Rule, rule)
		}
	}
}

// The policy is immutable: the caller's lists are its own again after New.
func TestNewCopies(t *testing.T) {
	o := Options{Deny: at(lines("8.8.8.0/24", "8.0.0.0/8"), "5-9"), Allow: lines("10.0.0.0/24", "10.0.1.0/24")}
	p := mustNew(t, o)
	o.Deny[0].Ports[0] = PortRange{1, 1}
	o.Deny[0], o.Deny[1], o.Allow[0], o.Allow[1] = Line{}, Line{}, Line{}, Line{}
	if v := p.Peer(addrPort("8.8.8.8:9"), nil); v.Rule != OperatorDeny {
		t.Errorf("deny line gone: %v", v.Rule)
	}
	if v := p.Peer(addrPort("10.0.1.1:9"), nil); v.Rule != OperatorAllow {
		t.Errorf("allow line gone: %v", v.Rule)
	}
}

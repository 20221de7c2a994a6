package netpolicy

import (
	"net/netip"
	"strings"
	"testing"
)

func TestNewRefuses(t *testing.T) {
	allow := func(s ...string) Options { return Options{Allow: prefixes(s...)} }
	own := func(s string) Options { return Options{Own: []netip.AddrPort{addrPort(s)}} }
	for _, c := range []struct {
		name string
		o    Options
		want []string // the entry and the cure
	}{
		{"mode", Options{Mode: 7}, []string{"Mode 7", "Public or AllowList"}},
		{"no prefix", Options{Deny: []netip.Prefix{{}}}, []string{"Deny[0]", "ADDRESS/BITS"}},
		{"host bits", Options{Deny: prefixes("11.0.0.0/8", "10.1.2.3/8")}, []string{"Deny[1] 10.1.2.3/8", "write 10.0.0.0/8, or 10.1.2.3/32"}},
		{"host bits v6", allow("2600::1/64"), []string{"Allow[0] 2600::1/64", "write 2600::/64, or 2600::1/128"}},
		{"mapped", allow("::ffff:10.0.0.0/104"), []string{"Allow[0]", "write 10.0.0.0/8"}},
		{"mapped deny", Options{Deny: prefixes("::ffff:10.0.0.1/128")}, []string{"Deny[0]", "write 10.0.0.1/32"}},
		{"loopback", allow("127.0.0.0/8"), []string{"Allow[0] 127.0.0.0/8", "no line opens loopback"}},
		{"loopback address", allow("127.0.0.1/32"), []string{"Allow[0]", "no line opens loopback"}},
		{"loopback v6", allow("::1/128"), []string{"no line opens loopback"}},
		{"this network", allow("0.0.0.0/32"), []string{"no line opens this_network"}},
		{"unspecified", allow("::/128"), []string{"no line opens this_network"}},
		{"multicast", allow("239.0.0.0/8", "ff02::/16"), []string{"Allow[0]", "Allow[1]", "no line opens multicast"}},
		{"broadcast", allow("255.255.255.255/32"), []string{"no line opens broadcast"}},
		{"link-local", allow("169.254.0.0/16", "fe80::/64"), []string{"Allow[0]", "Allow[1]", "no line opens link_local"}},
		{"metadata", allow("168.63.129.16/32"), []string{"no line opens cloud_metadata", "Azure"}},
		{"directed broadcast", Options{Allow: prefixes("10.0.0.255/32"), Broadcasts: addrs("10.0.0.255")}, []string{"Allow[0]", "directed broadcast"}},
		{"local NAT64", allow("64:ff9b:1::/48", "64:ff9b:1:fffe::/96"), []string{"Allow[0]", "Allow[1]", "use 64:ff9b::/96"}},
		{"loopback in NAT64", allow("64:ff9b::7f00:0/104"), []string{"127.0.0.0/8", "NAT64", "no line opens loopback"}},
		{"loopback in 6to4", allow("2002:7f00::/24", "2002:7f12:3400::/40"), []string{"Allow[0]", "Allow[1]", "6to4"}},
		{"loopback in Teredo", allow("2001:0:7f00::/40"), []string{"Teredo server"}},
		{"no host", Options{HostAddrs: []netip.Addr{{}}}, []string{"HostAddrs[0]", "list each address"}},
		{"unspecified relay", Options{RelayAddrs: addrs("198.41.0.4", "0.0.0.0")}, []string{"RelayAddrs[1] 0.0.0.0", "list each address"}},
		{"multicast host", Options{HostAddrs: addrs("224.0.0.1")}, []string{"HostAddrs[0]"}},
		{"broadcast v6", Options{Broadcasts: addrs("ff02::1")}, []string{"Broadcasts[0] ff02::1", "only IPv4"}},
		{"broadcast of /32", Options{HostAddrs: addrs("10.0.0.4"), Broadcasts: addrs("10.0.0.4")}, []string{"Broadcasts[0] 10.0.0.4", "/32"}},
		{"no service", Options{Own: []netip.AddrPort{{}}}, []string{"Own[0]", "ADDRESS:PORT"}},
		{"port 0", own("10.0.0.1:0"), []string{"Own[0] 10.0.0.1:0", "the port the listener got"}},
		{"any address, no host", own("0.0.0.0:3478"), []string{"Own[0] 0.0.0.0:3478", "fill HostAddrs"}},
		{"every fault", Options{Mode: 2, Deny: []netip.Prefix{{}}, Allow: prefixes("127.0.0.0/8")}, []string{"Mode", "Deny[0]", "Allow[0]"}},
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

func TestNewAccepts(t *testing.T) {
	p := mustNew(t, Options{
		// Wider than what is hard, or beside it.
		Allow:      prefixes("0.0.0.0/0", "::/0", "126.0.0.0/7", "10.1.2.0/24", "64:ff9b::/96", "2002::/16", "2001::/32", "fd00::/8", "2600::5efe:0:0/96"),
		Deny:       prefixes("127.0.0.0/8", "0.0.0.0/32"),
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
	o := Options{Deny: prefixes("8.8.8.0/24", "8.0.0.0/8"), Allow: prefixes("10.0.0.0/24", "10.0.1.0/24")}
	p := mustNew(t, o)
	o.Deny[0], o.Deny[1], o.Allow[0], o.Allow[1] = netip.Prefix{}, netip.Prefix{}, netip.Prefix{}, netip.Prefix{}
	if v := p.Peer(addrPort("8.8.8.8:9"), nil); v.Rule != OperatorDeny {
		t.Errorf("deny line gone: %v", v.Rule)
	}
	if v := p.Peer(addrPort("10.0.1.1:9"), nil); v.Rule != OperatorAllow {
		t.Errorf("allow line gone: %v", v.Rule)
	}
}

package netpolicy

import (
	"net/netip"
	"strings"
	"testing"

	"turnpike/relay/relaytest"
)

func TestExplain(t *testing.T) {
	p := mustNew(t, Options{
		Deny:       lines("11.0.0.0/8"),
		Allow:      lines("10.1.0.0/16", "10.1.2.0/24"),
		RelayAddrs: addrs("198.41.0.4"),
		Own:        []netip.AddrPort{addrPort("0.0.0.0:3478")},
		Broadcasts: addrs("10.1.2.255"),
	})
	lined := mustNew(t, Options{
		Deny:   lines("local-routes", "10.8.0.1-10.8.0.200"),
		Routes: prefixesOf("10.7.0.0/16"),
		Allow: []Line{{
			Prefix: netip.MustParsePrefix("10.20.30.40/32"), Ports: []PortRange{{10000, 20000}, {443, 443}},
			Place: "policy.d/10-sfu.yaml:12:5", Comment: "our SFU\n", Ticket: "OPS-1",
		}},
	})
	list := mustNew(t, Options{Mode: AllowList})
	live := func(a netip.AddrPort) bool { return a == addrPort("198.41.0.4:50000") }
	for _, c := range []struct {
		p          *Policy
		peer, want string
	}{
		{p, "127.0.0.1:80", "127.0.0.1:80: denied by loopback: in 127.0.0.0/8 (loopback, RFC 1122 §3.2.1.3); no line opens it"},
		{p, "[64:ff9b::a9fe:a9fe]:80", "[64:ff9b::a9fe:a9fe]:80: denied by cloud_metadata: carries 169.254.169.254 (NAT64), in 169.254.169.254/32 (instance metadata, AWS, Azure, Google Cloud and most others); no line opens it"},
		{p, "192.0.2.1:80", "192.0.2.1:80: denied by documentation: in 192.0.2.0/24 (TEST-NET-1, RFC 5737 §3)"},
		{p, "11.1.1.1:80", "11.1.1.1:80: denied by operator_deny: deny line 11.0.0.0/8"},
		{p, "10.1.2.3:80", "10.1.2.3:80: allowed by operator_allow: allow line 10.1.2.0/24"},
		{p, "10.1.2.255:80", "10.1.2.255:80: denied by broadcast: directed broadcast address of a network of this host (RFC 919 §7); no line opens it"},
		{p, "198.41.0.4:3478", "198.41.0.4:3478: denied by own_service: a service of our own listens there; no line opens it"},
		{p, "198.41.0.4:50000", "198.41.0.4:50000: allowed by live_relay: a currently allocated relay port of ours"},
		{p, "198.41.0.4:50001", "198.41.0.4:50001: denied by own_host: an address of this host, and not a live relay port; only an allow line of this one address opens it"},
		{p, "8.8.8.8:53", "8.8.8.8:53: allowed by default_allow: no rule names it, and the mode is public"},
		{lined, "10.20.30.40:10001", `10.20.30.40:10001: allowed by operator_allow: allow line 10.20.30.40/32 ports 443,10000-20000 at policy.d/10-sfu.yaml:12:5, "our SFU\n", ticket "OPS-1"`},
		{lined, "10.7.0.9:1", "10.7.0.9:1: denied by operator_deny: deny line local-routes (10.7.0.0/16)"},
		{lined, "10.8.0.9:1", "10.8.0.9:1: denied by operator_deny: deny line 10.8.0.1-10.8.0.200"},
		{list, "8.8.8.8:53", "8.8.8.8:53: denied by default_deny: no line names it, and the mode is allow list"},
		{p, "8.8.8.8:0", "8.8.8.8:0: denied by invalid: needs an address without zone and a port other than 0"},
	} {
		if got := c.p.Explain(addrPort(c.peer), live); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestExplainPermission(t *testing.T) {
	p := mustNew(t, Options{RelayAddrs: addrs("198.41.0.4"), Allow: at(lines("10.0.0.7/32"), "80")})
	for peer, want := range map[string]string{
		"198.41.0.4": "198.41.0.4: allowed by own_relay: an address of our relays; each port is judged when it is used",
		"10.0.0.7":   "10.0.0.7: allowed by operator_allow: allow line 10.0.0.7/32 ports 80",
		"10.0.0.8":   "10.0.0.8: denied by private: in 10.0.0.0/8 (private use, RFC 1918 §3)",
	} {
		if got := p.ExplainPermission(addr(peer)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Every special range is explained on one line with its source.
func TestExplainNamesTheSource(t *testing.T) {
	p := mustNew(t, Options{})
	for _, r := range special4 {
		a := relaytest.Samples(r.prefix)[0]
		row := specialOf(a)
		got := p.Explain(netip.AddrPortFrom(a, 9), nil)
		if !strings.Contains(got, row.source) || !strings.Contains(got, row.prefix.String()) || strings.Contains(got, "\n") {
			t.Errorf("%s", got)
		}
	}
}

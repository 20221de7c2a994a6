package netpolicy

import (
	"net/netip"
	"strings"
	"testing"
)

func mustClients(t testing.TB, o ClientOptions) *Clients {
	t.Helper()
	c, err := NewClients(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClients(t *testing.T) {
	deny := append(lines("203.0.113.0/24", "8.8.8.8-8.8.8.9", "2600:bad::/32", "self"), Line{Preset: PresetLocalRoutes})
	routes, host := prefixesOf("11.0.0.0/24"), addrs("198.41.0.4", "::ffff:198.41.0.5", "fe80::4%eth0")
	public := mustClients(t, ClientOptions{Deny: deny, Routes: routes, HostAddrs: host})
	listed := mustClients(t, ClientOptions{Mode: AllowList, Deny: deny, Routes: routes, HostAddrs: host, Allow: lines("8.8.0.0/16", "rfc1918", "64:ff9b::/96")})
	nobody := mustClients(t, ClientOptions{Mode: AllowList})
	for _, c := range []struct {
		addr           string
		public, listed bool
	}{
		{"203.0.113.1", false, false}, {"203.0.114.1", true, false},
		{"8.8.8.7", true, true}, {"8.8.8.8", false, false}, {"8.8.8.9", false, false}, {"8.8.8.10", true, true},
		{"10.0.0.1", true, true}, {"127.0.0.1", true, false}, {"192.0.2.1", true, false},
		{"2600:bad::1", false, false}, {"2600::1", true, false},
		{"11.0.0.9", false, false}, {"198.41.0.4", false, false}, {"198.41.0.5", false, false}, {"fe80::4%eth1", false, false},
		// In other forms: mapped is IPv4, a denial holds in all, a zone is nothing.
		{"::ffff:203.0.113.1", false, false}, {"::ffff:8.8.8.7", true, true}, {"fe80::1%eth0", true, false},
		{"64:ff9b::203.0.113.1", false, false}, {"64:ff9b::8.8.4.4", true, true}, {"64:ff9b::9.9.9.9", true, true},
		{"2002:cb00:7101::1", false, false}, {"2600::5efe:203.0.113.1", false, false},
	} {
		a := addr(c.addr)
		if got := public.Admits(a); got != c.public {
			t.Errorf("public: %s: %v: %s", c.addr, got, public.Explain(a))
		}
		if got := listed.Admits(a); got != c.listed {
			t.Errorf("listed: %s: %v: %s", c.addr, got, listed.Explain(a))
		}
		if nobody.Admits(a) {
			t.Errorf("an empty list admits %s", c.addr)
		}
	}
	if public.Admits(netip.Addr{}) {
		t.Error("no address is admitted")
	}
}

// The server's own address comes whatever the lines say, and no other does.
func TestServerIsItsOwnClient(t *testing.T) {
	for _, o := range []ClientOptions{{Mode: AllowList}, {Deny: lines("0.0.0.0/0", "::/0")}} {
		o.Always = addrs("::ffff:198.41.0.4", "2600::1")
		c := mustClients(t, o)
		for a, want := range map[string]bool{"198.41.0.4": true, "::ffff:198.41.0.4": true, "2600::1": true, "198.41.0.5": false, "2600::2": false} {
			if got := c.Admits(addr(a)); got != want {
				t.Errorf("%s: %v: %s", a, got, c.Explain(addr(a)))
			}
		}
		if got := c.Explain(addr("2600::1")); !strings.Contains(got, "allowed by own_health: ") {
			t.Error(got)
		}
	}
}

func TestClientFaults(t *testing.T) {
	placed := line("10.0.0.0/8")
	placed.Place = "policy.d/10.yaml:3:7"
	for _, c := range []struct {
		name string
		o    ClientOptions
		want []string
	}{
		{"mode", ClientOptions{Mode: 2}, []string{"Mode 2", "Public or AllowList"}},
		{"ports", ClientOptions{Deny: at(lines("10.0.0.0/8"), "80")}, []string{"Deny[0] 10.0.0.0/8 ports 80", "remove the ports"}},
		{"allow in public", ClientOptions{Allow: []Line{placed}}, []string{"policy.d/10.yaml:3:7: 10.0.0.0/8", "keeps nobody out", "set the mode"}},
		{"host bits", ClientOptions{Mode: AllowList, Allow: lines("10.0.0.1/8")}, []string{"Allow[0]", "write 10.0.0.0/8"}},
		{"default route", ClientOptions{Routes: prefixesOf("0.0.0.0/0")}, []string{"Routes[0]", "leave it out"}},
	} {
		clients, err := NewClients(c.o)
		if err == nil || clients != nil {
			t.Errorf("%s: %v, %v", c.name, clients, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", c.name, err, want)
			}
		}
	}
}

func TestExplainClients(t *testing.T) {
	noisy := Line{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Place: "policy.d/10.yaml:3:7", Comment: "scanners", Ticket: "OPS-9"}
	c := mustClients(t, ClientOptions{Mode: AllowList, Deny: []Line{noisy}, Allow: lines("rfc1918")})
	for client, want := range map[string]string{
		"203.0.113.9":      `203.0.113.9: denied by operator_deny: deny line 203.0.113.0/24 at policy.d/10.yaml:3:7, "scanners", ticket "OPS-9"`,
		"2002:cb00:7109::": `2002:cb00:7109::: denied by operator_deny: carries 203.0.113.9 (6to4), deny line 203.0.113.0/24 at policy.d/10.yaml:3:7, "scanners", ticket "OPS-9"`,
		"10.1.1.1":         `10.1.1.1: allowed by operator_allow: allow line rfc1918 (10.0.0.0/8)`,
		"8.8.8.8":          `8.8.8.8: denied by default_deny: no line names it, and the mode is allow list`,
	} {
		if got := c.Explain(addr(client)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

package netpolicy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestARoleNarrows(t *testing.T) {
	live := func(a netip.AddrPort) bool { return a == addrPort("198.41.0.4:50000") }
	p := mustNew(t, Options{
		Allow:      lines("10.1.0.0/16"),
		Deny:       lines("9.9.9.9/32"),
		RelayAddrs: addrs("198.41.0.4"),
		Roles: map[string][]Line{
			"sfu":    append(at(lines("10.1.2.3/32"), "443", "10000-20000"), lines("8.8.8.0/24", "10.2.0.0/16", "9.0.0.0/8")...),
			"calls":  lines("self"),
			"nobody": {},
		},
	})
	for _, c := range []struct {
		peer                   string
		all, sfu, calls, empty Rule
	}{
		{"8.8.8.8:53", DefaultAllow, DefaultAllow, RoleDeny, RoleDeny},
		{"8.8.4.4:53", DefaultAllow, RoleDeny, RoleDeny, RoleDeny},
		{"10.1.2.3:443", OperatorAllow, OperatorAllow, RoleDeny, RoleDeny},
		{"10.1.2.3:444", OperatorAllow, RoleDeny, RoleDeny, RoleDeny},
		{"10.2.0.1:443", Private, Private, Private, Private}, // of the role's list, and no wider for it
		{"9.9.9.9:53", OperatorDeny, OperatorDeny, OperatorDeny, OperatorDeny},
		{"127.0.0.1:53", Loopback, Loopback, Loopback, Loopback},
		{"198.41.0.4:50000", LiveRelay, RoleDeny, LiveRelay, RoleDeny}, // another client
		{"198.41.0.4:50001", OwnHost, OwnHost, OwnHost, OwnHost},
		{"[::ffff:8.8.8.8]:53", DefaultAllow, DefaultAllow, RoleDeny, RoleDeny},
		{"[2600::1]:53", DefaultAllow, RoleDeny, RoleDeny, RoleDeny},
		{"8.8.8.8:0", Invalid, Invalid, Invalid, Invalid},
	} {
		for role, want := range map[string]Rule{"": c.all, "default": c.all, "sfu": c.sfu, "calls": c.calls, "nobody": c.empty} {
			if got := p.Of(role).Peer(addrPort(c.peer), live); got != verdict(want) {
				t.Errorf("%s, role %q: %v, want %v", c.peer, role, got.Rule, want)
			}
		}
	}
	for _, c := range []struct {
		peer             string
		all, sfu, nobody Rule
	}{
		{"10.1.2.3", OperatorAllow, OperatorAllow, RoleDeny}, // a permission has no port
		{"10.1.2.4", OperatorAllow, RoleDeny, RoleDeny},
		{"198.41.0.4", OwnRelay, RoleDeny, RoleDeny},
		{"10.2.0.1", Private, Private, Private},
	} {
		for role, want := range map[string]Rule{"": c.all, "sfu": c.sfu, "nobody": c.nobody} {
			if got := p.Of(role).Permission(addr(c.peer)); got != verdict(want) {
				t.Errorf("permission for %s, role %q: %v, want %v", c.peer, role, got.Rule, want)
			}
		}
	}
	if v := p.Of("calls").Permission(addr("198.41.0.4")); v.Rule != OwnRelay {
		t.Errorf("permission for a relay: %v", v.Rule)
	}
}

// Whatever a role's list is, nothing is allowed that is not without it.
func FuzzARoleNeverWidens(f *testing.F) {
	f.Add(uint32(0x0a010203), uint16(443), uint32(0x0a000000), uint8(8))
	f.Add(uint32(0x7f000001), uint16(1), uint32(0x7f000000), uint8(7))
	f.Fuzz(func(t *testing.T, peer uint32, port uint16, network uint32, bits uint8) {
		ip := func(n uint32) netip.Addr {
			return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		}
		line := Line{Prefix: netip.PrefixFrom(ip(network), int(bits%33)).Masked()}
		p, err := New(Options{Allow: lines("10.1.0.0/16"), Deny: lines("9.0.0.0/8"), Roles: map[string][]Line{"r": {line}}})
		if err != nil {
			t.Skip()
		}
		at := netip.AddrPortFrom(ip(peer), port)
		all, role := p.Peer(at, nil), p.Of("r").Peer(at, nil)
		if want := all.Allowed && line.Prefix.Contains(at.Addr()); role.Allowed != want {
			t.Errorf("%v under %v: %v, %v for all", at, line, role.Rule, all.Rule)
		}
	})
}

func TestLinesOfRolesInVain(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.0/8": "no line opens loopback", "special-purpose": "half of what it names",
		"cloud-metadata": "no line opens cloud_metadata",
	} {
		_, err := New(Options{Roles: map[string][]Line{"guest": append(lines("8.8.8.8/32"), line(s))}})
		fault, ok := errors.AsType[*Fault](err)
		if !ok || fault.List != "Roles[guest]" || fault.Index != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestExplainForARole(t *testing.T) {
	list := lines("8.8.8.0/24")
	list[0].Place = "turnpike.yaml:7:9"
	p := mustNew(t, Options{Roles: map[string][]Line{"guest": list}}).Of("guest")
	for peer, want := range map[string]string{
		"8.8.8.8:53":   "8.8.8.8:53: allowed by default_allow: no rule names it, and the mode is public; among the peers of the role guest: line 8.8.8.0/24 at turnpike.yaml:7:9",
		"8.8.4.4:53":   "8.8.4.4:53: denied by role_deny: the policy allows it, and none of the peers of the role guest has it",
		"127.0.0.1:53": "127.0.0.1:53: denied by loopback: in 127.0.0.0/8 (loopback, RFC 1122 §3.2.1.3); no line opens it",
	} {
		if got := p.Explain(addrPort(peer), nil); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestJudgingForARoleAllocatesNothing(t *testing.T) {
	p := mustNew(t, Options{Roles: map[string][]Line{"guest": lines("8.8.8.0/24")}})
	inside, outside, role := addrPort("8.8.8.8:53"), addrPort("8.8.4.4:53"), string([]byte("guest"))
	if n := testing.AllocsPerRun(100, func() {
		p.Of(role).Peer(inside, nil)
		p.Of(role).Peer(outside, nil)
		p.Of(role).Permission(inside.Addr())
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

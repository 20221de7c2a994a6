package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestEnvironmentWins(t *testing.T) {
	b := newBed(t)
	b.put("realm", "from-file\n", 0o644)
	b.put("secret", key+"9\r\n", 0o640)
	b.environ = []string{
		"PATH=/bin",
		"TURNPIKE_REALM__FILE=realm",
		"TURNPIKE_PUBLIC_IP=192.0.2.9",
		"TURNPIKE_STUN_SERVERS=a.example:1, b.example:2",
		"TURNPIKE_RELAY__MIN_PORT=50001",
		"TURNPIKE_RELAY__ADDRESSES__0__BIND=192.0.2.8",
		"TURNPIKE_LISTEN__1__TRANSPORTS=tcp",
		"TURNPIKE_LISTEN__1__ADDRESS=192.0.2.1:444",
		"TURNPIKE_POLICY__ALLOW=[]",
		"TURNPIKE_DRAIN__TIMEOUT=5m",
		"TURNPIKE_ROLES__GUEST__RELAY_ONLY=true",
		"TURNPIKE_CREDENTIALS__ISSUER_KEYS__K_2__SECRET__FILE=secret",
		"TURNPIKE_CREDENTIALS__ISSUE_WITH=k1",
		"TURNPIKE_CREDENTIALS__SHARED_SECRETS__0__TENANT=other",
		"TURNPIKE_ISSUER__API_KEYS__WEB__ROLES=default",
	}
	c := b.mustLoad(strings.ReplaceAll(everyKind, "k2", "k-2"))
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"realm", c.Realm, "from-file"},
		{"public_ip", c.PublicIP.String(), "192.0.2.9"},
		{"stun_servers", c.STUNServers, []string{"a.example:1", "b.example:2"}},
		{"relay.min_port", c.Relay.MinPort, uint16(50001)},
		{"relay.addresses[0]", c.Relay.Addresses[0], RelayAddress{AutoAddr{netip.MustParseAddr("192.0.2.8")}, netip.MustParseAddr("198.51.100.8")}},
		{"listen[0]", c.Listen[0].Address.String(), "192.0.2.1:443"},
		{"listen[1]", c.Listen[1], Listener{netip.MustParseAddrPort("192.0.2.1:444"), []Transport{TCP}, []netip.Prefix{}}},
		{"policy.allow", c.Policy.Allow, []Line{}},
		{"policy.deny", len(c.Policy.Deny), 1},
		{"drain.timeout", c.Drain.Timeout, 5 * time.Minute},
		{"roles[0]", c.Roles[0].RelayOnly, true},
		{"roles[1]", c.Roles[1].RelayOnly, true},
		{"issuer_keys[0]", c.Credentials.IssuerKeys[0].Secret.Text(), key},
		{"issuer_keys[1]", c.Credentials.IssuerKeys[1].Secret.Text(), key + "9"},
		{"issue_with", c.Credentials.IssueWith, "k1"},
		{"tenant", c.Credentials.SharedSecrets[0].Tenant, "other"},
		{"api_keys[0].roles", c.Issuer.APIKeys[0].Roles, []string{"default"}},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s is %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
}

func TestEnvironmentSetsDefaults(t *testing.T) {
	b := newBed(t)
	b.environ = []string{"TURNPIKE_ROLES__DEFAULT__ALLOCATIONS=3", "TURNPIKE_LISTEN__0__ADDRESS=192.0.2.1:3478"}
	for _, roles := range []string{"", "roles: []\n"} {
		c := b.mustLoad("version: 1\n" + roles + shared)
		if c.Roles[0].Allocations != 3 || c.Roles[0].MaxSession != 24*time.Hour || c.Listen[0].Address.String() != "192.0.2.1:3478" {
			t.Errorf("%q: got %+v and %+v", roles, c.Roles, c.Listen)
		}
	}
}

// TestEnvironmentAlone: what variables set has no trace in the next Load.
func TestEnvironmentAlone(t *testing.T) {
	b := newBed(t)
	b.environ = []string{"TURNPIKE_ROLES__DEFAULT__ALLOCATIONS=3", "TURNPIKE_REALM=x"}
	b.mustLoad("version: 1\n" + shared)
	b.environ = nil
	t.Setenv("TURNPIKE_REALM", "y") // Options say what the environment is
	if c := b.mustLoad("version: 1\n" + shared); c.Roles[0].Allocations != 20 || c.Realm != "turnpike" {
		t.Errorf("got %+v, %s", c.Roles, c.Realm)
	}
}

func TestBadEnvironment(t *testing.T) {
	roles := "roles: [{id: default}, {id: a-b}, {id: A_B}, {id: c}]\n"
	for _, tt := range []struct{ variable, want string }{
		{"TURNPIKE_RELAM=x", `TURNPIKE_RELAM: sets no key; did you mean TURNPIKE_REALM?`},
		{"TURNPIKE_RELAY_MIN_PORT=50000", `TURNPIKE_RELAY_MIN_PORT: sets no key; did you mean TURNPIKE_RELAY__MIN_PORT?`},
		{"TURNPIKE_relay__min_port=50000", `TURNPIKE_relay__min_port: sets no key; did you mean TURNPIKE_RELAY__MIN_PORT?`},
		{"TURNPIKE_WORKERS=4", `TURNPIKE_WORKERS: sets no key; unset it, or set one that exists; an entry of a list has to stand in the file`},
		{"TURNPIKE_LISTEN=192.0.2.1:3478", `TURNPIKE_LISTEN: sets no key; unset it, or set one that exists; an entry of a list has to stand in the file`},
		{"TURNPIKE_LISTEN__1__ADDRESS=192.0.2.1:3478", `TURNPIKE_LISTEN__1__ADDRESS: sets no key; did you mean TURNPIKE_LISTEN__0__ADDRESS?`},
		{"TURNPIKE_VERSION=1", `TURNPIKE_VERSION: sets no key; unset it, or set one that exists; an entry of a list has to stand in the file`},
		{"TURNPIKE_ROLES__A_B__IDLE=5m", `TURNPIKE_ROLES__A_B__IDLE: means several entries; use the number of the entry, from 0`},
		{"TURNPIKE_ROLES__C__IDLE=5", `TURNPIKE_ROLES__C__IDLE: roles[3].idle: is "5", no duration; give a duration from 0s to 8784h, such as 90s, 15m or 24h`},
		{"TURNPIKE_RELAY__MIN_PORT=70000", `TURNPIKE_RELAY__MIN_PORT: relay.min_port: is "70000", out of range; give a whole number from 1024 to 65535`},
		{"TURNPIKE_RELAY__MIN_PORT=", `TURNPIKE_RELAY__MIN_PORT: relay.min_port: is empty; give a whole number from 1024 to 65535`},
		{"TURNPIKE_POLICY__DENY=", `TURNPIKE_POLICY__DENY: policy.deny: is empty; unset it, or write [] for an empty list`},
		{"TURNPIKE_POLICY__DENY=10.0.0.0/8,,", `TURNPIKE_POLICY__DENY: policy.deny: entry 1 is empty; give ADDRESS/BITS, FROM-TO, an address or a preset`},
		{"TURNPIKE_POLICY__DENY=10.0.0.0/8,10.0.0.1/8", `TURNPIKE_POLICY__DENY: policy.deny: entry 1 is "10.0.0.1/8", with bits set behind the length; write 10.0.0.0/8, or 10.0.0.1/32 for the one address`},
		{"TURNPIKE_REALM__FILE=nowhere", `TURNPIKE_REALM__FILE: realm: nowhere can't be read: no such file or directory; give a file that this user may read`},
		{"TURNPIKE_RELAM__FILE=nowhere", `TURNPIKE_RELAM__FILE: sets no key; did you mean TURNPIKE_REALM__FILE?`},
		{"TURNPIKE_RELAY__MAX_PORT=40000", `TURNPIKE_RELAY__MAX_PORT: relay.max_port: is 40000, below min_port (49152); raise it, or lower the other`},
		// Faults that come of a variable and the file together.
		{"TURNPIKE_OPERATOR__LISTEN=0.0.0.0:3478", `TURNPIKE_OPERATOR__LISTEN: operator.listen[0]: listens where listen[0].address listens (tcp); give it another port, or list the address once`},
	} {
		b := newBed(t)
		b.environ = []string{tt.variable}
		if got := b.faults("version: 1\n" + roles + shared); got != tt.want {
			t.Errorf("%s\ngot  %s\nwant %s", tt.variable, got, tt.want)
		}
	}
}

// TestKubernetesVariables: a cluster puts these into every container if a
// Service is named turnpike.
func TestKubernetesVariables(t *testing.T) {
	b := newBed(t)
	b.environ = []string{
		"TURNPIKE_SERVICE_HOST=10.0.0.1", "TURNPIKE_SERVICE_PORT=3478", "TURNPIKE_SERVICE_PORT_TURN_UDP=3478",
		"TURNPIKE_PORT=udp://10.0.0.1:3478", "TURNPIKE_PORT_3478_UDP=udp://10.0.0.1:3478", "TURNPIKE_PORT_3478_UDP_PROTO=udp",
		"TURNPIKE_PORT_3478_UDP_PORT=3478", "TURNPIKE_PORT_3478_UDP_ADDR=10.0.0.1", "TURNPIKE_METRICS_SERVICE_HOST=10.0.0.2",
		"TURNPIKE_METRICS_PORT=tcp://10.0.0.2:3481",
	}
	b.mustLoad("version: 1\n" + shared)
	b.environ = append(b.environ, "TURNPIKE_MIN_PORT=50000")
	if got := b.faults("version: 1\n" + shared); !strings.HasPrefix(got, "TURNPIKE_MIN_PORT: ") || strings.Contains(got, "\n") {
		t.Errorf("a port of ours is not one of theirs: %q", got)
	}
}

package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	b := newBed(t)
	c := b.mustLoad("version: 1\n" + shared)
	c.origin, c.sum, c.Credentials = origin{}, sum{}, Credentials{}
	want := &Config{
		Version: 1,
		Realm:   "turnpike",
		Listen: []Listener{{Address: netip.MustParseAddrPort("0.0.0.0:3478"), Transports: []Transport{UDP, TCP},
			ProxyProtocolFrom: []netip.Prefix{}}},
		STUNServers: []string{},
		Relay:       Relay{Addresses: []RelayAddress{{}}, DefaultFamily: "ipv4", MinPort: 49152, MaxPort: 65535},
		DataPlane:   "auto",
		MMSG:        MMSG{GSO: "auto", GRO: "auto", ICMP: "auto", ListenerBuffer: 4 << 20, RelayBuffer: 512 << 10},
		TLS:         TLS{Profile: "default", MinVersion: "1.2"},
		ACME: ACME{Hosts: []string{}, DirectoryURL: "https://acme-v02.api.letsencrypt.org/directory",
			CacheDirectory: "/var/lib/turnpike/acme"},
		Streams: Streams{MaxConnections: 10000, MaxConnectionsPerIP: 256, MaxHandshakes: 64,
			HandshakeTimeout: 10 * time.Second, FirstMessageTimeout: 10 * time.Second, MessageTimeout: 10 * time.Second,
			AuthenticationTimeout: 30 * time.Second, IdleTimeout: time.Minute, WriteTimeout: 10 * time.Second},
		Roles: []Role{{ID: "default", Allocations: 20, SessionBitRate: 20e6, UserBitRate: 20e6, AllocationsBurst: 20, CredentialsBurst: 20,
			CredentialTTL: 24 * time.Hour, MaxCredentialTTL: 48 * time.Hour, MaxSession: 24 * time.Hour, Transports: anyTransport, Peers: []Line{}}},
		Issuer:   Issuer{URIs: []string{}, TrustedProxies: []netip.Prefix{}, APIKeys: []APIKey{}}, // nobody could ask, so it listens nowhere
		Operator: Operator{Listen: []Endpoint{{TCP: netip.MustParseAddrPort("127.0.0.1:3481")}}},
		Policy:   Policy{Mode: Public, Allow: []Line{}, Deny: []Line{}, Clients: everybody, IssuerClients: everybody, Directory: filepath.Join(b.dir, "policy.d")},
		Limits: Limits{Rules: []Rule{}, MaxLifetime: 59 * time.Minute, Permissions: 64, Channels: 64, NewPeersPerSecond: 20, NewPeersBurst: 64, ChallengesPerSecond: 50, ChallengesBurst: 200,
			NetworkChallengesPerSecond: 500, NetworkChallengesBurst: 2000, AllChallengesPerSecond: 20000, AllChallengesBurst: 40000,
			FailuresPerSecond: 1, FailuresBurst: 10},
		Store: Store{Kind: "memory", Zone: "UTC", Lease: 85 * time.Second, Redis: Redis{Addresses: []string{}, Prefix: "t:",
			DialTimeout: 500 * time.Millisecond, Timeout: 200 * time.Millisecond, Pool: 8}},
		Redirect: Redirect{When: []Occasion{}, Servers: []netip.AddrPort{}},
		Drain:    Drain{Timeout: time.Hour},
		Log:      Log{Level: "info", Format: "auto"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// everyKind has a value of every kind that is not its default.
const everyKind = `version: 1
realm: example.org
listen:
  - address: 192.0.2.1:443
    transports: [tcp]
    proxy_protocol_from: [10.1.0.0/16, "2001:db8::/32"]
  - address: "[::]:3478"
public_ip: 198.51.100.7
stun_servers: ["stun.example.org:3478", "[2001:db8::1]:3478"]
relay:
  addresses: [{bind: 192.0.2.1, public: 198.51.100.8}, {}]
  min_port: 50000
streams: {idle_timeout: 1m30s}
credentials:
  issuer_keys: [{id: k1, secret: ` + key + `}, {id: k2, secret: ` + key + `2}]
  issue_with: k2
  shared_secrets: [{id: app, tenant: acme, role: guest, secret: ` + key + `3}]
roles: [{id: default, relay_only: true}, {id: guest, bytes_per_day: 5}]
issuer:
  listen: ["unix:/run/turnpike/issuer.sock", "[::1]:3480"]
  public_host: turn.example.org
  uris: ["turn:turn.example.org:3478?transport=udp", "turns:[2001:db8::1]:443?transport=tcp"]
  trusted_proxies: [10.4.0.0/16]
  api_keys:
    - {id: web, hash: "sha256:` + hash + `", tenant: acme, roles: [guest, default], max_ttl: 1h, may_revoke: true, mints_per_minute: 61, mints_burst: 62, client_mints_per_minute: 63, client_mints_burst: 64,
       networks: [10.5.0.0/16], origins: ["https://app.example.org"], allow_query_key: true}
operator: {listen: []}
policy: {mode: allowlist, allow: [10.0.0.0/8], deny: [10.9.0.0/16]}
drain: {timeout: 0s}
log: {level: debug}
limits: {network_allocations: 7, rules: [{id: tenant, strict: true}, {id: bytes, shadow: true, on_store_error: deny}]}
store:
  kind: redis
  node: relay-1.example
  zone: Europe/Berlin
  lease: 30s
  redis: {addresses: ["127.0.0.1:6379"], username: relay, password: abc, sentinel_password: def, prefix: "x:", tls: {enabled: true, server_name: redis.example}}
`

const hash = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"

// everybody is a client policy without a line.
var everybody = ClientPolicy{Public, []Line{}, []Line{}}

func TestEveryKindOfValue(t *testing.T) {
	b := newBed(t)
	c := b.mustLoad(everyKind)
	guest := Role{ID: "guest", Allocations: 20, SessionBitRate: 20e6, UserBitRate: 20e6, BytesPerDay: 5, AllocationsBurst: 20, CredentialsBurst: 20,
		CredentialTTL: 24 * time.Hour, MaxCredentialTTL: 48 * time.Hour, MaxSession: 24 * time.Hour, Transports: anyTransport, Peers: []Line{}}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"listen[0].address", c.Listen[0].Address, netip.MustParseAddrPort("192.0.2.1:443")},
		{"listen[0].proxy_protocol_from", c.Listen[0].ProxyProtocolFrom,
			[]netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}},
		{"listen[1]", c.Listen[1], Listener{netip.MustParseAddrPort("[::]:3478"), []Transport{UDP, TCP}, []netip.Prefix{}}},
		{"public_ip", c.PublicIP.Addr, netip.MustParseAddr("198.51.100.7")},
		{"stun_servers", c.STUNServers, []string{"stun.example.org:3478", "[2001:db8::1]:3478"}},
		{"relay.addresses", c.Relay.Addresses, []RelayAddress{
			{AutoAddr{netip.MustParseAddr("192.0.2.1")}, netip.MustParseAddr("198.51.100.8")}, {}}},
		{"relay.addresses[1] is auto", c.Relay.Addresses[1].Bind.IsAuto(), true},
		{"relay.min_port", c.Relay.MinPort, uint16(50000)},
		{"relay.max_port", c.Relay.MaxPort, uint16(65535)},
		{"streams.idle_timeout", c.Streams.IdleTimeout, 90 * time.Second},
		{"issuer_keys[1]", c.Credentials.IssuerKeys[1].Secret.Text(), key + "2"},
		{"shared_secrets[0]", c.Credentials.SharedSecrets[0].Secret.Text(), key + "3"},
		{"roles[0]", c.Roles[0].RelayOnly, true},
		{"roles[1]", c.Roles[1], guest},
		{"issuer.listen", c.Issuer.Listen, []Endpoint{{Unix: "/run/turnpike/issuer.sock"}, {TCP: netip.MustParseAddrPort("[::1]:3480")}}},
		{"issuer.listen[0]", c.Issuer.Listen[0].Network() + " " + c.Issuer.Listen[0].Address(), "unix /run/turnpike/issuer.sock"},
		{"issuer.listen[1]", c.Issuer.Listen[1].Network() + " " + c.Issuer.Listen[1].Address(), "tcp6 [::1]:3480"},
		{"api_keys[0].hash", c.Issuer.APIKeys[0].Hash.String(), "sha256:" + hash},
		{"api_keys[0].roles", c.Issuer.APIKeys[0].Roles, []string{"guest", "default"}},
		{"api_keys[0].max_ttl", c.Issuer.APIKeys[0].MaxTTL, time.Hour},
		{"api_keys[0].may_revoke", c.Issuer.APIKeys[0].MayRevoke, true},
		{"api_keys[0].mints_per_minute", c.Issuer.APIKeys[0].MintsPerMinute, 61},
		{"api_keys[0].mints_burst", c.Issuer.APIKeys[0].MintsBurst, 62},
		{"api_keys[0].client_mints_per_minute", c.Issuer.APIKeys[0].ClientMintsPerMinute, 63},
		{"api_keys[0].client_mints_burst", c.Issuer.APIKeys[0].ClientMintsBurst, 64},
		{"api_keys[0].networks", c.Issuer.APIKeys[0].Networks, []netip.Prefix{netip.MustParsePrefix("10.5.0.0/16")}},
		{"api_keys[0].origins", c.Issuer.APIKeys[0].Origins, []string{"https://app.example.org"}},
		{"api_keys[0].allow_query_key", c.Issuer.APIKeys[0].AllowQueryKey, true},
		{"trusted_proxies", c.Issuer.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("10.4.0.0/16")}},
		{"operator.listen", c.Operator.Listen, []Endpoint{}},
		{"policy", c.Policy, Policy{
			Mode:          AllowList,
			Allow:         []Line{{Match: network("10.0.0.0/8"), Place: Place{c.origin.file, 28, 35}, Path: "policy.allow[0]"}},
			Deny:          []Line{{Match: network("10.9.0.0/16"), Place: Place{c.origin.file, 28, 55}, Path: "policy.deny[0]"}},
			Clients:       everybody,
			IssuerClients: everybody,
			Directory:     filepath.Join(b.dir, "policy.d"),
		}},
		{"drain.timeout", c.Drain.Timeout, time.Duration(0)},
		{"log", c.Log, Log{"debug", "auto"}},
		{"limits.rules", c.Limits.Rules, []Rule{{"tenant", true, false, "local"}, {"bytes", false, true, "deny"}}},
		{"store.redis.password", c.Store.Redis.Password.Text(), "abc"},
		{"store.redis.sentinel_password", c.Store.Redis.SentinelPassword.Text(), "def"},
		{"store.redis.tls", c.Store.Redis.TLS, RedisTLS{Enabled: true, ServerName: "redis.example"}},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s is %+v, want %+v", tt.name, tt.got, tt.want)
		}
	}
}

var anyTransport = []Transport{UDP, TCP, TLSOverTCP}

func TestNoRolesIsTheDefaultRole(t *testing.T) {
	c := newBed(t).mustLoad("version: 1\nroles: []\n" + shared)
	if len(c.Roles) != 1 || c.Roles[0].ID != "default" || c.Roles[0].MaxSession != 24*time.Hour {
		t.Errorf("roles are %+v", c.Roles)
	}
}

// TestEverythingAtOnce has faults of every stage in one file: of reading, of
// the environment, of other files and of values together. None hides another,
// and none is followed by others that come of it.
func TestEverythingAtOnce(t *testing.T) {
	b := newBed(t)
	b.environ = []string{"TURNPIKE_LIMITS__CHANNELS=none", "TURNPIKE_LOG__LEVL=info"}
	got := b.faults(`version: 1
realm: ""
listen:
  - address: 192.0.2.1
    transports: [tls]
  - address: 192.0.2.1:3478
    colour: green
relay: {min_port: 70000, max_port: 2000}
credentials:
  shared_secrets:
    - {id: app, secret_file: missing}
    - {id: app, role: nobody, secret: ` + key + `}
    - app
policy: {allow: [10.0.0.0/8, 10.0.0.1/8], deny: all}
`)
	want := `t.yaml:2:8: realm: is empty; give text
t.yaml:4:14: listen[0].address: is "192.0.2.1", no address with a port; write IP:PORT, such as 0.0.0.0:3478 or "[::]:3478"
t.yaml:5:5: listen[0].transports: has tls, and there is no certificate; give tls.certificate_file and tls.key_file, or acme.hosts, or take tls away
t.yaml:7:5: listen[1].colour: is not a key; the keys here are address, transports, proxy_protocol_from
t.yaml:8:19: relay.min_port: is "70000", out of range; give a whole number from 1024 to 65535
t.yaml:11:30: credentials.shared_secrets[0].secret_file: missing can't be read: no such file or directory; give a file that this user may read
t.yaml:12:12: credentials.shared_secrets[1].id: is "app", as credentials.shared_secrets[0].id is; give each its own id
t.yaml:12:23: credentials.shared_secrets[1].role: is "nobody", and there is no such role; add it to roles, or name one of default
t.yaml:13:7: credentials.shared_secrets[2]: is a text, not a section; put its keys below it, indented, each with a colon
t.yaml:14:30: policy.allow[1]: is "10.0.0.1/8", with bits set behind the length; write 10.0.0.0/8, or 10.0.0.1/32 for the one address
t.yaml:14:49: policy.deny: is a text, not a list; write a list: [a, b], or a line with a dash for each entry, or [] for none
TURNPIKE_LIMITS__CHANNELS: limits.channels: is "none", no whole number in digits; give a whole number from 1 to 4096
TURNPIKE_LOG__LEVL: sets no key; did you mean TURNPIKE_LOG__LEVEL?`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	b := newBed(t)
	c, warnings, err := b.load("version: 1\nrealm: turnpike.example.org\noperator:\n  listen: [\"127.0.0.1:1\", \"0.0.0.0:3481\", \"unix:/run/x\"]\n" + shared)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, strings.TrimPrefix(w.String(), b.dir+"/"))
	}
	want := []string{
		"t.yaml:2:8: realm: has 20 characters, so that answers to forged requests are more than 2.4 times as long as those; use 12 or fewer",
		"t.yaml:4:27: operator.listen[1]: is 0.0.0.0:3481: health and metrics without a password, for everybody who can reach it; " +
			"listen on a loopback address or a unix socket, or let a firewall choose who may connect",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if len(c.Operator.Listen) != 3 {
		t.Error("a warning changed the configuration")
	}
}

// TestPasswordAlgorithmsWarn of what they cost, in the figures that the gate has:
// 88 bytes for 28, of the realm turnpike.
func TestPasswordAlgorithmsWarn(t *testing.T) {
	const longer = "has sha256, so that answers to forged requests are %s times as long as those; keep [md5], unless there are clients of RFC 8489"
	const older = "is without md5, so that clients older than RFC 8489 are refused, browsers among them; give [sha256, md5] to serve both"
	for list, want := range map[string][]string{
		"[md5]": nil, "[sha256, md5]": {fmt.Sprintf(longer, "3.1")}, "[md5, sha256]": {fmt.Sprintf(longer, "3.1")},
		"[sha256]": {older, fmt.Sprintf(longer, "3.0")},
	} {
		b := newBed(t)
		_, warnings, err := b.load("version: 1\ncredentials: {password_algorithms: " + list + ", shared_secrets: [{id: app, secret: " + key + "}]}\n")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range warnings {
			got = append(got, strings.TrimPrefix(w.String(), b.dir+"/t.yaml:2:15: credentials.password_algorithms: "))
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got  %q\nwant %q", list, got, want)
		}
	}
}

// TestRedirectWarns of clients that nobody is sent, by family and by nonce.
func TestRedirectWarns(t *testing.T) {
	const listen = "listen: [{address: \"192.0.2.1:3478\"}, {address: \"[2001:db8::1]:3478\"}]\n"
	const nonce = "is given without credentials.nonce_key_file: browsers bring along the nonce that they have, and go nowhere if it is not good there; " +
		"give these servers and this one the same nonce_key_file"
	const none4 = "has none of IPv4, so that clients which come by IPv4 are not sent anywhere; add the IPv4 address of another server"
	const none6 = "has none of IPv6, so that clients which come by IPv6 are not sent anywhere; add the IPv6 address of another server"
	for _, tt := range []struct {
		servers, key string
		want         []string
	}{
		{`"198.51.100.1:3478"`, "", []string{nonce, none6}},
		{`"[2001:db8::2]:1"`, ", nonce_key_file: nonce.key", []string{none4}},
		{`"198.51.100.1:3478", "[2001:db8::2]:1"`, ", nonce_key_file: nonce.key", nil},
	} {
		b := newBed(t)
		b.put("nonce.key", key, 0o600)
		_, warnings, err := b.load("version: 1\nredirect: {when: [always], servers: [" + tt.servers + "]}\n" + listen +
			"credentials: {shared_secrets: [{id: app, secret: " + key + "}]" + tt.key + "}\n")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range warnings {
			got = append(got, strings.TrimPrefix(w.String(), b.dir+"/t.yaml:2:28: redirect.servers: "))
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got  %q\nwant %q", tt.servers, got, tt.want)
		}
	}
}

// TestFaultsOfTheCaller: whoever finds a fault later says it in the same form.
func TestFaultsOfTheCaller(t *testing.T) {
	b := newBed(t)
	b.environ = []string{"TURNPIKE_REALM=x", "TURNPIKE_POLICY__ALLOW=10.0.0.0/8,10.1.0.0/16"}
	c := b.mustLoad("version: 1\nrelay:\n  min_port: 50000\npolicy: {allow: [192.168.0.0/16]}\n" + shared)
	for path, want := range map[string]string{
		"relay.min_port":                         "t.yaml:3:13: relay.min_port: r; c",
		"relay.max_port":                         "t.yaml:2:1: relay.max_port: r; c", // not given: its section
		"drain.timeout":                          "t.yaml:1:1: drain.timeout: r; c",
		"credentials.shared_secrets[0].id":       "t.yaml:5:37: credentials.shared_secrets[0].id: r; c",
		"credentials.shared_secrets[0].secret_x": "t.yaml:5:32: credentials.shared_secrets[0].secret_x: r; c",
		"realm":                                  "TURNPIKE_REALM: realm: r; c",
		"policy.allow[0]":                        "TURNPIKE_POLICY__ALLOW: policy.allow[0]: r; c",
		"policy.allow[1]":                        "TURNPIKE_POLICY__ALLOW: policy.allow[1]: r; c",
	} {
		if got := strings.TrimPrefix(c.Fault(path, "r", "c").Error(), b.dir+"/"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if file, line, column := c.At("relay"); file != b.dir+"/t.yaml" || line != 2 || column != 1 {
		t.Errorf("relay is at %s:%d:%d", file, line, column)
	}
}

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/pkg/config"
	"turnpike/pkg/hostnet"
	"turnpike/pkg/issuer"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/ratelimit/redisstore"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// unusual says every key, and no two alike: what is dropped on its way or
// exchanged with another is seen.
const unusual = `version: 1
realm: other
listen:
  - {address: "127.0.0.1:4001", transports: [udp]}
  - {address: "127.0.0.1:4002", transports: [tcp], proxy_protocol_from: [10.1.0.0/16]}
  - {address: "127.0.0.1:4003", transports: [tls], proxy_protocol_from: [10.2.0.0/16]}
public_ip: 93.184.216.1
stun_servers: ["stun.example.org:3478"]
relay:
  addresses: [{bind: 10.0.0.1, public: 93.184.216.2}, {bind: 10.0.0.2}]
  default_family: keep
  min_port: 50001
  max_port: 50002
data_plane: std
mmsg: {workers: 3, coalesce: 400us, gso: off, gro: off, icmp: off, listener_buffer: 70001, relay_buffer: 70002}
tls: {certificate_file: relay.pem, key_file: relay.key, profile: high-security, min_version: "1.3"}
streams:
  max_connections: 5004
  max_connections_per_ip: 5002
  max_handshakes: 5003
  handshake_timeout: 11s
  first_message_timeout: 12s
  message_timeout: 13s
  authentication_timeout: 14s
  idle_timeout: 15s
  write_timeout: 16s
credentials:
  issuer_keys: [{id: k1, secret_file: k1.key}, {id: k2, secret: INLINE1}]
  issue_with: k2
  shared_secrets: [{id: s1, tenant: t1, role: guest, secret_file: s1.secret, max_ttl: 24s, id_rule: regex, id_regex: "^(x+)"}, {id: s2, secret: INLINE2, id_rule: none}]
  users: [{id: u1, username: una, tenant: t3, role: guest, secret: INLINE3}, {id: u2, key_file: u2.key}, {id: u3, secret_file: u3.secret}]
  revocations_file: revoked.jsonl
  nonce_key_file: nonce.key
  password_algorithms: [sha256, md5]
  on_expiry: end_session
roles:
  - id: guest
    allocations: 21
    session_bit_rate: 22
    user_bit_rate: 23
    bytes_per_day: 24
    bytes_per_month: 57
    allocations_per_minute: 58
    allocations_burst: 59
    credentials_per_minute: 60
    credentials_burst: 61
    credential_ttl: 25s
    max_credential_ttl: 26s
    max_session: 27s
    idle: 28s
    relay_only: true
    transports: [tcp, tls]
    peers: [10.3.7.0/24]
  - id: default
issuer:
  listen: ["127.0.0.1:4004", "unix:/run/issuer.sock"]
  certificate_file: issuer.pem
  key_file: issuer.key
  public_host: turn.example.org
  uris: ["turn:edge.example.org:443?transport=tcp"]
  trusted_proxies: [10.4.0.0/16]
  api_keys: [{id: a1, hash: "sha256:HASH", tenant: t2, roles: [guest, default], max_ttl: 31s, may_revoke: true, may_read_usage: true, mints_per_minute: 90, mints_burst: 55, client_mints_per_minute: 150, client_mints_burst: 56, networks: [10.5.0.0/16], origins: ["https://a.example"], allow_query_key: true}]
operator: {listen: ["127.0.0.1:4005"]}
policy: {mode: allowlist, allow: [10.3.0.0/16], deny: [{match: 10.3.4.0-10.3.4.255, ports: [5000-5001, 5003], comment: c, ticket: t}, {match: self, expires_at: 2020-01-01T00:00:00Z}],
  clients: {mode: allowlist, allow: [rfc1918], deny: [10.3.5.1]}, issuer_clients: {mode: allowlist, allow: [10.3.6.0/24], deny: [10.3.6.1]}, directory: lists, allow_empty: true}
limits: {tenant_allocations: 41, network_allocations: 62, rules: [{id: network, strict: true, shadow: true, on_store_error: deny}], permissions: 42, channels: 43, max_lifetime: 1201s, challenges_per_second: 44, challenges_burst: 45, network_challenges_per_second: 46, network_challenges_burst: 47,
  all_challenges_per_second: 48, all_challenges_burst: 49, failures_per_second: 50, failures_burst: 52, new_peers_per_second: 53, new_peers_burst: 54}
compatibility: {rfc5766_channels: true}
store:
  kind: redis
  node: edge-1
  zone: Europe/Berlin
  lease: 63s
  redis: {addresses: ["192.0.2.5:26379", "192.0.2.6:26379"], sentinel_master: m, database: 1, username: u, password_file: k1.key,
    sentinel_username: su, sentinel_password_file: s1.secret, hash_key_file: nonce.key, prefix: "p:", dial_timeout: 64ms, timeout: 65ms, pool: 66,
    tls: {enabled: true, ca_file: relay.pem, server_name: redis.example, certificate_file: relay.pem, key_file: relay.key}}
redirect: {when: [draining, full, always], servers: ["198.51.100.7:4006"], domain: other.example.org}
drain: {timeout: 51s}
accounting: {file: records.jsonl, stream: true}
log: {level: warn, format: text}
`

const (
	inline1 = "Q2hvb3NlIGEgYmV0dGVyIG9uZSB0aGFuIHRoaXMgb25lPyE="
	inline2 = "c2hhcmVkIHdpdGggYW4gYXBwbGljYXRpb24gYnkgbmFtZTI="
	inline3 = "YSB1c2VyIHdpdGggYSBwYXNzd29yZCBvZiBpdHMgb3duMw=="
	u2Text  = "0x0123456789abcdef0123456789abcdef"
	u3Text  = "YW5vdGhlciB1c2VyIHdpdGggYSBwYXNzd29yZCBvZiBvd24="
	k1Text  = "7b1eYyE0uJwWd0JQm1TnKqz0g3oV5s9Xr6Lh2Fa8cNk="
	s1Text  = "Zp4tR8vXq2Ms7Lw1Nc6Bd9Gh3Jk5Yf0Ua8Ei4Ox2Tz6="
	nonce   = "v8Qm2xLr5Tz0Wb7Nc4Kd9Hs1Fy6Pg3Ja=\n"
	keyHash = "257460d75b485d71fda37c48d0cc07d2b52975a49877fa3b49d7b8ec5a0de5a3"
)

// unusualSettings loads the unusual configuration.
func unusualSettings(t *testing.T) (*config.Config, *settings) {
	t.Helper()
	dir := t.TempDir()
	text := strings.NewReplacer("HASH", keyHash, "INLINE1", inline1, "INLINE2", inline2, "INLINE3", inline3).Replace(unusual)
	for name, text := range map[string]string{"turnpike.yaml": text, "k1.key": k1Text, "s1.secret": s1Text, "nonce.key": nonce, "u2.key": u2Text, "u3.secret": u3Text} {
		badConfigCheck(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for name, address := range map[string]string{"relay": "93.184.216.1", "issuer": "93.184.216.2"} {
		badConfigCheck(t, writeCertificate(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"), address, time.Now().Add(time.Hour)))
	}
	badConfigCheck(t, os.Mkdir(filepath.Join(dir, "lists"), 0o700))
	c, s, _, err := load(filepath.Join(dir, "turnpike.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// unusualWant are the settings that it means, but for the certificates.
func unusualWant(t *testing.T) *settings {
	at, prefix := netip.MustParseAddrPort, netip.MustParsePrefix
	secret := func(text string) auth.Secret {
		s, err := auth.NewSecret([]byte(text))
		badConfigCheck(t, err)
		return s
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	badConfigCheck(t, err)
	var hash config.KeyHash
	badConfigCheck(t, hash.UnmarshalText([]byte("sha256:"+keyHash)))
	pool := func(bind, public, source string) relayAddr {
		return relayAddr{Pool: relay.Pool{Bind: netip.MustParseAddr(bind), Public: netip.MustParseAddr(public), MinPort: 50001, MaxPort: 50002}, Source: source}
	}
	line := func(network, place string) netpolicy.Line {
		return netpolicy.Line{Prefix: prefix(network), Place: place}
	}
	rule, err := auth.FindUser("^(x+)")
	badConfigCheck(t, err)
	key, err := auth.ParseKey(u2Text)
	badConfigCheck(t, err)
	plain := auth.DefaultRole()
	plain.Transports = auth.UDP | auth.TCP | auth.TLS
	return &settings{
		Realm: "other",
		Listen: []relay.Listener{{Addr: at("127.0.0.1:4001"), UDP: true, ProxyFrom: []netip.Prefix{}},
			{Addr: at("127.0.0.1:4002"), TCP: true, ProxyFrom: []netip.Prefix{prefix("10.1.0.0/16")}},
			{Addr: at("127.0.0.1:4003"), TLS: true, ProxyFrom: []netip.Prefix{prefix("10.2.0.0/16")}}},
		Relays: []relayAddr{pool("10.0.0.1", "93.184.216.2", "relay.addresses"), pool("10.0.0.2", "93.184.216.1", "public_ip")},
		Family: gate.KeepFamily,
		STUN:   []string{"stun.example.org:3478"},
		Streams: stream.Options{MaxConns: 5004, MaxConnsPerIP: 5002, MaxHandshakes: 5003, Handshake: 11 * time.Second,
			FirstFrame: 12 * time.Second, FrameTime: 13 * time.Second, Authenticate: 14 * time.Second, Idle: 15 * time.Second, Write: 16 * time.Second},
		Plane: planeSettings{Kind: "std", Workers: 3, Coalesce: 400 * time.Microsecond, NoGSO: true, NoGRO: true, NoICMP: true,
			ListenerBuffer: 70001, RelayBuffer: 70002},
		MinTLS:   tls.VersionTLS13,
		NonceKey: []byte(nonce), Algorithms: []auth.Algorithm{auth.SHA256, auth.MD5}, EndExpired: true,
		Keyring: auth.Options{
			Keys: []auth.Key{{ID: "k1", Secret: secret(k1Text)}, {ID: "k2", Secret: secret(inline1)}}, Issue: "k2",
			Shared: []auth.Shared{{ID: "s1", Tenant: "t1", Role: "guest", Secret: secret(s1Text), MaxTTL: 24 * time.Second, IDRule: rule}, {ID: "s2", Role: "default", Secret: secret(inline2), IDRule: auth.NoUsers()}},
			Static: []auth.StaticUser{{ID: "u1", Name: "una", Tenant: "t3", Role: "guest", Password: secret(inline3)}, {ID: "u2", Name: "u2", Role: "default", Key: key},
				{ID: "u3", Name: "u3", Role: "default", Password: secret(u3Text)}},
			Roles: []auth.Role{{Name: "guest", Allocations: 21, SessionBits: 22, UserBits: 23, BytesPerDay: 24, BytesPerMonth: 57,
				AllocationsPerMinute: 58, AllocationsBurst: 59, CredentialsPerMinute: 60, CredentialsBurst: 61,
				TTL: 25 * time.Second, MaxTTL: 26 * time.Second, MaxSession: 27 * time.Second, Idle: 28 * time.Second, RelayOnly: true, Transports: auth.TCP | auth.TLS},
				plain}},
		Revoked: "revoked.jsonl",
		Policy: policySettings{Mode: netpolicy.AllowList,
			Roles: map[string][]netpolicy.Line{"guest": {line("10.3.7.0/24", "53:13")}},
			Allow: []netpolicy.Line{line("10.3.0.0/16", "64:35")},
			Deny: []netpolicy.Line{{From: netip.MustParseAddr("10.3.4.0"), To: netip.MustParseAddr("10.3.4.255"), Place: "64:56", Comment: "c", Ticket: "t",
				Ports: []netpolicy.PortRange{{First: 5000, Last: 5001}, {First: 5003, Last: 5003}}}},
			Clients:       clientSettings{netpolicy.AllowList, []netpolicy.Line{{Preset: netpolicy.PresetRFC1918, Place: "65:38"}}, []netpolicy.Line{line("10.3.5.1/32", "65:55")}},
			IssuerClients: clientSettings{netpolicy.AllowList, []netpolicy.Line{line("10.3.6.0/24", "65:109")}, []netpolicy.Line{line("10.3.6.1/32", "65:130")}}},
		Limits: limitSettings{Limits: relay.Limits{TenantAllocations: 41, NetworkAllocations: 62, Permissions: 42, Channels: 43, NewPeers: perSecond(53, 54)}, MaxLifetime: 1201 * time.Second, OldChannels: true,
			Rules:   ratelimit.Rules{ratelimit.LimitNetwork: {Strict: true, Shadow: true, OnStoreError: ratelimit.Deny}},
			Replies: ratelimit.BudgetOptions{Source: perSecond(44, 45), Network: perSecond(46, 47), All: perSecond(48, 49)}, Failures: perSecond(50, 52)},
		Redirect: relay.Redirect{Servers: []netip.AddrPort{at("198.51.100.7:4006")}, Domain: "other.example.org", Draining: true, Full: true, Always: true},
		Issuer: issuerSettings{
			Listen: []endpoint{{network: "tcp4", address: "127.0.0.1:4004"}, {network: "unix", address: "/run/issuer.sock"}},
			Keys: []issuer.APIKey{{ID: "a1", Hash: hash, Tenant: "t2", Roles: []string{"guest", "default"}, MaxTTL: 31 * time.Second, MayRevoke: true, MayReadUsage: true,
				Rate: ratelimit.Rate{PerSecond: 1.5, Burst: 55}, ClientRate: ratelimit.Rate{PerSecond: 2.5, Burst: 56}, Networks: []netip.Prefix{prefix("10.5.0.0/16")}, Origins: []string{"https://a.example"}, AllowQueryKey: true}},
			Proxies: issuer.Proxies{prefix("10.4.0.0/16")},
			Host:    "turn.example.org", URIs: []string{"turn:edge.example.org:443?transport=tcp"}},
		Accounting: config.Accounting{File: "records.jsonl", Stream: true},
		Operator:   []endpoint{{network: "tcp4", address: "127.0.0.1:4005"}},
		Store: storeSettings{Node: "edge-1", Zone: berlin, Lease: 63 * time.Second, Redis: &redisstore.Options{
			Addrs: []string{"192.0.2.5:26379", "192.0.2.6:26379"}, Master: "m", DB: 1, Username: "u", Password: k1Text,
			SentinelUsername: "su", SentinelPassword: s1Text, HashKey: []byte(nonce), Prefix: "p:",
			DialTimeout: 64 * time.Millisecond, Timeout: 65 * time.Millisecond, Pool: 66}},
		Drain: 51 * time.Second,
	}
}

// TestEveryKeyArrives where it belongs, from the file to the settings and on to
// the parts.
func TestEveryKeyArrives(t *testing.T) {
	_, s := unusualSettings(t)
	for _, leaf := range leavesOf(s) {
		if !slices.ContainsFunc(leaf.values, func(v reflect.Value) bool { return !v.IsZero() }) && !slices.Contains(unsettled, leaf.path) {
			t.Errorf("%s is nothing: say it in the configuration of this test, or why it can't be, in unsettled", leaf.path)
		}
	}
	if got := s.Certificate.Names(); !slices.Equal(got, []string{"93.184.216.1"}) {
		t.Errorf("the certificate of the TURN listeners is that of %s", got)
	}
	if got := s.Issuer.Certificate.Names(); !slices.Equal(got, []string{"93.184.216.2"}) {
		t.Errorf("the certificate of the issuer is that of %s", got)
	}
	o := s.relayOptions(nil)
	if o.Streams.TLS == nil || o.Streams.TLS.MinVersion != tls.VersionTLS13 || !slices.Contains(o.Streams.TLS.NextProtos, "stun.turn") {
		t.Errorf("TLS of the TURN listeners: %+v", o.Streams.TLS)
	}
	o.Streams.TLS = nil
	want := unusualWant(t)
	wantOptions := relay.Options{Listen: want.Listen, Streams: want.Streams, Realm: "other", NonceKey: []byte(nonce),
		Limits: relay.Limits{TenantAllocations: 41, NetworkAllocations: 62, Permissions: 42, Channels: 43, NewPeers: perSecond(53, 54)}, OldChannels: true, DefaultFamily: gate.KeepFamily,
		Redirect: want.Redirect, MaxLifetime: 1201 * time.Second, EndExpired: true}
	if !reflect.DeepEqual(o, wantOptions) {
		t.Errorf("the relay gets\n%+v, want\n%+v", o, wantOptions)
	}
	if got := s.Limits.failures(); got != (ratelimit.Options{PerSecond: 50, Burst: 52, Scope: ratelimit.Port}) {
		t.Errorf("the budget of failures is %+v", got)
	}
	secure := s.Store.Redis.TLS
	if secure == nil || secure.ServerName != "redis.example" || secure.RootCAs == nil || len(secure.Certificates) != 1 || secure.MinVersion != tls.VersionTLS12 {
		t.Errorf("TLS to Redis: %+v", secure)
	}
	s.Store.Redis.TLS = nil
	s.Certificate, s.Issuer.Certificate, s.Policy.At = nil, nil, time.Time{}
	s.Revoked, s.Accounting.File = filepath.Base(s.Revoked), filepath.Base(s.Accounting.File)
	for _, lines := range [][]netpolicy.Line{s.Policy.Allow, s.Policy.Deny, s.Policy.Clients.Allow, s.Policy.Clients.Deny, s.Policy.IssuerClients.Allow, s.Policy.IssuerClients.Deny, s.Policy.Roles["guest"]} {
		for i := range lines {
			_, lines[i].Place, _ = strings.Cut(lines[i].Place, "turnpike.yaml:")
		}
	}
	for i := range s.Relays {
		s.Relays[i].fault = nil
	}
	got, all := reflect.ValueOf(s).Elem(), reflect.ValueOf(want).Elem()
	for i := range got.NumField() {
		if name := got.Type().Field(i).Name; !reflect.DeepEqual(got.Field(i).Interface(), all.Field(i).Interface()) {
			t.Errorf("%s is\n%+v, want\n%+v", name, got.Field(i), all.Field(i))
		}
	}
}

// unsettled are settings that no configuration sets: those of a development
// server, what is known once the server runs, what is the relay's own, and what
// stands in place of files.
var unsettled = []string{"OtherPorts", "DevKey", "Issuer.Listen.secure", "Operator.secure",
	"Streams.Frame", "Streams.Gone", "Streams.TLS", "Streams.QueueBytes", "Streams.Admit", "File", "Configured",
	"ACME", "Issuer.ACME"} // TestACMEArrives

// TestUnusualSaysEveryKey, or else the test above would not miss a new one.
func TestUnusualSaysEveryKey(t *testing.T) {
	c, _ := unusualSettings(t)
	file := filepath.Join(t.TempDir(), "turnpike.yaml")
	badConfigCheck(t, os.WriteFile(file, []byte("version: 1\ncredentials: {shared_secrets: [{id: usual, secret: "+s1Text+"}]}\n"), 0o600))
	plain, _, err := config.Load(config.Options{Path: file})
	badConfigCheck(t, err)
	usual := map[string][]string{}
	for _, leaf := range leavesOf(plain) {
		for _, v := range leaf.values {
			usual[leaf.path] = append(usual[leaf.path], fmt.Sprint(v))
		}
	}
	for _, leaf := range leavesOf(c) {
		differs := func(v reflect.Value) bool {
			secret := v.Type() == reflect.TypeFor[config.Secret]() // all print alike
			return !v.IsZero() && (secret || !slices.Contains(usual[leaf.path], fmt.Sprint(v)))
		}
		if leaf.path != "Version" && !strings.HasPrefix(leaf.path, "ACME.") && leaf.path != "Store.Redis.Cluster" && !strings.HasPrefix(leaf.path, "origin") && !slices.ContainsFunc(leaf.values, differs) {
			t.Errorf("%s is as it is by default; say another value", leaf.path)
		}
	}
}

// Errors that were joined are a line each, with its place.
func TestJoinedErrorsAreFaultsEach(t *testing.T) {
	l := loader{c: new(config.Config)}
	l.wrong("issuer", errors.Join(errors.New("one"), errors.New("two")))
	l.wrong("issuer", nil)
	if len(l.faults) != 2 || l.faults[0].Reason != "one" || l.faults[1].Reason != "two" || l.faults[1].Path != "issuer" {
		t.Errorf("%+v", l.faults)
	}
}

// The lists and the mode are the policy's.
func TestPolicyIsTheConfigured(t *testing.T) {
	_, s := unusualSettings(t)
	for mode, elsewhere := range map[netpolicy.Mode]bool{netpolicy.AllowList: false, netpolicy.Public: true} {
		s.Policy.Mode = mode
		p, err := newPolicy(s.Policy, hostnet.Host{}, []relay.Pool{s.Relays[0].Pool}, []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:4001")})
		if err != nil {
			t.Fatal(err)
		}
		dead := func(netip.AddrPort) bool { return false }
		for peer, want := range map[string]bool{"10.3.1.1:5000": true, "10.3.4.1:5000": false, "8.8.8.8:5000": elsewhere, "10.4.1.1:5000": false} {
			if got := p.Peer(netip.MustParseAddrPort(peer), dead); got.Allowed != want {
				t.Errorf("mode %v, %s: %+v, want %v", mode, peer, got, want)
			}
		}
		for _, peer := range []string{"10.0.0.1:4001", "93.184.216.2:4001"} { // behind the NAT a listener has a second name
			if got := p.Peer(netip.MustParseAddrPort(peer), dead); got.Allowed || got.Rule != netpolicy.OwnService {
				t.Errorf("mode %v, our own %s: %+v", mode, peer, got)
			}
		}
	}
}

// leaf is a value of ours in a tree of structs and lists; its path has no
// indexes, so that it stands for all entries of a list.
type leaf struct {
	path   string
	values []reflect.Value
}

func leavesOf(tree any) (all []*leaf) {
	var walk func(path string, v reflect.Value)
	walk = func(path string, v reflect.Value) {
		typ := v.Type()
		switch {
		case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct && ours(typ.Elem()):
			for i := range v.Len() {
				walk(path, v.Index(i))
			}
		case typ.Kind() == reflect.Struct && ours(typ):
			for i := range v.NumField() {
				walk(strings.TrimPrefix(path+"."+typ.Field(i).Name, "."), v.Field(i))
			}
		default:
			i := slices.IndexFunc(all, func(l *leaf) bool { return l.path == path })
			if i < 0 {
				i, all = len(all), append(all, &leaf{path: path})
			}
			all[i].values = append(all[i].values, v)
		}
	}
	walk("", reflect.ValueOf(tree).Elem())
	return all
}

// ours are structs to look into: those of our packages, but for values.
func ours(t reflect.Type) bool {
	value := t == reflect.TypeFor[auth.Secret]() || t == reflect.TypeFor[config.Secret]() ||
		t == reflect.TypeFor[config.Line]() || t == reflect.TypeFor[netpolicy.Line]() || t == reflect.TypeFor[config.AutoAddr]() || t == reflect.TypeFor[config.Endpoint]()
	return (strings.HasPrefix(t.PkgPath(), "turnpike/") || t.PkgPath() == "main") && !value
}

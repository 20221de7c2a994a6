package config

import (
	"strings"
	"testing"
)

// withStore is a file with a section store, given in flow style.
func withStore(text string) string { return "version: 1\nstore: {" + text + "}\n" + shared }

func TestStoreFaults(t *testing.T) {
	const redis = "kind: redis, redis: {"
	for _, tt := range []struct{ store, want string }{
		{"kind: redis", `t.yaml:2:1: store.redis.addresses: is empty, and the store is in Redis; name a server as HOST:PORT, or give store.kind: memory`},
		{"redis: {addresses: [\"a:1\"]}", `t.yaml:2:17: store.redis.addresses: is given, and the store is in memory; give store.kind: redis, or take the addresses away`},
		{"node: \"a b\"", `t.yaml:2:15: store.node: is "a b"; give 1 to 64 of A-Z a-z 0-9 _ . -`},
		{"zone: Local", `t.yaml:2:15: store.zone: is "Local"; give a name of the IANA time zone database, such as UTC or Europe/Berlin`},
		{"zone: Mars/Base", `t.yaml:2:15: store.zone: is "Mars/Base"; give a name of the IANA time zone database, such as UTC or Europe/Berlin`},
		{redis + "addresses: [nowhere]}", `t.yaml:2:42: store.redis.addresses[0]: is "nowhere"; write HOST:PORT, an IPv6 address in brackets, or unix:/path for the only one`},
		{redis + "addresses: [\"unix:/a\", \"b:1\"], cluster: true}", `t.yaml:2:42: store.redis.addresses[0]: is "unix:/a"; write HOST:PORT, an IPv6 address in brackets, or unix:/path for the only one`},
		{redis + "addresses: [\"a:1\", \"b:1\"]}", `t.yaml:2:30: store.redis.addresses: has 2 entries; give cluster: true, or sentinel_master if they are Sentinels, or keep one`},
		{redis + "addresses: [\"a:1\"], cluster: true, sentinel_master: m}", `t.yaml:2:59: store.redis.cluster: is true beside sentinel_master: Sentinels look after one server, a Cluster after itself; keep one of the two`},
		{redis + "addresses: [\"a:1\"], cluster: true, database: 1}", `t.yaml:2:75: store.redis.database: is 1, and a Cluster has none but 0; take it away`},
		{redis + "addresses: [\"a:1\"], prefix: \"{x}\"}", `t.yaml:2:58: store.redis.prefix: is "{x}"; give a text without braces, which would be the hash tag of every key`},
		{redis + "addresses: [\"a:1\"], hash_key_file: short}", `t.yaml:2:65: store.redis.hash_key_file: short has 5 bytes; write 32 random ones into it: head -c 32 /dev/urandom`},
		{redis + "addresses: [\"a:1\"], password: x, password_file: short}", `t.yaml:2:78: store.redis.password_file: is given beside password; keep one of the two`},
		{redis + "addresses: [\"a:1\"], tls: {server_name: x}}", `t.yaml:2:50: store.redis.tls: is not enabled, and says how; give enabled: true, or take the rest away`},
		{redis + "addresses: [\"a:1\"], tls: {enabled: true, ca_file: none}}", `t.yaml:2:80: store.redis.tls.ca_file: none can't be read: no such file or directory; give a file that this user may read`},
	} {
		b := newBed(t)
		b.put("short", "short", 0o600)
		if got := b.faults(withStore(tt.store)); got != tt.want {
			t.Errorf("of %s\ngot\n%s\nwant\n%s", tt.store, got, tt.want)
		}
	}
	double := "version: 1\nlimits: {rules: [{id: user}, {id: user}]}\n" + shared
	if got, want := newBed(t).faults(double), `t.yaml:2:35: limits.rules[1].id: is user, as that of limits.rules[0] is; keep one entry for a limit`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	strange := "version: 1\nlimits: {rules: [{id: usr}]}\n" + shared
	if got, want := newBed(t).faults(strange), `t.yaml:2:23: limits.rules[0].id: is "usr"; give one of user, tenant, network, rate, mint, bytes; did you mean user?`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestStoreWarnings: what others could read.
func TestStoreWarnings(t *testing.T) {
	for store, want := range map[string][]string{
		"kind: memory": nil,
		"kind: redis, redis: {addresses: [\"127.0.0.1:6379\"], hash_key_file: k}":                    nil,
		"kind: redis, redis: {addresses: [\"localhost:6379\"], hash_key_file: k}":                    nil,
		"kind: redis, redis: {addresses: [\"unix:/run/redis.sock\"]}":                                {"store.redis: has no hash_key_file"},
		"kind: redis, redis: {addresses: [\"192.0.2.1:6379\"], hash_key_file: k}":                    {"store.redis.addresses: has a server on another host"},
		"kind: redis, redis: {addresses: [\"redis.example:6379\"], hash_key_file: k}":                {"store.redis.addresses: has a server on another host"},
		"kind: redis, redis: {addresses: [\"192.0.2.1:1\"], hash_key_file: k, tls: {enabled: true}}": nil,
	} {
		b := newBed(t)
		b.put("k", key, 0o600)
		got := strings.Split(warningsOf(b, withStore(store)), "\n")
		if got[0] == "" {
			got = nil
		}
		if len(got) != len(want) || len(want) == 1 && !strings.Contains(got[0], want[0]) {
			t.Errorf("of %s: %q, want %q", store, got, want)
		}
	}
}

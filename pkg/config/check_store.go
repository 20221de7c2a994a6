package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a host without the database takes the same names
)

const (
	maxNode    = 64
	minHashKey = 32
	inRedis    = "redis" // of store.kind
)

// completeStore reads the files of section redis.
func (l *loader) completeStore(s *Store) {
	const path = "store.redis"
	r := &s.Redis
	l.completePassword(path, "password", &r.Password, &r.PasswordFile)
	l.completePassword(path, "sentinel_password", &r.SentinelPassword, &r.SentinelPasswordFile)
	r.HashKeyFile, r.HashKey = l.completeKey(under(path, "hash_key_file"), r.HashKeyFile, minHashKey)
	l.completeCertificate(under(path, "tls"), &r.TLS.CertificateFile, &r.TLS.KeyFile)
	if r.TLS.CAFile != "" {
		r.TLS.CAFile = l.resolve(r.TLS.CAFile)
		l.readOpen(under(path, "tls.ca_file"), r.TLS.CAFile)
	}
}

// completePassword settles a secret that there may be none of.
func (l *loader) completePassword(path, name string, secret *Secret, file *string) {
	if secret.text != nil || *file != "" {
		l.completeNamed(path, name, secret, file)
	}
}

func (l *loader) checkStore(s *Store) {
	if s.Node != "" && (len(s.Node) > maxNode || strings.Trim(s.Node, nameChars+".") != "") {
		l.judge("store.node", "is "+clip(s.Node), fmt.Sprintf("give 1 to %d of A-Z a-z 0-9 _ . -", maxNode))
	}
	if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		l.judge("store.zone", "is "+clip(s.Zone), "give a name of the IANA time zone database, such as UTC or Europe/Berlin")
	}
	if s.Kind == inRedis {
		l.checkRedis(&s.Redis)
		return
	}
	if len(s.Redis.Addresses) > 0 {
		l.judge("store.redis.addresses", "is given, and the store is in memory", "give store.kind: redis, or take the addresses away", "store.kind")
	}
}

func (l *loader) checkRedis(r *Redis) {
	const path = "store.redis"
	addresses, database := under(path, "addresses"), under(path, "database")
	for i, a := range r.Addresses {
		if !isHostPort(a) && !(strings.HasPrefix(a, unixPrefix) && len(r.Addresses) == 1 && len(a) > len(unixPrefix)) {
			l.judge(entry(addresses, i), "is "+clip(a), "write HOST:PORT, an IPv6 address in brackets, or unix:/path for the only one")
		}
	}
	switch n := len(r.Addresses); {
	case n == 0:
		l.judge(addresses, "is empty, and the store is in Redis", "name a server as HOST:PORT, or give store.kind: memory", "store.kind")
	case r.SentinelMaster != "" && r.Cluster:
		l.judge(under(path, "cluster"), "is true beside sentinel_master: Sentinels look after one server, a Cluster after itself", "keep one of the two",
			under(path, "sentinel_master"))
	case n > 1 && r.SentinelMaster == "" && !r.Cluster:
		l.judge(addresses, fmt.Sprintf("has %d entries", n), "give cluster: true, or sentinel_master if they are Sentinels, or keep one",
			under(path, "cluster"), under(path, "sentinel_master"))
	}
	if r.Cluster && r.Database != 0 {
		l.judge(database, fmt.Sprintf("is %d, and a Cluster has none but 0", r.Database), "take it away", under(path, "cluster"))
	}
	if r.Prefix == "" || strings.ContainsAny(r.Prefix, "{}") {
		l.judge(under(path, "prefix"), "is "+clip(r.Prefix), "give a text without braces, which would be the hash tag of every key")
	}
	if r.HashKeyFile == "" {
		l.warn(path, "has no hash_key_file: whoever reads the keys in Redis can tell whether a user that they know of is among them",
			fmt.Sprintf("give all nodes the same file: head -c %d /dev/urandom", minHashKey))
	}
	l.checkRedisTLS(r)
}

func (l *loader) checkRedisTLS(r *Redis) {
	const path = "store.redis.tls"
	if t := r.TLS; !t.Enabled && (t.CAFile != "" || t.ServerName != "" || t.CertificateFile != "") {
		l.judge(path, "is not enabled, and says how", "give enabled: true, or take the rest away", under(path, "enabled"))
	}
	if !r.TLS.Enabled && slices.ContainsFunc(r.Addresses, isElsewhere) {
		l.warn("store.redis.addresses", "has a server on another host, and its password and what users hold cross the network in the clear",
			"give tls.enabled: true, or let the network be one that nobody else is in")
	}
}

// isElsewhere reports whether a server is reached over a network.
func isElsewhere(address string) bool {
	at, err := netip.ParseAddrPort(address)
	return err == nil && !at.Addr().IsLoopback() || err != nil && !strings.HasPrefix(address, unixPrefix) && !strings.HasPrefix(address, "localhost:")
}

// checkRules sees that each limit has one rule.
func (l *loader) checkRules(rules []Rule) {
	first := map[string]int{}
	for i, r := range rules {
		path := under(entry("limits.rules", i), "id")
		if j, found := first[r.ID]; found && r.ID != "" {
			l.judge(path, "is "+r.ID+", as that of "+entry("limits.rules", j)+" is", "keep one entry for a limit")
			continue
		}
		first[r.ID] = i
	}
}

package config

import "time"

// Store is where what users hold and use is kept, and so which nodes hold a limit
// together.
type Store struct {
	// memory: in this node alone, until it ends. redis: in a server that several
	// nodes have in common.
	Kind string `yaml:"kind" default:"memory" enum:"memory,redis" unit:"memory or redis" apply:"restart"`
	// What the other nodes know this one by: 1 to 64 of A-Z a-z 0-9 _ . - that no
	// other has. Empty: the name of this host.
	Node string `yaml:"node" default:"" unit:"name" apply:"restart"`
	// Where a day and a month begin for limits of bytes: a name of the IANA time
	// zone database. All nodes have the same.
	Zone string `yaml:"zone" default:"UTC" unit:"time zone" apply:"restart"`
	// For how long the places of a node that was killed stay taken. What lives is
	// renewed three times as often.
	Lease time.Duration `yaml:"lease" default:"85s" min:"3s" max:"1h" unit:"duration" apply:"restart"`
	// The server of kind redis.
	Redis Redis `yaml:"redis"`
}

// Redis is a server of Redis 7.0 or later, or Valkey. In a Config the secrets hold
// what their files do.
type Redis struct {
	// One server, or unix:/path; the Sentinels, with sentinel_master; or some
	// servers of a Cluster.
	Addresses []string `yaml:"addresses" default:"[]" unit:"host:port or unix:/path" apply:"restart"`
	// The name that Sentinels know the server by; empty: there are no Sentinels.
	SentinelMaster string `yaml:"sentinel_master" default:"" unit:"name" apply:"restart"`
	// Whether the addresses are those of a Cluster.
	Cluster bool `yaml:"cluster" default:"false" unit:"true or false" apply:"restart"`
	// The number of the database; a Cluster has none but 0.
	Database int `yaml:"database" default:"0" min:"0" max:"1000000" unit:"number" apply:"restart"`
	// The user of an ACL; empty: default.
	Username string `yaml:"username" default:"" unit:"text" apply:"restart"`
	// The file that holds the password; one line end is cut off.
	PasswordFile string `yaml:"password_file" default:"" unit:"path" apply:"restart"`
	// The password itself, instead. The file that says it must not be readable by
	// everybody.
	Password Secret `yaml:"password" default:"" unit:"text" apply:"restart"`
	// The user of the Sentinels' own ACL.
	SentinelUsername string `yaml:"sentinel_username" default:"" unit:"text" apply:"restart"`
	// The file that holds the password of the Sentinels.
	SentinelPasswordFile string `yaml:"sentinel_password_file" default:"" unit:"path" apply:"restart"`
	// The password of the Sentinels itself, instead.
	SentinelPassword Secret `yaml:"sentinel_password" default:"" unit:"text" apply:"restart"`
	// A file of 32 bytes or more that all nodes have the same of: it hides the names
	// of users and tenants from whoever reads the keys in Redis. Empty: a name that
	// is guessed can be confirmed there.
	HashKeyFile string `yaml:"hash_key_file" default:"" unit:"path" apply:"restart"`
	// What every key begins with.
	Prefix string `yaml:"prefix" default:"t:" unit:"text" apply:"restart"`
	// How long connecting may take.
	DialTimeout time.Duration `yaml:"dial_timeout" default:"500ms" min:"10ms" max:"10s" unit:"duration" apply:"restart"`
	// How long an answer may take.
	Timeout time.Duration `yaml:"timeout" default:"200ms" min:"10ms" max:"10s" unit:"duration" apply:"restart"`
	// Connections to each server.
	Pool int `yaml:"pool" default:"8" min:"1" max:"1000" unit:"connections" apply:"restart"`
	// How the connections are secured.
	TLS RedisTLS `yaml:"tls"`

	// HashKey is what HashKeyFile holds, as it stands; none if that is empty.
	HashKey Secret `yaml:"-"`
}

// RedisTLS is TLS to Redis and its Sentinels, 1.2 or later.
type RedisTLS struct {
	// Whether TLS is spoken.
	Enabled bool `yaml:"enabled" default:"false" unit:"true or false" apply:"restart"`
	// The authorities that the servers' certificates are of, PEM; empty: those of
	// this system.
	CAFile string `yaml:"ca_file" default:"" unit:"path" apply:"restart"`
	// The name in the certificates; empty: the host in the addresses.
	ServerName string `yaml:"server_name" default:"" unit:"host" apply:"restart"`
	// A certificate of this node, PEM, for servers that ask for one.
	CertificateFile string `yaml:"certificate_file" default:"" unit:"path" apply:"restart"`
	// Its private key, PEM. Not readable by everybody.
	KeyFile string `yaml:"key_file" default:"" unit:"path" apply:"restart"`
}

// Rule is how one limit is held.
type Rule struct {
	// The limit: allocations of a user, a tenant or a client's network, a user's
	// allocations a minute (rate), its credentials a minute (mint), its bytes.
	ID string `yaml:"id" enum:"user,tenant,network,rate,mint,bytes" unit:"user, tenant, network, rate, mint or bytes" apply:"live"`
	// Whether the store is asked before anything is let in: never over the limit, at
	// the price of a wait of 200 ms at most.
	Strict bool `yaml:"strict" default:"false" unit:"true or false" apply:"live"`
	// Whether it only counts what it would have refused.
	Shadow bool `yaml:"shadow" default:"false" unit:"true or false" apply:"live"`
	// What holds while the store can't be asked: local, what this node knows; allow,
	// no limit; deny, nothing new. What lives goes on.
	OnStoreError string `yaml:"on_store_error" default:"local" enum:"local,allow,deny" unit:"local, allow or deny" apply:"live"`
}

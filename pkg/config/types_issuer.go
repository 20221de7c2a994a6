package config

import (
	"net/netip"
	"time"
)

// Issuer is the HTTP API through which applications get credentials.
type Issuer struct {
	// Where it listens. Without any API key the default is not to.
	Listen []Endpoint `yaml:"listen" default:"[\"127.0.0.1:3480\"]" unit:"IP:PORT or unix:/path" apply:"restart"`
	// Its own certificate chain, PEM; empty: the one under tls, or those of acme.
	// With none it speaks plain HTTP, on loopback and unix sockets alone.
	CertificateFile string `yaml:"certificate_file" default:"" unit:"path" apply:"live"`
	// The private key of certificate_file, PEM. Not readable by everybody.
	KeyFile string `yaml:"key_file" default:"" unit:"path" apply:"live"`
	// The host in the URIs handed out (turn:HOST:PORT); empty: the public
	// address.
	PublicHost string `yaml:"public_host" default:"" unit:"host" apply:"restart"`
	// Handed out instead of the ones made from the listeners, 8 at most.
	URIs []string `yaml:"uris" default:"[]" unit:"turn:HOST:PORT?transport=udp" apply:"restart"`
	// Proxies before it, whose X-Forwarded-For or Forwarded is believed: who asks
	// is then the nearest address that is none of these. A unix socket counts as
	// 127.0.0.1.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" default:"[]" unit:"ADDRESS/BITS" apply:"live"`
	// The keys that applications show.
	APIKeys []APIKey `yaml:"api_keys" default:"[]" apply:"live"`
}

// APIKey is what the server keeps of a key that an application shows.
type APIKey struct {
	// Names the key in records: 1 to 32 of A-Z a-z 0-9 _ -
	ID string `yaml:"id" unit:"name" apply:"live"`
	// The SHA-256 of the whole key: printf %s "$KEY" | sha256sum
	Hash KeyHash `yaml:"hash" unit:"sha256:HEX" apply:"live"`
	// Whose key it is: up to 32 of A-Z a-z 0-9 _ -
	Tenant string `yaml:"tenant" default:"" unit:"id" apply:"live"`
	// The roles that a request may name, the first one if it names none; an
	// empty list: the role default.
	Roles []string `yaml:"roles" default:"[]" unit:"id" apply:"live"`
	// Caps the lifetime of what the key mints, in whole seconds; 0s: the cap of
	// the role alone.
	MaxTTL time.Duration `yaml:"max_ttl" default:"0s" min:"0s" max:"8784h" unit:"duration" apply:"live"`
	// Whether it may take back credentials: of its tenant, and without a tenant
	// any.
	MayRevoke bool `yaml:"may_revoke" default:"false" unit:"true or false" apply:"live"`
	// Whether it may ask what its tenant and the users of it have used.
	MayReadUsage bool `yaml:"may_read_usage" default:"false" unit:"true or false" apply:"live"`
	// How often it may ask; 0: no limit.
	MintsPerMinute int `yaml:"mints_per_minute" default:"60000" min:"0" max:"1000000" unit:"requests a minute" apply:"live"`
	// How many of them at once.
	MintsBurst int `yaml:"mints_burst" default:"6000" min:"1" max:"1000000" unit:"requests" apply:"live"`
	// How often one address (an IPv6 /64) may ask with it; 0: no limit. For keys
	// that pages have.
	ClientMintsPerMinute int `yaml:"client_mints_per_minute" default:"0" min:"0" max:"1000000" unit:"requests a minute" apply:"live"`
	// How many of them at once.
	ClientMintsBurst int `yaml:"client_mints_burst" default:"10" min:"1" max:"1000000" unit:"requests" apply:"live"`
	// Where it may be used from; an empty list: everywhere.
	Networks []netip.Prefix `yaml:"networks" default:"[]" unit:"ADDRESS/BITS" apply:"live"`
	// The pages that may use it, as browsers name them. Whoever sees such a page
	// has the key. An empty list: no page may.
	Origins []string `yaml:"origins" default:"[]" unit:"https://HOST" apply:"live"`
	// Whether /turn/credentials takes the key as a parameter too, which stands
	// in the logs of proxies: for applications that can't send it otherwise.
	AllowQueryKey bool `yaml:"allow_query_key" default:"false" unit:"true or false" apply:"live"`
}

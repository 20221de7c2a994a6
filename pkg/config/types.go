package config

import (
	"net/netip"
	"time"
)

// The comment of a field is its description in the JSON Schema too, and its
// tags are the only place of its default (as it would stand in the file), its
// bounds, its unit and whether a change of it takes a restart. A field without
// a default has to be given. A section applies as its fields do.

// Config is everything that a configuration file says, with the defaults filled
// in and the secrets read. It does not change after Load.
type Config struct {
	// The version of this format.
	Version int `yaml:"version" min:"1" max:"1" apply:"restart"`
	// What clients are told to authenticate for (RFC 8489 §14.9): 1 to 127
	// characters of printable ASCII, no quote and no backslash. More than 12
	// make the answer to an unknown client longer than 2.4 times its request.
	Realm string `yaml:"realm" default:"turnpike" unit:"text" apply:"restart"`
	// Where clients connect to.
	Listen []Listener `yaml:"listen" default:"[{}]" apply:"restart"`
	// The public address of the relay addresses that name none: an IP, or auto
	// for the bind address, and where that is private, what a STUN server sees.
	PublicIP AutoAddr `yaml:"public_ip" default:"auto" unit:"IP or auto" apply:"restart"`
	// Asked in this order when public_ip is auto and the bind address is
	// private.
	STUNServers []string `yaml:"stun_servers" default:"[]" unit:"host:port" apply:"restart"`
	// Where relayed transport addresses come from.
	Relay Relay `yaml:"relay"`
	// What moves the datagrams: mmsg is made for Linux and batches, std works
	// everywhere, auto is the best that this system has.
	DataPlane string `yaml:"data_plane" default:"auto" enum:"auto,std,mmsg" unit:"auto, std or mmsg" apply:"restart"`
	// How the data plane mmsg works.
	MMSG MMSG `yaml:"mmsg"`
	// The certificate of tls listeners.
	TLS TLS `yaml:"tls"`
	// Certificates that the server gets by itself.
	ACME ACME `yaml:"acme"`
	// What TCP and TLS connections may cost.
	Streams Streams `yaml:"streams"`
	// Whose signature lets a client in.
	Credentials Credentials `yaml:"credentials"`
	// What a credential allows, by name. Without any entry there is the role
	// default.
	Roles []Role `yaml:"roles" default:"[{id: default}]" apply:"live"`
	// The HTTP API through which applications get credentials.
	Issuer Issuer `yaml:"issuer"`
	// Health and metrics.
	Operator Operator `yaml:"operator"`
	// Which peers may be reached.
	Policy Policy `yaml:"policy"`
	// Limits that are nobody's role.
	Limits Limits `yaml:"limits"`
	// Where what users hold and use is kept.
	Store Store `yaml:"store"`
	// Where records go that somebody bills by.
	Accounting Accounting `yaml:"accounting"`
	// For clients of older standards.
	Compatibility Compatibility `yaml:"compatibility"`
	// Where clients are sent instead.
	Redirect Redirect `yaml:"redirect"`
	// How the server ends.
	Drain Drain `yaml:"drain"`
	// What is logged.
	Log Log `yaml:"log"`

	origin origin
	sum    sum // of what was read
}

// Listener is one address that clients connect to.
type Listener struct {
	// The address and port. 0.0.0.0 and [::] stand for every address of this
	// host of that family, but link-local ones.
	Address netip.AddrPort `yaml:"address" default:"0.0.0.0:3478" unit:"IP:PORT" apply:"restart"`
	// What is spoken there. tcp and tls may share a port: they are told apart
	// by the first byte.
	Transports []Transport `yaml:"transports" default:"[udp, tcp]" enum:"udp,tcp,tls" unit:"udp, tcp, tls" apply:"restart"`
	// TCP and TLS connections from these networks must begin with a PROXY
	// header (version 1 or 2). No other connection may.
	ProxyProtocolFrom []netip.Prefix `yaml:"proxy_protocol_from" default:"[]" unit:"ADDRESS/BITS" apply:"restart"`
}

// Relay is where relayed transport addresses come from.
type Relay struct {
	// The addresses of this host that peers see, or their public ones.
	Addresses []RelayAddress `yaml:"addresses" default:"[{}]" apply:"restart"`
	// The family of the address that a client gets which asks for none: keep is
	// the one it came by. Where it is not to be had, the other is given.
	DefaultFamily string `yaml:"default_family" default:"ipv4" enum:"ipv4,ipv6,keep" unit:"ipv4, ipv6 or keep" apply:"restart"`
	// The lowest port of a relayed address.
	MinPort uint16 `yaml:"min_port" default:"49152" min:"1024" max:"65535" unit:"port" apply:"restart"`
	// The highest port of a relayed address.
	MaxPort uint16 `yaml:"max_port" default:"65535" min:"1024" max:"65535" unit:"port" apply:"restart"`
}

// RelayAddress is one address that peers see.
type RelayAddress struct {
	// An address of this host, or auto for that of its default route.
	Bind AutoAddr `yaml:"bind" default:"auto" unit:"IP or auto" apply:"restart"`
	// The address that stands for it outside a 1:1 NAT; empty: public_ip, if
	// that is of the same family.
	Public netip.Addr `yaml:"public" default:"" unit:"IP" apply:"restart"`
}

// MMSG is how the data plane for Linux works.
type MMSG struct {
	// Threads that move datagrams; 0: one a core.
	Workers int `yaml:"workers" default:"0" min:"0" max:"64" unit:"threads" apply:"restart"`
	// How long a thread waits for more after it has moved what was there: fewer
	// wake-ups, and so much more delay.
	Coalesce time.Duration `yaml:"coalesce" default:"0s" min:"0s" max:"500us" unit:"duration" apply:"restart"`
	// Whether runs of datagrams are sent as one (UDP_SEGMENT), where the kernel
	// can.
	GSO string `yaml:"gso" default:"auto" enum:"auto,off" unit:"auto or off" apply:"restart"`
	// Whether runs of datagrams are received as one (UDP_GRO), where the kernel
	// can.
	GRO string `yaml:"gro" default:"auto" enum:"auto,off" unit:"auto or off" apply:"restart"`
	// Whether clients are told of ICMP errors about what they sent, where the
	// kernel tells the server.
	ICMP string `yaml:"icmp" default:"auto" enum:"auto,off" unit:"auto or off" apply:"restart"`
	// The receive and the send buffer to ask for, for each thread's socket of a
	// listener. The kernel may grant less.
	ListenerBuffer int `yaml:"listener_buffer" default:"4194304" min:"65536" max:"1073741824" unit:"bytes" apply:"restart"`
	// The receive buffer to ask for, for the socket of a relayed address.
	RelayBuffer int `yaml:"relay_buffer" default:"524288" min:"65536" max:"1073741824" unit:"bytes" apply:"restart"`
}

// Streams bounds TCP and TLS connections of clients.
type Streams struct {
	// Connections at the same time.
	MaxConnections int `yaml:"max_connections" default:"10000" min:"1" max:"1000000" unit:"connections" apply:"restart"`
	// Connections at the same time from one IPv4 address or IPv6 /56.
	MaxConnectionsPerIP int `yaml:"max_connections_per_ip" default:"256" min:"1" max:"1000000" unit:"connections" apply:"restart"`
	// TLS handshakes at the same time.
	MaxHandshakes int `yaml:"max_handshakes" default:"64" min:"1" max:"10000" unit:"handshakes" apply:"restart"`
	// How long a PROXY header and a TLS handshake may take.
	HandshakeTimeout time.Duration `yaml:"handshake_timeout" default:"10s" min:"1s" max:"1m" unit:"duration" apply:"restart"`
	// How long the first whole message may take.
	FirstMessageTimeout time.Duration `yaml:"first_message_timeout" default:"10s" min:"1s" max:"5m" unit:"duration" apply:"restart"`
	// How long a message that has begun may take to arrive.
	MessageTimeout time.Duration `yaml:"message_timeout" default:"10s" min:"1s" max:"5m" unit:"duration" apply:"restart"`
	// How long a connection may last without an allocation.
	AuthenticationTimeout time.Duration `yaml:"authentication_timeout" default:"30s" min:"1s" max:"10m" unit:"duration" apply:"restart"`
	// How long a connection without an allocation may say nothing.
	IdleTimeout time.Duration `yaml:"idle_timeout" default:"60s" min:"1s" max:"1h" unit:"duration" apply:"restart"`
	// How long a client may leave what was sent to it unread.
	WriteTimeout time.Duration `yaml:"write_timeout" default:"10s" min:"1s" max:"5m" unit:"duration" apply:"restart"`
}

// Role is what a credential allows.
type Role struct {
	// Its name: 1 to 32 of A-Z a-z 0-9 _ -
	ID string `yaml:"id" unit:"name" apply:"live"`
	// Allocations of a user at the same time; 0: no limit.
	Allocations int `yaml:"allocations" default:"20" min:"0" max:"1000000" unit:"allocations" apply:"live"`
	// Rate of a session, both directions together; 0: no limit.
	SessionBitRate int64 `yaml:"session_bit_rate" default:"20000000" min:"0" max:"1000000000000" unit:"bit/s" apply:"live"`
	// Rate of all sessions of a user together; 0: no limit.
	UserBitRate int64 `yaml:"user_bit_rate" default:"20000000" min:"0" max:"1000000000000" unit:"bit/s" apply:"live"`
	// Relayed bytes of a user and day; 0: no limit.
	BytesPerDay int64 `yaml:"bytes_per_day" default:"0" min:"0" unit:"bytes" apply:"live"`
	// Relayed bytes of a user and month of the calendar; 0: no limit.
	BytesPerMonth int64 `yaml:"bytes_per_month" default:"0" min:"0" unit:"bytes" apply:"live"`
	// Allocations that a user may begin in a minute; 0: no limit.
	AllocationsPerMinute int `yaml:"allocations_per_minute" default:"0" min:"0" max:"1000000" unit:"allocations a minute" apply:"live"`
	// How many of them at once.
	AllocationsBurst int `yaml:"allocations_burst" default:"20" min:"1" max:"1000000" unit:"allocations" apply:"live"`
	// Credentials that the issuer makes for a user in a minute; 0: no limit.
	CredentialsPerMinute int `yaml:"credentials_per_minute" default:"0" min:"0" max:"1000000" unit:"credentials a minute" apply:"live"`
	// How many of them at once.
	CredentialsBurst int `yaml:"credentials_burst" default:"20" min:"1" max:"1000000" unit:"credentials" apply:"live"`
	// Lifetime of a credential that asks for none. It says until when a session
	// may begin.
	CredentialTTL time.Duration `yaml:"credential_ttl" default:"24h" min:"1s" max:"8784h" unit:"duration" apply:"live"`
	// The longest lifetime of a credential.
	MaxCredentialTTL time.Duration `yaml:"max_credential_ttl" default:"48h" min:"1s" max:"8784h" unit:"duration" apply:"live"`
	// A session's longest life; 0s: no limit.
	MaxSession time.Duration `yaml:"max_session" default:"24h" min:"0s" max:"8784h" unit:"duration" apply:"live"`
	// Ends a session that relays nothing for so long; 0s: never.
	Idle time.Duration `yaml:"idle" default:"0s" min:"0s" max:"8784h" unit:"duration" apply:"live"`
	// Whether clients are told to use nothing but relays (iceTransportPolicy).
	RelayOnly bool `yaml:"relay_only" default:"false" unit:"true or false" apply:"live"`
	// Over which transports its clients may allocate.
	Transports []Transport `yaml:"transports" default:"[udp, tcp, tls]" enum:"udp,tcp,tls" unit:"udp, tcp, tls" apply:"live"`
	// Which peers its clients may reach, of those that the policy allows; an empty
	// list: all of them. Clients of this server are peers too: self.
	Peers []Line `yaml:"peers" default:"[]" unit:"ADDRESS/BITS, FROM-TO, an address or a preset" apply:"live"`
}

// Operator is health and metrics, over plain HTTP.
type Operator struct {
	// Where it listens; an empty list: nowhere.
	Listen []Endpoint `yaml:"listen" default:"[\"127.0.0.1:3481\"]" unit:"IP:PORT or unix:/path" apply:"restart"`
}

// Limits are those that are nobody's role.
type Limits struct {
	// Allocations of a tenant at the same time; 0: no limit.
	TenantAllocations int `yaml:"tenant_allocations" default:"0" min:"0" max:"10000000" unit:"allocations" apply:"live"`
	// Allocations of clients of one IPv4 /24 or IPv6 /56 at the same time; 0: no
	// limit.
	NetworkAllocations int `yaml:"network_allocations" default:"0" min:"0" max:"10000000" unit:"allocations" apply:"live"`
	// How the limits of users, tenants and networks are held, where not as usual.
	Rules []Rule `yaml:"rules" default:"[]" apply:"live"`
	// The longest lifetime of an allocation between two Refreshes, in whole
	// seconds (RFC 8656 §7.2).
	MaxLifetime time.Duration `yaml:"max_lifetime" default:"59m" min:"10m" max:"59m" unit:"duration" apply:"restart"`
	// Permissions of an allocation.
	Permissions int `yaml:"permissions" default:"64" min:"1" max:"4096" unit:"permissions" apply:"live"`
	// Channels of an allocation.
	Channels int `yaml:"channels" default:"64" min:"1" max:"4096" unit:"channels" apply:"live"`
	// Peers that an allocation may begin to send to: addresses it has permission
	// for, and ports of them.
	NewPeersPerSecond int `yaml:"new_peers_per_second" default:"20" min:"1" max:"1000000" unit:"peers a second" apply:"live"`
	// How many of them at once.
	NewPeersBurst int `yaml:"new_peers_burst" default:"64" min:"1" max:"1000000" unit:"peers" apply:"live"`
	// Answers to clients that are not authenticated yet, an IPv4 address or
	// IPv6 /64; and as many Binding answers.
	ChallengesPerSecond int `yaml:"challenges_per_second" default:"50" min:"1" max:"1000000" unit:"answers a second" apply:"restart"`
	// How many of them at once.
	ChallengesBurst int `yaml:"challenges_burst" default:"200" min:"1" max:"1000000" unit:"answers" apply:"restart"`
	// The same of an IPv4 /24 or IPv6 /56 together.
	NetworkChallengesPerSecond int `yaml:"network_challenges_per_second" default:"500" min:"1" max:"10000000" unit:"answers a second" apply:"restart"`
	// How many of them at once.
	NetworkChallengesBurst int `yaml:"network_challenges_burst" default:"2000" min:"1" max:"10000000" unit:"answers" apply:"restart"`
	// The same of everybody together: what a flood of forged addresses can have
	// sent to their owners.
	AllChallengesPerSecond int `yaml:"all_challenges_per_second" default:"20000" min:"1" max:"10000000" unit:"answers a second" apply:"restart"`
	// How many of them at once.
	AllChallengesBurst int `yaml:"all_challenges_burst" default:"40000" min:"1" max:"10000000" unit:"answers" apply:"restart"`
	// Wrong credentials of a client's address and port, before it is ignored.
	FailuresPerSecond int `yaml:"failures_per_second" default:"1" min:"1" max:"1000000" unit:"failures a second" apply:"restart"`
	// How many of them at once.
	FailuresBurst int `yaml:"failures_burst" default:"10" min:"1" max:"1000000" unit:"failures" apply:"restart"`
}

// Compatibility is for clients of older standards.
type Compatibility struct {
	// Whether channel numbers up to 0x7FFF may be bound, as RFC 5766 had them,
	// and not only up to 0x4FFF.
	RFC5766Channels bool `yaml:"rfc5766_channels" default:"false" unit:"true or false" apply:"restart"`
}

// Redirect is where clients are sent instead: they are answered 300 with
// ALTERNATE-SERVER (RFC 8489 §10), once they have authenticated.
type Redirect struct {
	// Who is sent: draining is whom a draining server refuses, full whom it has no
	// port for, always everybody. Nobody if empty.
	When []Occasion `yaml:"when" default:"[]" enum:"draining,full,always" unit:"draining, full, always" apply:"restart"`
	// The other servers, which take the same credentials. A client is told one of
	// the family it came by, and is not sent where there is none.
	Servers []netip.AddrPort `yaml:"servers" default:"[]" unit:"IP:PORT" apply:"restart"`
	// Whom their certificates name, for clients over TLS; empty: the name that
	// these clients know.
	Domain string `yaml:"domain" default:"" unit:"host" apply:"restart"`
}

// Drain is how the server ends.
type Drain struct {
	// How long running sessions are served after SIGTERM; 0s: end at once.
	Timeout time.Duration `yaml:"timeout" default:"1h" min:"0s" max:"168h" unit:"duration" apply:"restart"`
}

// Log is what is logged, to standard error.
type Log struct {
	// The least severe that is logged.
	Level string `yaml:"level" default:"info" enum:"debug,info,warn,error" unit:"debug, info, warn, error" apply:"live"`
	// auto is text on a terminal, else json.
	Format string `yaml:"format" default:"auto" enum:"auto,json,text" unit:"auto, json, text" apply:"restart"`
}

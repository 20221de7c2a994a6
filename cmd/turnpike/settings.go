package main

import (
	"time"

	"turnpike/auth"
	"turnpike/pkg/acme"
	"turnpike/pkg/certs"
	"turnpike/pkg/config"
	"turnpike/pkg/issuer"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/ratelimit/redisstore"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// settings is everything that run needs to know, however it was come by.
type settings struct {
	Realm   string
	Listen  []relay.Listener
	Relays  []relayAddr
	Family  gate.Family    // of relayed addresses by default
	STUN    []string       // asked for the public address where Relays wants it
	Streams stream.Options // limits only
	Plane   planeSettings
	// Certificate is that of the TURN listeners; nil without TLS there, or with
	// ACME.
	Certificate *certs.Certificate
	// ACME gets certificates by itself, for who has no other; nil: it is not to.
	ACME   *acme.Manager
	MinTLS uint16

	NonceKey   []byte
	Keyring    auth.Options
	Algorithms []auth.Algorithm // of passwords; MD5 alone if there are none
	Revoked    string           // the file that keeps revocations; none: nothing does
	EndExpired bool             // sessions end with their credential
	Policy     policySettings
	Redirect   relay.Redirect
	Limits     limitSettings
	Store      storeSettings
	Accounting config.Accounting

	Issuer   issuerSettings
	Operator []endpoint // health and metrics; none: not served

	Drain time.Duration // how long running sessions are served after the first signal

	// File is the configuration that they are of and Configured what it said; none
	// for a development server.
	File       string
	Configured *config.Config

	// OtherPorts says that an address in use may be replaced by another port
	// of it. Only a development server may: nobody knows its ports beforehand.
	OtherPorts bool
	// DevKey is the API key in the clear, for the announcement of a development
	// server; else empty.
	DevKey string
}

// relayAddr is a pool whose public address may have to be asked for.
type relayAddr struct {
	relay.Pool
	// Source says where Public was got: "configured", "interface", or the
	// server that was asked. "" means that it has to be asked for.
	Source string
	// fault makes an error of what is wrong with the address, with its place.
	fault func(reason, cure string) error
}

// planeSettings are those of the data plane.
type planeSettings struct {
	Kind           string // as in the configuration; auto if empty
	Workers        int
	Coalesce       time.Duration
	NoGSO, NoGRO   bool
	NoICMP         bool
	ListenerBuffer int
	RelayBuffer    int
}

type policySettings struct {
	At          time.Time // what had expired then is left out
	Mode        netpolicy.Mode
	Allow, Deny []netpolicy.Line
	Roles       map[string][]netpolicy.Line // peers of those roles that have some of their own
	// Clients may send to the relay, IssuerClients ask the issuer.
	Clients, IssuerClients clientSettings
}

// clientSettings say which clients may come.
type clientSettings struct {
	Mode        netpolicy.Mode
	Allow, Deny []netpolicy.Line
}

type limitSettings struct {
	relay.Limits
	MaxLifetime time.Duration // of an allocation; the relay's default if 0
	OldChannels bool
	Rules       ratelimit.Rules         // of what nodes share
	Replies     ratelimit.BudgetOptions // challenges, and Binding answers each
	Failures    ratelimit.Rate          // wrong credentials of an address and port
}

// storeSettings say what this node has in common with others.
type storeSettings struct {
	Redis *redisstore.Options // nil: nothing, it is in memory
	Node  string              // its name; any will do in memory
	Zone  *time.Location      // of days and months; UTC if nil
	Lease time.Duration       // of places; the default if 0
}

type issuerSettings struct {
	Listen      []endpoint // none: no issuer
	Certificate *certs.Certificate
	ACME        bool // its certificate is that of settings.ACME
	Keys        []issuer.APIKey
	Proxies     issuer.Proxies
	// Host is the host name in what clients are told to connect to; the public
	// addresses if empty. URIs, if any, are told instead.
	Host string
	URIs []string
}

// endpoint is where an HTTP server listens.
type endpoint struct {
	network, address string // as net.Listen takes them; TCP or "unix"
	secure           bool   // it speaks TLS; known once it listens
}

// String is the base of its URLs, or unix: and its path.
func (e endpoint) String() string {
	switch {
	case e.network == "unix":
		return "unix:" + e.address
	case e.secure:
		return "https://" + e.address
	}
	return "http://" + e.address
}

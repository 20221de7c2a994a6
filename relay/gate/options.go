package gate

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
)

const (
	// MaxLifetime is the longest lifetime ever granted. The engine adds a
	// minute to what it tells pion, which turns 3600 s and more into 600 s
	// (turn/v4 internal/server/util.go:152-163).
	MaxLifetime = 3540 * time.Second

	defaultLifetime = 600 * time.Second // RFC 8656 §3.2

	maxOurRealm = 127 // characters, which are bytes here (RFC 8489 §14.9)
	minNonceKey = 32  // bytes
)

// KeepFamily, as Options.DefaultFamily, is the family that the client came by.
const KeepFamily Family = 0xff

// Options configures a Gate. What has no default is required.
type Options struct {
	// Realm is what clients are told to use (RFC 8489 §14.9): 1 to 127 bytes of
	// printable ASCII without quote or backslash. Longer than 12 bytes grows
	// the 401 beyond 2.4 times a request of 28 bytes.
	Realm string
	// NonceKey signs nonces: 32 random bytes or more. A fleet may share it.
	NonceKey []byte
	// NonceLifetime is how long a nonce is accepted; 600 s if 0.
	NonceLifetime time.Duration
	// Verifier checks credentials. Its realm must be Realm, and its algorithms are
	// what clients are offered: more than MD5 grows the 401 to 3.3 times a request.
	Verifier *auth.Verifier
	// Replies is the budget of challenges and other answers over UDP to who has
	// shown nothing, Bindings that of answers to Binding requests. They are two,
	// so that whoever asks for an address does not use up what others of the
	// same source need to begin. The pace of a stream is for its owner.
	Replies, Bindings *ratelimit.Budget
	// Failures bounds the credentials that are tried and found wrong, by the
	// address and port that was given the nonce they came with; its scope is
	// ratelimit.Port. A forger has no such nonce, so nobody can use up what is
	// another's.
	Failures *ratelimit.Limiter
	// Sessions reads the session of a client. It is called from the packet
	// path: it must not wait.
	Sessions func(dataplane.Client) (Session, bool)
	// Peer judges a peer's address and port for a role, for ChannelBind.
	Peer func(role string, peer netip.AddrPort) netpolicy.Verdict
	// Permission judges a peer's address for a role, for CreatePermission: a permission
	// has no port (RFC 8656 §9).
	Permission func(role string, peer netip.Addr) netpolicy.Verdict
	// MaxChannel is the highest channel number that may be bound; 0x4FFF if 0
	// (RFC 8656 §12), and up to 0x7FFF for clients of RFC 5766.
	MaxChannel uint16
	// Families are those that relayed transport addresses are to be had of; IPv4
	// alone if there are none.
	Families []Family
	// DontFragment says that DONT-FRAGMENT in Send indications is honoured. If it
	// is not, who asks for it hears 420 (RFC 8656 §7.2).
	DontFragment bool
	// DefaultFamily is the family for a client that asks for none: IPv4 is what
	// RFC 8656 §7.2 says and what 0 means, KeepFamily that which the client came
	// by. If it is not to be had, the other is given.
	DefaultFamily Family
	// DefaultLifetime is the shortest lifetime granted, and what a client gets
	// that asks for none; 600 s if 0 (RFC 8656 §3.2). In whole seconds.
	DefaultLifetime time.Duration
	// MaxLifetime is the longest lifetime granted; 3540 s if 0, which is also
	// the most it may be. In whole seconds.
	MaxLifetime time.Duration
}

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	if o.NonceLifetime == 0 {
		o.NonceLifetime = nonceLife
	}
	if o.DefaultLifetime == 0 {
		o.DefaultLifetime = defaultLifetime
	}
	if o.MaxChannel == 0 {
		o.MaxChannel = dataplane.MaxChannel
	}
	if len(o.Families) == 0 {
		o.Families = []Family{IPv4}
	}
	if o.DefaultFamily == 0 {
		o.DefaultFamily = IPv4
	}
	if o.MaxLifetime == 0 {
		o.MaxLifetime = MaxLifetime
	}
	return o
}

// validate names every fault at once.
func (o Options) validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("gate: "+format, args...))
	}
	if !validRealm(o.Realm) {
		fault("Realm %q: give 1 to %d printable ASCII characters without quote or backslash", o.Realm, maxOurRealm)
	}
	if len(o.NonceKey) < minNonceKey {
		faults = append(faults, shortNonceKey(o.NonceKey))
	}
	if o.NonceLifetime < time.Second || o.NonceLifetime > nonceMax {
		fault("NonceLifetime %v: give 1s to %v, or 0 for %v", o.NonceLifetime, nonceMax, nonceLife)
	}
	if o.DefaultLifetime < time.Second || o.DefaultLifetime > o.MaxLifetime || o.DefaultLifetime%time.Second != 0 {
		fault("DefaultLifetime %v: give whole seconds from 1s to MaxLifetime (%v)", o.DefaultLifetime, o.MaxLifetime)
	}
	if o.MaxLifetime > MaxLifetime || o.MaxLifetime%time.Second != 0 {
		fault("MaxLifetime %v: give whole seconds, %v at most", o.MaxLifetime, MaxLifetime)
	}
	if o.MaxChannel < dataplane.MinChannel || o.MaxChannel > dataplane.MaxOldChannel {
		fault("MaxChannel %#x: give 0x4000 to 0x7FFF, or 0 for 0x4FFF", o.MaxChannel)
	}
	for _, f := range o.Families {
		if f != IPv4 && f != IPv6 {
			fault("Families has %d: give IPv4, IPv6 or both", f)
		}
	}
	if o.DefaultFamily != IPv4 && o.DefaultFamily != IPv6 && o.DefaultFamily != KeepFamily {
		fault("DefaultFamily %d: give IPv4, IPv6 or KeepFamily", o.DefaultFamily)
	}
	for _, need := range []struct {
		name  string
		there bool
	}{
		{"Verifier", o.Verifier != nil},
		{"Replies", o.Replies != nil},
		{"Bindings", o.Bindings != nil},
		{"Failures", o.Failures != nil},
		{"Sessions", o.Sessions != nil},
		{"Peer", o.Peer != nil},
		{"Permission", o.Permission != nil},
	} {
		if !need.there {
			fault("%s is nil: the gate does not stand open, give one", need.name)
		}
	}
	return errors.Join(faults...)
}

func shortNonceKey(key []byte) error {
	return fmt.Errorf("gate: NonceKey has %d bytes: give %d random ones or more", len(key), minNonceKey)
}

func validRealm(realm string) bool {
	if realm == "" || len(realm) > maxOurRealm {
		return false
	}
	for i := range len(realm) {
		if c := realm[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

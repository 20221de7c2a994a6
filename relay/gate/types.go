package gate

import (
	"net/netip"
	"time"

	"turnpike/auth"
	"turnpike/relay/dataplane"
)

// Packet is one STUN message, or what claims to be one.
type Packet struct {
	Client    dataplane.Client
	Transport Transport
	// Data is the message without anything after it. It is only read, and not
	// kept.
	Data []byte
}

// Session is what the gate must know of a client's session.
type Session struct {
	// Pending says that its Allocate is still being served. The fields below
	// may be empty then.
	Pending bool
	// Identity is who holds the session. It is never nil in one that is not
	// pending.
	Identity *auth.Identity
	// Tx and Answer are the transaction of its Allocate and what was answered,
	// for retransmissions (RFC 8656 §7.2).
	Tx     [12]byte
	Answer []byte
	// Relayed is its relayed transport address, which decides the family of
	// its peers (RFC 8656 §10.2). Additional is another of the other family, if it
	// got one. One of the two may have ended, which the relay knows.
	Relayed, Additional netip.AddrPort
}

// has reports whether the session has a relayed transport address of a family.
func (s *Session) has(f Family) bool {
	return FamilyOf(s.Relayed.Addr()) == f || s.Additional.IsValid() && FamilyOf(s.Additional.Addr()) == f
}

// Verdict is what Judge decided. The Action tells which field to read: Reason
// for Drop, Reply for Reply, Request for Forward.
type Verdict struct {
	Action  Action
	Reason  Reason
	Reply   []byte
	Request *Request
}

// Request is an authenticated request whose every value has been checked. It
// holds copies and never points into the packet.
type Request struct {
	Client    dataplane.Client
	Transport Transport
	Method    Method // never Binding
	Tx        [12]byte
	Identity  *auth.Identity
	// Lifetime is what to grant: DefaultLifetime to MaxLifetime of the
	// Options, or 0 for the end of the session. Allocate, Refresh.
	Lifetime time.Duration
	// Family is that of the relayed address, and Port what its port must be; a
	// Token has a family of its own. Allocate. In a Refresh Family names the only
	// relayed address that is meant; 0 means all.
	Family Family
	Port   Port
	// Dual asks for an address of IPv6 beside that of Family, IPv4, each on a port
	// as Port says; one of them will do. Allocate.
	Dual bool
	// Peers are 1 to MaxPeers peers without port for CreatePermission, and one
	// with its port for ChannelBind.
	Peers []netip.AddrPort
	// Channel is 0x4000 to Options.MaxChannel. ChannelBind.
	Channel uint16
	// Fingerprint says that the client used FINGERPRINT; so does the answer.
	Fingerprint bool

	signing signing // of the answer
}

// Port says which relayed ports will do; the zero Port takes any.
type Port struct {
	// Even asks for an even port, Reserve for the next higher one to be kept
	// beside it (RFC 8656 §18.7). Reserve comes only with Even.
	Even, Reserve bool
	// Token asks for the port that was reserved under it (RFC 8656 §18.10);
	// nil if the client named none. With it neither of the others is set.
	Token *Token
}

// Token names a reserved relayed transport address.
type Token [8]byte

// Answer is the outcome of a Request.
type Answer struct {
	// Code is the STUN error code (RFC 8656 §19), 300 to 699; 0 is success.
	Code int
	// Lifetime is what was granted. Allocate, Refresh.
	Lifetime time.Duration
	// Relayed is the relayed transport address, and Additional that of the other
	// family for a request with Dual. Allocate.
	Relayed, Additional netip.AddrPort
	// Missing tells a request with Dual which address it did not get: 0 is none.
	// MissingCode says why: 440 or 508. Allocate.
	Missing     Family
	MissingCode int
	// Token names the port that was reserved beside it, if one was. Allocate.
	Token *Token
	// Alternate is where the client is sent. Code 300.
	Alternate Alternate
}

// MaxDomain is the longest Alternate.Domain (RFC 8489 §14.16).
const MaxDomain = 255

// Alternate is another server (RFC 8489 §10).
type Alternate struct {
	// Server is of the family that the client came by; Other is of the other
	// family, and the zero AddrPort if there is none.
	Server, Other netip.AddrPort
	// Domain is whom the certificate there names, for clients over TLS; empty if
	// it names whom ours does.
	Domain string
}

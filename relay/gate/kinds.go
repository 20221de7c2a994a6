package gate

import "net/netip"

// Transport is what a client's packets came over.
type Transport uint8

// The transports between client and server (RFC 8656 §3.1). TLS is TLS over
// TCP.
const (
	UDP Transport = iota
	TCP
	TLS
	NumTransports int = iota
)

var transportNames = [NumTransports]string{UDP: "udp", TCP: "tcp", TLS: "tls"}

// String is the transport's name in metrics and records.
func (t Transport) String() string { return name(transportNames[:], int(t)) }

// Family is an address family, as REQUESTED-ADDRESS-FAMILY names it (RFC 8656
// §18.6).
type Family uint8

// The families.
const (
	IPv4 Family = 1
	IPv6 Family = 2
)

// FamilyOf is the family of an address.
func FamilyOf(a netip.Addr) Family {
	if a.Unmap().Is4() {
		return IPv4
	}
	return IPv6
}

// String is the family's name in metrics and the configuration.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "ipv4"
	case IPv6:
		return "ipv6"
	}
	return "unknown"
}

// Method is a STUN method that a request may have here.
type Method uint8

// The methods that are answered (RFC 8489 §18.1, RFC 8656 §17). There is no
// Connect: RFC 6062 is not implemented, on purpose.
const (
	Binding Method = iota
	Allocate
	Refresh
	CreatePermission
	ChannelBind
	NumMethods int = iota
)

var methodNames = [NumMethods]string{
	Binding: "binding", Allocate: "allocate", Refresh: "refresh",
	CreatePermission: "create_permission", ChannelBind: "channel_bind",
}

// String is the method's name in metrics and records.
func (m Method) String() string { return name(methodNames[:], int(m)) }

// Action is what to do about a packet.
type Action uint8

const (
	Drop       Action = iota // nothing; it is counted under Verdict.Reason
	Reply                    // send Verdict.Reply to the client
	Forward                  // serve Verdict.Request, then send what Gate.Answer makes of it
	NumActions int    = iota
)

var actionNames = [NumActions]string{Drop: "drop", Reply: "reply", Forward: "forward"}

// String is the action's name.
func (a Action) String() string { return name(actionNames[:], int(a)) }

// Reason says why a packet was dropped.
type Reason uint8

const (
	NotDropped     Reason = iota
	BadSource             // source address or port that no host can have
	NotSTUN               // shorter than a header, other first bits, no magic cookie
	BadLength             // length field is not what came, or no multiple of four
	TooLarge              // more than MaxPacket
	BadAttributes         // attributes overrun the message, too many, or of impossible size
	BadFingerprint        // FINGERPRINT wrong or not the last attribute
	StrayData             // ChannelData that the plane could not place
	StraySend             // Send indication that the plane could not place
	NotRequest            // response, or an indication other than Send
	UnknownMethod         // request of a method that is not ours
	LongCredential        // USERNAME, REALM or NONCE longer than any may be
	InFlight              // the client's Allocate is still being served
	RepliesSpent          // the budget of unauthenticated replies is spent
	FailuresSpent         // too many wrong credentials came from this address and port
	NumReasons     int    = iota
)

var reasonNames = [NumReasons]string{
	NotDropped: "not_dropped", BadSource: "bad_source", NotSTUN: "not_stun", BadLength: "bad_length",
	TooLarge: "too_large", BadAttributes: "bad_attributes", BadFingerprint: "bad_fingerprint",
	StrayData: "stray_data", StraySend: "stray_send", NotRequest: "not_request",
	UnknownMethod: "unknown_method", LongCredential: "long_credential", InFlight: "in_flight",
	RepliesSpent: "replies_spent", FailuresSpent: "failures_spent",
}

// String is the reason's name in metrics and records.
func (r Reason) String() string { return name(reasonNames[:], int(r)) }

// name is the i-th name, or "unknown".
func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}

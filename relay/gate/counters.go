package gate

import (
	"slices"
	"sync/atomic"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
)

// The codes that the gate decides (RFC 8489 §14.8, RFC 8656 §19).
const (
	codeTryAlternate         = int(stun.CodeTryAlternate)
	codeBadRequest           = int(stun.CodeBadRequest)
	codeUnauthenticated      = int(stun.CodeUnauthorized)
	codeForbidden            = int(stun.CodeForbidden)
	codeUnknownAttribute     = int(stun.CodeUnknownAttribute)
	codeAllocationMismatch   = int(stun.CodeAllocMismatch)
	codeStaleNonce           = int(stun.CodeStaleNonce)
	codeFamilyNotSupported   = int(stun.CodeAddrFamilyNotSupported)
	codeWrongCredentials     = int(stun.CodeWrongCredentials)
	codeUnsupportedTransport = int(stun.CodeUnsupportedTransProto)
	codeFamilyMismatch       = int(stun.CodePeerAddrFamilyMismatch)
	codeServerError          = int(stun.CodeServerError)
	codeInsufficientCapacity = int(stun.CodeInsufficientCapacity)
)

// codes are what replies are counted under: success, what the gate decides, and
// what the relay may answer besides. Any other code is counted as the last.
var codes = [...]int{
	0, codeBadRequest, codeUnauthenticated, codeForbidden, codeUnknownAttribute,
	codeAllocationMismatch, codeStaleNonce, codeFamilyNotSupported, codeWrongCredentials,
	codeUnsupportedTransport, codeFamilyMismatch, codeInsufficientCapacity,
	codeTryAlternate, int(stun.CodeAllocQuotaReached), codeServerError,
}

// Codes are the codes that Replied tells apart; 0 is success.
func Codes() []int { return slices.Clone(codes[:]) }

// Counters counts what a gate did, by closed sets only.
type Counters struct {
	drops   [NumReasons]atomic.Uint64
	replies [NumMethods][len(codes)]atomic.Uint64
	denied  [netpolicy.NumRules]atomic.Uint64
	auth    [auth.NumOutcomes]atomic.Uint64

	transports [NumTransports]atomic.Uint64
}

// Dropped is the number of packets dropped for a reason.
func (c *Counters) Dropped(r Reason) uint64 { return c.drops[r].Load() }

// Replied is the number of replies to a method with one of Codes, those that
// Gate.Answer built among them. Codes not in the list are counted under 500.
func (c *Counters) Replied(m Method, code int) uint64 {
	return c.replies[m][codeIndex(code)].Load()
}

// Denied is the number of requests answered with 403 because of a rule.
func (c *Counters) Denied(r netpolicy.Rule) uint64 { return c.denied[r].Load() }

// TransportForbidden is the number of Allocates answered with 403 because of the
// transport they came over, which the client's role does not have.
func (c *Counters) TransportForbidden(t Transport) uint64 { return c.transports[t].Load() }

// Authenticated is the number of signatures judged with an outcome. On a live
// session of the same username that is OK or WrongSignature.
func (c *Counters) Authenticated(o auth.Outcome) uint64 { return c.auth[o].Load() }

func (c *Counters) replied(m Method, code int) { c.replies[m][codeIndex(code)].Add(1) }

func codeIndex(code int) int {
	if i := slices.Index(codes[:], code); i >= 0 {
		return i
	}
	return len(codes) - 1
}

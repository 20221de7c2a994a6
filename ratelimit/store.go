package ratelimit

import (
	"context"
	"errors"
	"time"
)

// Store is what the nodes of a fleet share. Every method may wait for a network
// and returns when ctx ends; an error leaves it unknown whether the call took
// effect, and the same call may then be made again: none counts twice, but for
// Rate, which may refuse one too many. Only [Shared] calls it.
//
// Time is the store's own, one clock for all nodes.
type Store interface {
	Leases
	Rates
	Grants
	Registry
	Streams

	// Epoch names the store's memory: a store that has lost it gets a new one.
	Epoch(ctx context.Context) (Epoch, error)
	Close() error
}

// ErrEpoch is returned for a claim or a settlement when the store has another
// epoch than the caller thinks: what the fleet holds may be forgotten there, and
// nothing must be decided by it until every node has said what it holds.
var ErrEpoch = errors.New("the store has lost its memory")

// ErrAway is returned without trying by a store that has just failed.
var ErrAway = errors.New("the store is away")

// ErrLate is the answer to a settlement that a newer one of its holder has
// overtaken.
var ErrLate = errors.New("a newer settlement was here first")

// Epoch of a store.
type Epoch struct {
	ID  string
	Age time.Duration // since the store was found empty
}

// Kind of an account.
type Kind uint8

const (
	OfUser Kind = iota
	OfTenant
	OfNetwork     // of the client: an IPv4 /24 or an IPv6 /56
	NumKinds  int = iota
)

// Account names who has a limit. Kind, tenant and name are compared apart.
type Account struct {
	Kind   Kind
	Tenant string
	Name   string // of the user or the network; a tenant has none
}

// Leases are places for allocations. A place is held by a member until its lease
// ends, and the end is what frees the places of a node that was killed.
type Leases interface {
	// Reserve takes the member's place in one account after the other. The first
	// that has none left refuses, and those before are given back: a competitor
	// may be refused that would have fitted, and none is ever let in beyond a
	// limit. After an error nothing may be held for longer than the TTL.
	Reserve(ctx context.Context, c Claim) (Claimed, error)
	// Renew holds the members for another TTL from now on. It asks for no limit:
	// what lives is held, also if the store had forgotten it. A confirmation is a
	// Renew with the whole TTL. The answers are in the order of the holdings.
	Renew(ctx context.Context, all []Holding, ttl time.Duration) []Held
	// Release gives places back. A member that holds none is none too many.
	Release(ctx context.Context, all []Holding) error
}

// Claim asks for a member's places.
type Claim struct {
	Epoch  string // "" if any will do
	Member string // node/boot/number
	Places []Place
	TTL    time.Duration
}

// Place is one in an account.
type Place struct {
	Account
	Limit int  // 0: none; below 0: nothing is let in
	Force bool // take it beyond the limit too
}

// Claimed answers a claim.
type Claimed struct {
	Refused int // index of the place that was refused; -1: all are held
	// Counts are the places held in each account that was asked, with the
	// member's own if it has one.
	Counts []int
}

// Holding is members of one node in one account.
type Holding struct {
	Account
	Members []string
}

// Held answers a renewal.
type Held struct {
	Count int // places held in the account by all nodes
	Err   error
}

// Rates are events a minute.
type Rates interface {
	// Rate takes n events at once, or none, from what the account may do of this
	// name. More than the burst never fit.
	Rate(ctx context.Context, a Account, name string, lim PerMinute, n int) (RateAnswer, error)
}

// PerMinute is a rate as operators write it.
type PerMinute struct {
	Events int // a minute, 1 or more
	Burst  int // at once after a rest; 1 or more
}

// Each is how far apart events are in the long run.
func (p PerMinute) Each() time.Duration {
	return (time.Minute / time.Duration(p.Events)).Truncate(time.Microsecond)
}

// RateAnswer answers Rate.
type RateAnswer struct {
	Allowed   bool
	Remaining int           // events that fit now
	Retry     time.Duration // until it would be allowed; 0 if it was, below 0: never
}

// Grants are bytes taken ahead of their spending.
type Grants interface {
	// Settle tells what a holder has and asks for more. The answers are in the
	// order asked.
	Settle(ctx context.Context, all []Settlement) []Granted
	// Usage is how many bytes are granted in each of an account's windows, what
	// the nodes have not spent of it yet included.
	Usage(ctx context.Context, a Account, windows []string) ([]int64, error)
}

// Settlement is all that there is to say about bytes. Have is the truth: the store
// replaces what it thought the holder had, so that one call takes, gives back,
// settles and says again what a flushed store forgot, and a grant whose answer was
// lost is given back by the next call. Of one holder the store knows the last
// number: a repeated settlement changes nothing and gets the same answer, and one
// that arrives late is refused.
type Settlement struct {
	Epoch   string // "" if any will do
	Account Account
	Holder  string // node/boot/number: whoever begins anew with nothing
	Seq     int64  // 1, 2, ...
	Windows []Window
	Want    int64 // bytes beyond what the holder has
	// Share divides what is left among so many askers, but not below Least: the
	// last bytes shall not all lie with one node.
	Share int
	Least int64
}

// Window is a span of the calendar. Its name is part of what is stored.
type Window struct {
	Name  string // as "d:20261123", "m:202611"
	Limit int64  // bytes; 0: none
	Have  int64  // of the holder in this window
	End   time.Time
	Keep  time.Duration // beyond the end
}

// Granted answers a settlement.
type Granted struct {
	Bytes int64 // of those wanted, on top of what the holder has
	Left  int64 // bytes nobody has been granted, of the window with the least; MaxInt64 without a limit
	Err   error
}

// ShareOf is what a settlement gets of the bytes that are left.
func ShareOf(left int64, x Settlement) int64 {
	share := max(left/int64(max(x.Share, 1)), x.Least)
	return max(0, min(x.Want, share, left))
}

// Registry is the nodes that live.
type Registry interface {
	// Announce says for a TTL that the node is there.
	Announce(ctx context.Context, n Node, ttl time.Duration) error
	// Nodes are those whose announcement has not lapsed, by ID.
	Nodes(ctx context.Context) ([]Node, error)
}

// Node is what the others and the issuer know of a node.
type Node struct {
	ID       string   `json:"id"`
	Boot     string   `json:"boot"`
	URIs     []string `json:"uris"`
	Region   string   `json:"region,omitempty"`
	Load     float64  `json:"load"` // 0 idle to 1 full
	Sessions int      `json:"sessions"`
	Draining bool     `json:"draining,omitempty"`
}

// Stream is a list of entries that is read by ID.
type Stream uint8

const (
	Revocations Stream = iota
	Accounting
	NumStreams int = iota
)

// String is the stream's name.
func (s Stream) String() string {
	if int(s) < NumStreams {
		return [NumStreams]string{"revocations", "accounting"}[s]
	}
	return "unknown"
}

// Streams are what nodes tell each other, and a billing system.
type Streams interface {
	// Append adds an entry once: one with the same key within an hour is the
	// same entry. Entries older than keep go, and with max above 0 the oldest
	// of more than about max.
	Append(ctx context.Context, s Stream, e Entry, keep time.Duration, max int64) error
	// Read returns up to n entries after an ID, or the first with "".
	Read(ctx context.Context, s Stream, after string, n int) ([]Entry, error)
	// Wake sends when there may be something new, until ctx ends; then it closes
	// the channel. It promises nothing: whoever relies on entries reads.
	Wake(ctx context.Context, s Stream) (<-chan struct{}, error)
}

// Entry of a stream.
type Entry struct {
	ID      string // of the store; none to append
	Key     string // of the writer; none when read
	Payload []byte
}

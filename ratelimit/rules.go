package ratelimit

import "fmt"

// Limit is one that nodes share. Who does not want it leaves its figure at 0.
type Limit uint8

const (
	LimitUser    Limit = iota // allocations of a user
	LimitTenant               // allocations of a tenant
	LimitNetwork              // allocations of a client's network
	LimitRate                 // a user's allocations a minute
	LimitMint                 // a user's credentials a minute
	LimitBytes                // a user's bytes a day and a month
	NumLimits    int   = iota
)

var limitNames = [NumLimits]string{"user", "tenant", "network", "rate", "mint", "bytes"}

// String is the limit's name in metrics.
func (l Limit) String() string {
	if int(l) < NumLimits {
		return limitNames[l]
	}
	return "unknown"
}

// OnStoreError is what a limit does while the store can't be asked.
type OnStoreError uint8

const (
	// Local holds the limit against what this node has and what the others had
	// when they were last heard of; of bytes, this node may take what was left.
	Local OnStoreError = iota
	// Allow lets everything in. It is counted, and settled later.
	Allow
	// Deny lets nothing new in. What lives keeps what it holds: its places, and
	// the bytes it was granted.
	Deny
	numOnStoreErrors = iota
)

var onStoreErrorNames = [numOnStoreErrors]string{"local", "allow", "deny"}

// UnmarshalText takes the name used in configurations.
func (o *OnStoreError) UnmarshalText(text []byte) error {
	for i, name := range onStoreErrorNames {
		if name == string(text) {
			*o = OnStoreError(i)
			return nil
		}
	}
	return fmt.Errorf("on_store_error is %q, it must be local, allow or deny", text)
}

// MarshalText is the name used in configurations.
func (o OnStoreError) MarshalText() ([]byte, error) {
	if int(o) < numOnStoreErrors {
		return []byte(onStoreErrorNames[o]), nil
	}
	return nil, fmt.Errorf("no on_store_error has number %d", o)
}

// Rule is how a limit is held.
type Rule struct {
	Strict       bool // ask before anything is let in: never over, at the price of a wait
	Shadow       bool // only count what it would have refused
	OnStoreError OnStoreError
}

// Rules of all limits.
type Rules [NumLimits]Rule

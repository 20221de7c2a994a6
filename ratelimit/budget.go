package ratelimit

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Rate is so many events a second in the long run, and so many at once.
type Rate struct {
	PerSecond float64
	Burst     int
}

// BudgetOptions are the rates of a [Budget]. Each has to be given.
type BudgetOptions struct {
	Source  Rate // of an IPv4 address or IPv6 /64
	Network Rate // of an IPv4 /24 or IPv6 /56
	All     Rate // of everybody together
}

// Budget is what may be done for strangers: by each source, for no more than its
// network may have, and no more than all may have. Addresses can be forged, so
// the second bounds who has many, and the third who forges them all.
type Budget struct {
	levels [3]*Limiter
}

// NewBudget makes a budget. All of its memory is taken at once.
func NewBudget(o BudgetOptions) (*Budget, error) {
	b := new(Budget)
	var errs []error
	for i, level := range []struct {
		name    string
		rate    Rate
		scope   Scope
		buckets int
	}{{"Source", o.Source, Source, 0}, {"Network", o.Network, Network, 0}, {"All", o.All, Source, 1}} {
		l, err := NewLimiter(Options{PerSecond: level.rate.PerSecond, Burst: level.rate.Burst, Scope: level.scope, Buckets: level.buckets})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", level.name, err))
		}
		b.levels[i] = l
	}
	return b, errors.Join(errs...)
}

// Allow takes one event from the budget of addr's source, of its network and of
// all. What an earlier one gave is gone when a later one refuses: who is refused
// as a source takes nothing from others, which is what counts.
func (b *Budget) Allow(addr netip.Addr, now time.Time) bool {
	for _, l := range b.levels {
		if !l.Allow(addr, now) {
			return false
		}
	}
	return true
}

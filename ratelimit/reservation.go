package ratelimit

import (
	"sync/atomic"
	"time"
)

// Reservation is one allocation's place with its user and its tenant.
type Reservation struct {
	ledger *Ledger
	user   *account // nil if no user is known
	tenant *account
	meter  Meter
	state  atomic.Uint32
}

const (
	statePending uint32 = iota
	stateConfirmed
	stateReleased
)

// Meter is what the session asks for every datagram.
func (r *Reservation) Meter() *Meter { return &r.meter }

// Confirm says that the allocation stands. Again, or after Release, it does
// nothing.
func (r *Reservation) Confirm() {
	if r.state.CompareAndSwap(statePending, stateConfirmed) {
		r.ledger.pending.Add(-1)
		r.ledger.confirmed.Add(1)
	}
}

// SetLimits changes the rates and the bytes a day of a session that lives, and of
// its user. A place that is held is kept.
func (r *Reservation) SetLimits(l Limits, now time.Time) {
	r.meter.session.setRate(l.SessionBits, ticks(r.meter.base, now))
	if r.user != nil {
		r.user.limit(userTerms(l), now)
	}
}

// Release gives the place back, confirmed or not. Again it does nothing. The
// session must have ended: no Take of its meter may follow.
func (r *Reservation) Release(now time.Time) {
	switch r.state.Swap(stateReleased) {
	case stateReleased:
		return
	case statePending:
		r.ledger.pending.Add(-1)
	case stateConfirmed:
		r.ledger.confirmed.Add(-1)
	}
	if r.user != nil {
		r.ledger.leave(r.user, now)
	}
	r.ledger.leave(r.tenant, now)
}

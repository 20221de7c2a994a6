package ratelimit

import (
	"sync/atomic"
	"time"
)

// Reservation is one allocation's place with its user, tenant and network.
type Reservation struct {
	ledger   *Ledger
	accounts [NumKinds]*account // nil where the subject has none
	meter    Meter
	state    atomic.Uint32
	lease    *lease // nil: of this node alone
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
		if r.lease != nil {
			r.lease.confirm()
		}
	}
}

// SetLimits changes the rates and the bytes of a session that lives, and of
// its user. A place that is held is kept.
func (r *Reservation) SetLimits(l Limits, now time.Time) {
	r.meter.session.setRate(l.SessionBits, ticks(r.meter.base, now))
	switch user := r.accounts[OfUser]; {
	case user == nil:
	case r.lease != nil:
		r.lease.setLimits(l, now)
	default:
		user.limit(l.terms(OfUser), now)
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
	r.ledger.leaveAll(r.accounts, now)
	if r.lease != nil {
		r.lease.release(now)
	}
}

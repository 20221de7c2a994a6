package ratelimit

import "time"

// minCharge is the least that a datagram costs a bit rate, in bytes: the size
// of its IPv6 and UDP headers. Without it no rate would bound a flood of empty
// datagrams. Bytes a day count payload alone, as records do.
const minCharge = 40 + 8

// Meter bounds what one session carries: its own bit rate, its user's bit rate
// and its user's bytes a day, both directions together. It is safe for
// concurrent use. It belongs to a [Reservation]; after Release it must not be
// asked any more, since the account it charges may be gone.
type Meter struct {
	base    time.Time
	session bucket
	user    *account // nil: no limits a user
}

// Take asks whether a datagram of n payload bytes may pass, and charges it if
// so. None: it may. Otherwise nothing has been charged in the end; see the
// package comment for the one datagram of tolerance. It never waits, takes no
// lock, and allocates nothing but the counter of a new day.
func (m *Meter) Take(n int, now time.Time) Refusal {
	t := ticks(m.base, now)
	session, ok := m.session.take(max(n, minCharge), t)
	if !ok {
		return SessionRate
	}
	if m.user == nil {
		return None
	}
	// The day before the rate: its return is exact in every case.
	day, ok := m.user.bytes.take(n, dayOf(now))
	if !ok {
		m.session.giveBack(session)
		return DayBytes
	}
	if _, ok := m.user.rate.take(max(n, minCharge), t); !ok {
		day.giveBack(n)
		m.session.giveBack(session)
		return UserRate
	}
	return None
}

package ratelimit

import (
	"sync/atomic"
	"time"
)

// state is what a Shared knows of an account; guarded by its mu.
type state struct {
	account Account
	holds   map[*lease]*hold
	novel   int       // holds that the store does not know of yet
	others  int       // places held elsewhere, as last heard
	heard   time.Time // when that was
	rates   [numRates]localRate
	bits    int64    // bit rate of the user
	local   *account // of the ledger, while there are holds
	grant   *grant
	dirty   bool
}

// hold is a place of this node.
type hold struct {
	settled bool      // the store knows of it
	due     time.Time // to be renewed; zero: not before it is confirmed
}

// lease is the places of one reservation.
type lease struct {
	shared *Shared
	member string
	states []*state
}

// maxUnsettled bounds how many places of an account a node gives away before the
// store has heard of them, and so by how many each node may go over a limit.
const maxUnsettled = 2

func (st *state) addLocked(l *lease, due time.Time) {
	st.holds[l] = &hold{due: due}
	st.novel++
}

func (st *state) settledLocked(h *hold) {
	if !h.settled {
		h.settled = true
		st.novel--
	}
}

func (st *state) dropLocked(l *lease) {
	if h := st.holds[l]; h != nil {
		st.settledLocked(h)
		delete(st.holds, l)
	}
}

// hearLocked takes the count of an account from the store.
func (st *state) hearLocked(count int, now time.Time) {
	st.others, st.heard = max(0, count-(len(st.holds)-st.novel)), now
	st.shareLocked(now)
}

// shareLocked gives this node its part of the user's bit rate, by places.
func (st *state) shareLocked(now time.Time) {
	if mine := int64(len(st.holds)); st.local != nil && st.bits > 0 && mine > 0 {
		part := max(1, int64(float64(st.bits)*float64(mine)/float64(mine+int64(st.others))))
		st.local.rate.setRate(part, ticks(st.local.base, now))
	}
}

func (s *Shared) stateLocked(a Account) *state {
	st := s.states[a]
	if st == nil {
		st = &state{account: a, holds: map[*lease]*hold{}}
		s.states[a] = st
	}
	return st
}

// peekLocked is a state to read.
func (s *Shared) peekLocked(a Account) *state {
	if st := s.states[a]; st != nil {
		return st
	}
	return &state{}
}

// forgetLocked removes a state that there is nothing to remember of.
func (s *Shared) forgetLocked(st *state, now time.Time) {
	if len(st.holds) > 0 || st.grant != nil {
		return
	}
	for i := range st.rates {
		if !st.rates[i].rested(now) {
			return
		}
	}
	delete(s.states, st.account)
}

// SharedStats is what a Shared has counted, by limit.
type SharedStats struct {
	Accounts, Freed, Asking      int       // remembered; holdings to be released; questions that wait
	Away, Up                     bool      // the last call failed; the store has answered, and the last call did not
	Heard                        time.Time // when the store was last asked whether it is there, and was; zero: never
	WentAway, StoreErrors        uint64
	Refused, Shadowed, Over      [NumLimits]uint64 // refused; would have been; let in beyond the limit
	Unheard                      [NumLimits]uint64 // decided without the store
	Lost                         uint64            // releases, reports and records for which there was no room
	Renewed, Settled, Bytes, Ask uint64            // holdings, settlements, granted bytes, questions
}

type sharedCounts struct {
	wentAway, storeErrors, lost            atomic.Uint64
	refused, shadowed, over, unheard       [NumLimits]atomic.Uint64
	renewed, settled, grantedBytes, asking atomic.Uint64
}

// Stats reads the counts.
func (s *Shared) Stats() SharedStats {
	s.mu.Lock()
	x := SharedStats{Accounts: len(s.states), Freed: len(s.freed), Asking: len(s.asks), Away: s.away == absent, Up: s.away == present, Heard: s.asOf}
	s.mu.Unlock()
	c := &s.counts
	x.WentAway, x.StoreErrors, x.Lost = c.wentAway.Load(), c.storeErrors.Load(), c.lost.Load()
	x.Renewed, x.Settled, x.Bytes, x.Ask = c.renewed.Load(), c.settled.Load(), c.grantedBytes.Load(), c.asking.Load()
	for i := range NumLimits {
		x.Refused[i], x.Shadowed[i] = c.refused[i].Load(), c.shadowed[i].Load()
		x.Over[i], x.Unheard[i] = c.over[i].Load(), c.unheard[i].Load()
	}
	return x
}

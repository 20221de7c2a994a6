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
	hears   int       // how often that has been
	drops   int       // settled holds that are gone
	limit   int       // of places, as last asked for; 0: none that refuses
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

// settledLocked: the store knows of the hold. It reports whether that is new.
func (st *state) settledLocked(h *hold) bool {
	if h.settled {
		return false
	}
	h.settled = true
	st.novel--
	return true
}

func (st *state) dropLocked(l *lease) {
	h := st.holds[l]
	switch {
	case h == nil:
		return
	case h.settled:
		st.drops++
	default:
		st.novel--
	}
	delete(st.holds, l)
}

// view is what the store surely knows of this node's places when it is asked.
type view struct{ settled, drops, hears int }

func (st *state) viewLocked() view { return view{len(st.holds) - st.novel, st.drops, st.hears} }

// hearLocked takes the count of an account from an answer, with so many places that
// the store has just heard of. Questions overtake each other, so what others hold is
// never reckoned too low: a place that was settled or given back meanwhile is not
// taken for one of this node's in the count, and of answers that overlap the higher
// counts.
func (st *state) hearLocked(count, added int, v view, now time.Time) {
	mine := max(0, v.settled-(st.drops-v.drops)) + added
	others := max(0, count-mine)
	if v.hears != st.hears {
		others = max(others, st.others)
	}
	st.others, st.heard = others, now
	st.hears++
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
	Away, Up                     bool      // it has been told that the store can't be asked; the store can be asked
	Heard                        time.Time // when the store was last found there; zero: not yet
	StoreErrors                  uint64
	Refused, Shadowed, Over      [NumLimits]uint64 // refused; would have been; let in beyond the limit
	Unheard                      [NumLimits]uint64 // decided without the store
	Lost                         uint64            // releases, reports and records for which there was no room
	Renewed, Settled, Bytes, Ask uint64            // holdings, settlements, granted bytes, questions
}

type sharedCounts struct {
	lost                                   atomic.Uint64
	refused, shadowed, over, unheard       [NumLimits]atomic.Uint64
	renewed, settled, grantedBytes, asking atomic.Uint64
}

// Stats reads the counts.
func (s *Shared) Stats() SharedStats {
	s.mu.Lock()
	x := SharedStats{Accounts: len(s.states), Freed: len(s.freed), Asking: len(s.asks), Away: s.gone, Up: s.away == present, Heard: s.asOf, StoreErrors: s.failed}
	s.mu.Unlock()
	c := &s.counts
	x.Lost = c.lost.Load()
	x.Renewed, x.Settled, x.Bytes, x.Ask = c.renewed.Load(), c.settled.Load(), c.grantedBytes.Load(), c.asking.Load()
	for i := range NumLimits {
		x.Refused[i], x.Shadowed[i] = c.refused[i].Load(), c.shadowed[i].Load()
		x.Over[i], x.Unheard[i] = c.over[i].Load(), c.unheard[i].Load()
	}
	return x
}

package ratelimit

import (
	"context"
	"time"
)

// ask is a question that somebody waits for.
type ask struct {
	reservation *Reservation
	decision    decision
	until       time.Time
	done        func(*Reservation, Refusal)
}

// pending is for how long the store holds what is not confirmed.
const pending = 10 * time.Second

// answer asks the store and tells who waits.
func (s *Shared) answer(ctx context.Context, a ask) {
	by, refusal, err := s.question(ctx, &a)
	now := s.o.Now()
	s.mu.Lock()
	if err != nil {
		s.failedLocked(err)
		refusal = s.unaskedLocked(&a.decision)
		by = a.decision.by
	}
	l := a.reservation.lease
	if refusal != None {
		s.counts.refused[by].Add(1)
		s.leaveLocked(l, now)
		a.reservation.lease = nil
	} else if err != nil {
		for _, st := range l.states { // the store may not know of it
			st.holds[l].due = now
		}
	}
	s.mu.Unlock()
	if refusal != None {
		a.reservation.Release(now)
		a.reservation = nil
	}
	a.done(a.reservation, refusal)
}

func (s *Shared) question(ctx context.Context, a *ask) (Limit, Refusal, error) {
	ctx, cancel := context.WithTimeout(ctx, a.until.Sub(s.o.Now()))
	defer cancel()
	if err := ctx.Err(); err != nil {
		return 0, None, err
	}
	rules, d := s.rules.Load(), &a.decision
	if lim := d.limits.UserAllocationRate; lim.Events > 0 && d.places[0].Kind == OfUser && !rules[LimitRate].Shadow {
		answer, err := s.o.Store.Rate(ctx, d.places[0].Account, rateNames[rateAllocations], lim, 1)
		if err != nil || !answer.Allowed {
			return LimitRate, RateReached, err
		}
	}
	if by, refusal, err := s.claim(ctx, a); refusal != None || err != nil {
		return by, refusal, err
	}
	if d.places[0].Kind != OfUser {
		return 0, None, nil
	}
	refusal, err := s.firstGrant(ctx, d.places[0].Account)
	return LimitBytes, refusal, err
}

func (s *Shared) claim(ctx context.Context, a *ask) (Limit, Refusal, error) {
	s.mu.Lock()
	epoch := s.epoch.ID
	l := a.reservation.lease
	views := make([]view, len(l.states))
	for i, st := range l.states {
		views[i] = st.viewLocked()
	}
	s.mu.Unlock()
	claimed, err := s.o.Store.Reserve(ctx, Claim{Epoch: epoch, Member: l.member, Places: a.decision.places, TTL: min(pending, s.o.Lease)})
	if err != nil {
		return 0, None, err
	}
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range claimed.Counts {
		st := l.states[i]
		added := 0
		if claimed.Refused < 0 && st.settledLocked(st.holds[l]) {
			added = 1
		}
		st.hearLocked(n, added, views[i], now)
	}
	if i := claimed.Refused; i >= 0 {
		k := a.decision.places[i].Kind
		return Limit(k), fullOf(k), nil
	}
	return 0, None, nil
}

// unaskedLocked decides when there was no answer.
func (s *Shared) unaskedLocked(d *decision) Refusal {
	rules := s.rules.Load()
	deny := func(l Limit, applies bool) {
		if applies && !rules[l].Shadow {
			s.counts.unheard[l].Add(1)
			if rules[l].OnStoreError == Deny {
				d.refuse(l, StoreAway)
			}
		}
	}
	for _, p := range d.places {
		l := Limit(p.Kind)
		deny(l, p.Limit != 0)
		st := s.peekLocked(p.Account) // its own hold is among them
		if p.Limit != 0 && !rules[l].Shadow && rules[l].OnStoreError == Local && len(st.holds)+st.others > p.Limit {
			d.refuse(l, fullOf(p.Kind))
		}
	}
	user := len(d.places) > 0 && d.places[0].Kind == OfUser
	deny(LimitRate, user && d.limits.UserAllocationRate.Events > 0)
	deny(LimitBytes, user && (d.limits.UserBytesPerDay != 0 || d.limits.UserBytesPerMonth != 0))
	return d.refusal
}

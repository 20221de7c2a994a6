package ratelimit

import (
	"context"
	"time"
)

const (
	rateAllocations = iota
	rateCredentials
	numRates
)

var rateNames = [numRates]string{"alloc", "mint"}

// localRate is what a node alone knows of a rate: a GCRA of its own, what the store
// has not heard yet, and until when it said no.
type localRate struct {
	lim     PerMinute
	tat     time.Time
	blocked time.Time
	report  int
}

// retry is how long the next event has to wait; 0: it fits.
func (r *localRate) retry(lim PerMinute, now time.Time) time.Duration {
	next := r.tat.Add(lim.Each())
	if r.tat.Before(now) {
		next = now.Add(lim.Each())
	}
	return max(0, next.Sub(now)-lim.Each()*time.Duration(lim.Burst), r.blocked.Sub(now))
}

func (r *localRate) rested(now time.Time) bool {
	return r.report == 0 && !r.tat.After(now) && !r.blocked.After(now)
}

// chargeLocked counts one event, and has the store told of it unless it was asked.
func (s *Shared) chargeLocked(st *state, rate int, lim PerMinute, report bool, now time.Time) {
	if lim.Events == 0 {
		return
	}
	r := &st.rates[rate]
	if r.lim = lim; r.tat.Before(now) {
		r.tat = now
	}
	r.tat = r.tat.Add(lim.Each())
	if most := now.Add(lim.Each() * time.Duration(lim.Burst)); r.tat.After(most) {
		r.tat = most // let in all the same: no debt of that
	}
	if report {
		r.report = min(r.report+1, lim.Burst) // more the store would not take at once
		s.hurryLocked(st)
	}
}

// rateLocked decides about a user's allocations a minute.
func (s *Shared) rateLocked(d *decision, rule Rule, user Account, now time.Time) {
	lim := d.limits.UserAllocationRate
	if lim.Events == 0 {
		return
	}
	over := s.peekLocked(user).rates[rateAllocations].retry(lim, now) > 0
	switch {
	case rule.Shadow:
		if over {
			s.counts.shadowed[LimitRate].Add(1)
		}
	case s.unheardLocked(rule, now):
		s.counts.unheard[LimitRate].Add(1)
		switch {
		case rule.OnStoreError == Deny:
			d.refuse(LimitRate, StoreAway)
		case rule.OnStoreError == Local && over:
			d.refuse(LimitRate, RateReached)
		}
	case over:
		d.refuse(LimitRate, RateReached)
	case rule.Strict:
		d.ask = true
	}
}

// Mint asks for one credential for the subject's user. It waits for the store only
// if the limit is strict, and no longer than the deadline.
func (s *Shared) Mint(ctx context.Context, who Subject, lim PerMinute) (RateAnswer, Refusal) {
	user, ok := who.account(OfUser)
	if !ok || lim.Events == 0 {
		return RateAnswer{Allowed: true}, None
	}
	rule := s.rules.Load()[LimitMint]
	s.mu.Lock()
	heard := !s.unheardLocked(rule, s.o.Now())
	s.mu.Unlock()
	var err error
	if rule.Strict && !rule.Shadow && heard {
		var answer RateAnswer
		if answer, err = s.mintStrictly(ctx, user, lim); err == nil {
			return answer, s.minted(answer.Allowed, RateReached)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if err != nil {
		s.failedLocked(err)
	}
	retry := s.peekLocked(user).rates[rateCredentials].retry(lim, now)
	switch unheard := err != nil || !heard; {
	case rule.Shadow && retry > 0:
		s.counts.shadowed[LimitMint].Add(1)
	case rule.Shadow, unheard && rule.OnStoreError == Allow:
	case unheard && rule.OnStoreError == Deny:
		return RateAnswer{Retry: time.Second}, s.minted(false, StoreAway)
	case retry > 0:
		return RateAnswer{Retry: retry}, s.minted(false, RateReached)
	}
	if s.crowdedLocked(user) {
		return RateAnswer{Retry: time.Second}, s.minted(false, AccountsFull)
	}
	s.chargeLocked(s.stateLocked(user), rateCredentials, lim, true, now)
	return RateAnswer{Allowed: true}, None
}

func (s *Shared) minted(allowed bool, r Refusal) Refusal {
	if allowed {
		return None
	}
	s.counts.refused[LimitMint].Add(1)
	return r
}

func (s *Shared) mintStrictly(ctx context.Context, user Account, lim PerMinute) (RateAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Deadline)
	defer cancel()
	return s.o.Store.Rate(ctx, user, rateNames[rateCredentials], lim, 1)
}

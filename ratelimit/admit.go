package ratelimit

import (
	"math"
	"time"
)

// decision is what memory says to a reservation.
type decision struct {
	refusal Refusal
	by      Limit  // that refused
	ask     bool   // the store has to be asked
	local   Limits // for the ledger
	limits  Limits // as they are
	places  []Place
}

func (d *decision) refuse(by Limit, r Refusal) {
	if d.refusal == None {
		d.refusal, d.by = r, by
	}
}

// known is for how long a node believes that an account is full without asking.
const known = time.Second

// Reserve takes a place for one allocation of the subject, as [Ledger.Reserve]
// does, for all nodes. It returns at once. If asked is false, that is the answer.
// If it is true the store is asked, and done is called once from another
// goroutine, within the deadline: the caller parks the request until then.
//
// Confirm and Release of the reservation are for the whole fleet.
func (s *Shared) Reserve(who Subject, lim Limits, now time.Time, done func(*Reservation, Refusal)) (r *Reservation, refusal Refusal, asked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if user, ok := who.account(OfUser); ok && s.crowdedLocked(user) {
		return nil, AccountsFull, false
	}
	d := s.decideLocked(who, lim, now)
	if d.refusal != None {
		s.counts.refused[d.by].Add(1)
		return nil, d.refusal, false
	}
	if r, refusal = s.o.Ledger.Reserve(who, d.local, now); refusal != None {
		return nil, refusal, false
	}
	s.enterLocked(r, &d, now)
	if !d.ask {
		return r, None, false
	}
	select {
	case s.asks <- ask{reservation: r, decision: d, until: now.Add(s.o.Deadline), done: done}:
		s.counts.asking.Add(1)
		return nil, None, true
	default: // too many wait: as good as away
	}
	if refusal = s.unaskedLocked(&d); refusal != None {
		s.counts.refused[d.by].Add(1)
		s.leaveLocked(r.lease, now)
		r.lease = nil
		r.Release(now)
		return nil, refusal, false
	}
	return r, None, false
}

func (s *Shared) decideLocked(who Subject, lim Limits, now time.Time) decision {
	rules := s.rules.Load()
	d := decision{local: lim, limits: lim}
	s.placesLocked(&d, rules, who, now)
	if user, ok := who.account(OfUser); ok {
		s.rateLocked(&d, rules[LimitRate], user, now)
		s.bytesLocked(&d, rules[LimitBytes], user, now)
	}
	return d
}

func (l *Limits) places(k Kind) *int {
	return [NumKinds]*int{OfUser: &l.UserAllocations, OfTenant: &l.TenantAllocations, OfNetwork: &l.NetworkAllocations}[k]
}

// placesLocked decides about the places by what was last heard.
func (s *Shared) placesLocked(d *decision, rules *Rules, who Subject, now time.Time) {
	for k := range Kind(NumKinds) {
		a, ok := who.account(k)
		if !ok {
			continue
		}
		local, by := d.local.places(k), Limit(k)
		limit, rule, st := *local, rules[k], s.peekLocked(a)
		d.places = append(d.places, Place{Account: a, Limit: limit, Force: rule.Shadow})
		mine := len(st.holds)
		switch full := mine+st.others >= limit; {
		case limit == 0:
		case rule.Shadow:
			if *local = 0; full {
				s.counts.shadowed[by].Add(1)
			}
		case s.unheardLocked(rule, now):
			s.counts.unheard[by].Add(1)
			switch {
			case rule.OnStoreError == Deny:
				d.refuse(by, StoreAway)
			case rule.OnStoreError == Allow:
				*local = 0
			case full:
				d.refuse(by, fullOf(k))
			}
		case limit < 0, mine >= limit, full && now.Sub(st.heard) < known:
			d.refuse(by, fullOf(k))
		case full, rule.Strict, st.novel >= maxUnsettled:
			d.ask = true
		}
	}
}

func fullOf(k Kind) Refusal { return full[k] }

// bytesLocked decides whether anything is left to spend.
func (s *Shared) bytesLocked(d *decision, rule Rule, user Account, now time.Time) {
	day, month := d.limits.UserBytesPerDay, d.limits.UserBytesPerMonth
	d.local.UserBytesPerDay = math.MaxInt64 // counted in any case
	g := s.peekLocked(user).grant
	switch {
	case day == 0 && month == 0, rule.Shadow:
	case day < 0 || month < 0:
		d.refuse(LimitBytes, DayBytesSpent)
	case g != nil && g.limited() && g.room() > 0:
	case s.unheardLocked(rule, now):
		s.counts.unheard[LimitBytes].Add(1)
		switch {
		case rule.OnStoreError == Deny:
			d.refuse(LimitBytes, StoreAway)
		case rule.OnStoreError == Local && g != nil && g.limited() && g.left <= 0:
			d.refuse(LimitBytes, DayBytesSpent)
		}
	case g != nil && g.limited() && g.left <= 0 && now.Sub(g.heard) < known:
		d.refuse(LimitBytes, DayBytesSpent)
	case rule.Strict, g != nil && g.limited() && g.left <= 0:
		d.ask = true
	}
}

// enterLocked makes a reservation one of the fleet.
func (s *Shared) enterLocked(r *Reservation, d *decision, now time.Time) {
	l := &lease{shared: s, member: s.nameLocked()}
	r.lease = l
	for _, p := range d.places {
		st := s.stateLocked(p.Account)
		if d.ask {
			st.addLocked(l, time.Time{})
		} else {
			st.addLocked(l, now)
			s.hurryLocked(st)
		}
		st.local = r.accounts[p.Kind]
		if st.limit = p.Limit; p.Force {
			st.limit = 0
		}
		l.states = append(l.states, st)
		if p.Kind == OfUser {
			st.bits = d.limits.UserBits
			s.meterLocked(st, d.limits, now)
			s.chargeLocked(st, rateAllocations, d.limits.UserAllocationRate, !d.ask, now)
		}
		st.shareLocked(now)
	}
}

// leaveLocked gives the places of a lease back, and to the store as soon as may be.
func (s *Shared) leaveLocked(l *lease, now time.Time) {
	for _, st := range l.states {
		st.dropLocked(l)
		s.freeLocked(Holding{Account: st.account, Members: []string{l.member}})
		if len(st.holds) == 0 {
			st.local = nil
			if st.grant != nil {
				s.hurryLocked(st) // what it has left is for others
			}
		}
		s.forgetLocked(st, now)
	}
	s.hurry()
}

// maxFreed bounds the releases that wait. One that finds no room lapses.
const maxFreed = 1 << 16

func (s *Shared) freeLocked(h Holding) {
	if len(s.freed) >= maxFreed {
		s.counts.lost.Add(1)
		return
	}
	s.freed = append(s.freed, h)
}

// confirm has the lease renewed for its whole time.
func (l *lease) confirm() {
	s := l.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for _, st := range l.states {
		if h := st.holds[l]; h != nil && h.due.IsZero() {
			h.due = now
			s.hurryLocked(st) // the store holds it for a few seconds only
		}
	}
}

func (l *lease) release(now time.Time) {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	l.shared.leaveLocked(l, now)
}

// setLimits holds a living session's user to others. Its bytes come from a grant,
// and of its rate this node has a part.
func (l *lease) setLimits(lim Limits, now time.Time) {
	s := l.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range l.states {
		if st.account.Kind != OfUser || st.holds[l] == nil {
			continue
		}
		st.bits = lim.UserBits
		st.local.rate.setRate(lim.UserBits, ticks(st.local.base, now))
		st.shareLocked(now)
		s.meterLocked(st, lim, now)
	}
}

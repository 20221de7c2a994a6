package ratelimit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	askers      = 16 // questions on their way
	longestRest = 2 * time.Second
	patience    = 2 * time.Second // of a round with the store
)

// Run keeps the fleet's and this node's knowledge together until ctx ends. Then it
// settles what was spent, and gives places and bytes back.
func (s *Shared) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range askers {
		workers.Go(func() { s.answers(ctx) })
	}
	if s.o.OnRevocation != nil {
		workers.Go(func() { s.followRevocations(ctx) })
	}
	rest := time.Duration(0)
	for timer := time.NewTimer(0); ctx.Err() == nil; {
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
			if s.round(ctx, true); s.Stats().Away {
				rest = min(max(2*rest, s.o.Interval/4), longestRest)
			} else {
				rest = s.o.Interval
			}
			timer.Reset(rest*3/4 + rand.N(rest/2))
		case <-s.kick:
			s.round(ctx, false)
		}
	}
	workers.Wait()
	s.farewell()
}

// Step does by hand what Run does once an interval: for whoever has a clock of its
// own.
func (s *Shared) Step(ctx context.Context) { s.round(ctx, true) }

// answers asks the questions of those who wait, and at the end tells them that
// nobody will be asked.
func (s *Shared) answers(ctx context.Context) {
	for {
		select {
		case a := <-s.asks:
			s.answer(ctx, a)
		case <-ctx.Done():
			for {
				select {
				case a := <-s.asks:
					s.answer(ctx, a)
				default:
					return
				}
			}
		}
	}
}

// work of a round with the store.
type work struct {
	renew   []Holding
	renewed []*state
	leases  [][]*lease
	views   []view
	settle  []sent
	freed   []Holding
	report  []*state
	records []Entry
}

// round brings everything that is due to the store; a full one looks for it
// everywhere, others where there is a hurry.
func (s *Shared) round(ctx context.Context, all bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.mu.Lock()
	failed := s.failed
	s.mu.Unlock()
	if all {
		s.readEpoch(ctx)
	}
	now := s.o.Now()
	s.mu.Lock()
	w := s.collectLocked(now, all)
	s.mu.Unlock()
	if w == nil {
		return
	}
	s.renew(ctx, w)
	s.settle(ctx, w)
	s.release(ctx, w)
	s.report(ctx, w)
	s.store(ctx, w)
	if all {
		s.tellNodes(ctx)
		s.mu.Lock()
		if s.failed == failed {
			s.servedLocked()
		}
		s.mu.Unlock()
	}
}

// readEpoch finds out whether the store is there and what it remembers.
func (s *Shared) readEpoch(ctx context.Context) {
	e, err := s.o.Store.Epoch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failedLocked(err)
		return
	}
	now := s.o.Now()
	if s.away == absent {
		s.returnedLocked(e, now)
	}
	s.again = s.again || e.ID != s.epoch.ID
	s.epoch, s.asOf, s.away = e, now, present
}

// collectLocked gathers the work. While the store is away there is none but to help
// out with bytes.
func (s *Shared) collectLocked(now time.Time, all bool) *work {
	states := s.dirtyLocked(all)
	if s.away != present {
		for _, st := range states {
			if g := st.grant; g != nil && g.busy == nil {
				s.turnLocked(g, now)
				g.reckon(now, s.o.Interval)
				if g.low() && len(st.holds) > 0 {
					s.creditLocked(g, now)
				}
			}
		}
		return nil
	}
	again := all && s.again
	if again {
		s.again = false
	}
	w := &work{freed: s.freed, records: s.record}
	s.freed, s.record = nil, nil
	for _, st := range states {
		s.collectHoldsLocked(w, st, now, again)
		if st.grant != nil {
			w.settle = append(w.settle, s.settleLocked(st.grant, now, again)...)
			s.dropGrantLocked(st)
		}
		if st.rates[rateAllocations].report+st.rates[rateCredentials].report > 0 {
			w.report = append(w.report, st)
		}
		s.forgetLocked(st, now)
	}
	return w
}

func (s *Shared) dirtyLocked(all bool) []*state {
	for {
		select {
		case g := <-s.rings:
			s.hurryLocked(g.of)
			continue
		default:
		}
		break
	}
	states := s.dirty
	s.dirty = nil
	for _, st := range states {
		st.dirty = false
	}
	if all {
		states = states[:0]
		for _, st := range s.states {
			states = append(states, st)
		}
	}
	return states
}

func (s *Shared) collectHoldsLocked(w *work, st *state, now time.Time, again bool) {
	var members []string
	var leases []*lease
	for l, h := range st.holds {
		if !h.due.IsZero() && (again || !h.due.After(now)) {
			members, leases = append(members, l.member), append(leases, l)
		}
	}
	if len(members) > 0 {
		w.renew = append(w.renew, Holding{Account: st.account, Members: members})
		w.renewed, w.leases = append(w.renewed, st), append(w.leases, leases)
		w.views = append(w.views, st.viewLocked())
	}
}

// dropGrantLocked forgets a grant of which nothing is spent today, nor to be told.
// Where many are remembered it also forgets those that nothing limits, once the
// store knows what was spent: users with random names are more than fit. Else they
// stay for the day, since a new grant is a new holder in the store.
func (s *Shared) dropGrantLocked(st *state) {
	g := st.grant
	if g.busy != nil || g.stale || len(st.holds) > 0 || len(g.past) > 0 {
		return
	}
	spent := g.window.spent.Load()
	told := g.spent == spent && g.upwards == spent && !g.limited()
	if spent == 0 && g.spent == 0 || told && len(s.states) > int(s.o.Ledger.maxAccounts)/2 {
		st.grant = nil
	}
}

// crowdedLocked: there is no room for another user.
func (s *Shared) crowdedLocked(user Account) bool {
	return s.states[user] == nil && len(s.states) >= int(s.o.Ledger.maxAccounts)
}

func (s *Shared) renew(ctx context.Context, w *work) {
	if len(w.renew) == 0 {
		return
	}
	held := s.o.Store.Renew(ctx, w.renew, s.o.Lease)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for i, st := range w.renewed {
		if err := held[i].Err; err != nil {
			s.failedLocked(err)
			continue
		}
		s.counts.renewed.Add(1)
		added := 0
		for _, l := range w.leases[i] {
			if h := st.holds[l]; h != nil { // or it was released meanwhile, and the store hears of that later
				if st.settledLocked(h) {
					added++
				}
				h.due = now.Add(s.o.Lease/4 + rand.N(s.o.Lease/12))
			}
		}
		if over := min(added, held[i].Count-st.limit); st.limit > 0 && over > 0 {
			s.counts.over[st.account.Kind].Add(uint64(over))
		}
		st.hearLocked(held[i].Count, added, w.views[i], now)
	}
}

func (s *Shared) settle(ctx context.Context, w *work) {
	if len(w.settle) == 0 {
		return
	}
	all := make([]Settlement, len(w.settle))
	for i := range w.settle {
		all[i] = w.settle[i].x
	}
	granted := s.o.Store.Settle(ctx, all)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for i, x := range w.settle {
		if err := s.heardLocked(x, granted[i], now); err != nil && !errors.Is(err, ErrLate) {
			s.failedLocked(err)
		}
	}
}

func (s *Shared) release(ctx context.Context, w *work) {
	if len(w.freed) == 0 {
		return
	}
	if err := s.o.Store.Release(ctx, w.freed); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.failedLocked(err)
		for _, h := range w.freed {
			s.freeLocked(h)
		}
	}
}

// report tells the store of events that were let in without asking.
func (s *Shared) report(ctx context.Context, w *work) {
	for _, st := range w.report {
		for i := range numRates {
			s.mu.Lock()
			r := &st.rates[i]
			n, lim := r.report, r.lim
			r.report = 0
			s.mu.Unlock()
			if n == 0 {
				continue
			}
			answer, err := s.o.Store.Rate(ctx, st.account, rateNames[i], lim, n)
			s.mu.Lock()
			if err != nil {
				s.failedLocked(err)
			} else if !answer.Allowed {
				r.blocked = s.o.Now().Add(answer.Retry)
			}
			s.mu.Unlock()
		}
	}
}

// farewell ends what this node holds, and says what it is now: it would else be
// handed out to clients until its announcement lapses.
func (s *Shared) farewell() {
	s.mu.Lock()
	s.told = time.Time{}
	for _, st := range s.states {
		if len(st.holds) > 0 {
			h := Holding{Account: st.account}
			for l := range st.holds {
				h.Members = append(h.Members, l.member)
				st.dropLocked(l)
			}
			s.freed = append(s.freed, h)
		}
	}
	s.mu.Unlock()
	s.round(context.Background(), true)
	s.round(context.Background(), true) // tenants hear of what users have spent
}

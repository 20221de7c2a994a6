package ratelimit

import (
	"context"
	"time"
)

// sent is a settlement on its way.
type sent struct {
	g     *grant
	x     Settlement
	spent int64
	chunk int64
	past  string // name of the window, if it is one that is over
}

// settleLocked are the settlements that a grant is due, in order.
func (s *Shared) settleLocked(g *grant, now time.Time, again bool) (all []sent) {
	if g.busy != nil {
		return nil
	}
	s.turnLocked(g, now)
	g.reckon(now, s.o.Interval)
	for _, p := range g.past {
		w := p.window
		w.Have += p.spent.spent.Load()
		all = append(all, sent{g: g, x: s.numberedLocked(g, w), past: w.Name})
	}
	if again || g.dueLocked(now) {
		all = append(all, s.currentLocked(g, now))
	}
	if len(all) > 0 {
		g.busy = make(chan struct{})
	}
	return all
}

// dueLocked reports whether there is something to tell of the current windows.
func (g *grant) dueLocked(now time.Time) bool {
	spent, idle := g.window.spent.Load(), len(g.of.holds) == 0
	if g.limited() {
		return g.stale || g.low() || g.seq == 0 || idle && (g.room() > 0 || spent != g.spent)
	}
	return g.stale || spent != g.spent && (idle || now.Sub(g.heard) >= postpaid)
}

func (s *Shared) numberedLocked(g *grant, windows ...Window) Settlement {
	g.seq++
	return Settlement{Epoch: s.epoch.ID, Account: g.of.account, Holder: g.holder, Seq: g.seq, Windows: windows}
}

// currentLocked says what the grant has of the current windows, asks for more if
// somebody may spend it, and gives back what nobody will.
func (s *Shared) currentLocked(g *grant, now time.Time) sent {
	x := sent{g: g, spent: g.window.spent.Load(), chunk: g.chunk()}
	have, want := x.spent, int64(0)
	if a := g.window.lease; g.limited() {
		switch {
		case len(g.of.holds) == 0:
			a.granted.Store(x.spent)
		case !s.unheardLocked(s.rules.Load()[LimitBytes], now):
			want = max(0, x.chunk-g.room())
		case g.low():
			s.creditLocked(g, now)
		}
		have = a.granted.Load()
	}
	day, month := g.span.day, g.span.month
	day.Have, day.Limit = have, g.day
	month.Have, month.Limit = g.before+have, g.month
	x.x, g.stale = s.numberedLocked(g, day, month), true
	x.x.Want, x.x.Share, x.x.Least = want, 2*max(1, len(s.nodes)), leastPart
	s.chargeTenantLocked(g, x.spent)
	return x
}

// chargeTenantLocked adds what a user has spent to its tenant's.
func (s *Shared) chargeTenantLocked(g *grant, spent int64) {
	if delta := spent - g.upwards; g.of.account.Kind == OfUser && delta != 0 {
		st := s.stateLocked(Account{Kind: OfTenant, Tenant: g.of.account.Tenant})
		if st.grant == nil {
			s.grantLocked(st, s.o.Now())
		}
		st.grant.window.spent.Add(delta)
		g.upwards = spent
	}
}

// heardLocked takes the answer.
func (s *Shared) heardLocked(x sent, got Granted, now time.Time) error {
	g := x.g
	if g.busy != nil { // of several, the first answer
		close(g.busy)
		g.busy = nil
	}
	if got.Err != nil {
		return got.Err
	}
	s.counts.settled.Add(1)
	if x.past != "" {
		for i := range g.past {
			if g.past[i].window.Name == x.past {
				g.past = append(g.past[:i:i], g.past[i+1:]...)
				break
			}
		}
		return nil
	}
	g.stale = false
	g.left, g.heard, g.spent = got.Left, now, x.spent
	if g.limited() {
		s.counts.grantedBytes.Add(uint64(got.Bytes))
		g.give(got.Bytes, x.x.Want, x.chunk)
	}
	return nil
}

// firstGrant asks for the first bytes of who waits, if it has none. If a round is
// asking already, it waits for that answer.
func (s *Shared) firstGrant(ctx context.Context, user Account) (Refusal, error) {
	for {
		s.mu.Lock()
		g := s.peekLocked(user).grant
		if g == nil || !g.limited() || g.room() > 0 {
			s.mu.Unlock()
			return None, nil
		}
		if busy := g.busy; busy != nil {
			s.mu.Unlock()
			select {
			case <-busy:
				continue
			case <-ctx.Done():
				return None, ctx.Err()
			}
		}
		x := s.currentLocked(g, s.o.Now())
		g.busy = make(chan struct{})
		s.mu.Unlock()
		got := s.o.Store.Settle(ctx, []Settlement{x.x})[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.heardLocked(x, got, s.o.Now()); err != nil {
			return None, err
		}
		if g.room() <= 0 {
			return DayBytesSpent, nil
		}
		return None, nil
	}
}

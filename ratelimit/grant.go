package ratelimit

import (
	"math"
	"time"
)

const (
	minChunk  = 1 << 20 // of bytes taken ahead
	maxChunk  = 64 << 20
	leastPart = 64 << 10 // of the last bytes, however many nodes ask
	maxPast   = 8
	// postpaid is how often bytes without a limit are settled.
	postpaid = 5 * time.Second
)

// grant is what a node has of an account's bytes; guarded by the Shared's mu, but
// for the counters of its window. Of the settlements one is on its way at a time:
// they replace each other.
type grant struct {
	of     *state
	holder string
	seq    int64
	busy   chan struct{} // closed when the answer is there; nil: none is on its way
	stale  bool          // the store may not have heard the newest of the current windows

	span   span
	window *window
	before int64 // spent in earlier days of the month
	past   []past

	day, month int64     // limits
	left       int64     // nobody's, as last heard, less what was taken unheard
	heard      time.Time // when that was
	spent      int64     // when it was last settled
	upwards    int64     // of it, what the tenant has been charged

	rate   float64   // bytes a second of late
	mark   int64     // spent when that was reckoned
	marked time.Time // when it was
}

// past is a day that is over and not settled.
type past struct {
	window Window
	spent  *window
}

func (g *grant) limited() bool { return g.day != 0 || g.month != 0 }

// room is what is left of the bytes taken ahead.
func (g *grant) room() int64 { return g.window.lease.granted.Load() - g.window.spent.Load() }

// ahead is for how long a chunk lasts at the rate of late. It is asked for again at
// half, so that a store may be away for half of it before anyone notices.
const ahead = 10 * time.Second

func (g *grant) chunk() int64 { return max(minChunk, min(int64(g.rate*ahead.Seconds()), maxChunk)) }

// reckon takes the rate since it was last asked, in every full round at least.
func (g *grant) reckon(now time.Time, interval time.Duration) {
	if took := now.Sub(g.marked); took >= interval/4 {
		spent := g.window.spent.Load()
		rate := float64(spent-g.mark) / took.Seconds()
		g.rate = max(rate, (g.rate+rate)/2) // up at once, down slowly
		g.mark, g.marked = spent, now
	}
}

// low reports whether it is time for more.
func (g *grant) low() bool {
	return g.limited() && g.window.spent.Load() >= g.window.lease.alarm.Load()
}

// give adds bytes to what may be spent and sets the alarm at half of a chunk. If
// there were none to be had it is silent, and the next full round asks again.
func (g *grant) give(bytes, want, chunk int64) {
	a := g.window.lease
	a.granted.Add(bytes)
	a.alarm.Store(a.granted.Load() - chunk/2)
	a.rung.Store(bytes == 0 && want > 0)
}

// limit changes the limits: what was not limited has no more than it has spent.
func (g *grant) limit(day, month int64) {
	if was := g.limited(); was && day == 0 && month == 0 {
		g.window.lease.granted.Store(math.MaxInt64)
		g.window.lease.alarm.Store(math.MaxInt64)
	} else if !was && (day != 0 || month != 0) {
		g.window.lease.granted.Store(g.window.spent.Load())
		g.window.lease.alarm.Store(0)
		g.left = lesser(day, month)
	}
	g.day, g.month = day, month
}

// lesser of two limits of which 0 is none.
func lesser(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// meterLocked has the user's bytes counted, and limits them.
func (s *Shared) meterLocked(st *state, lim Limits, now time.Time) {
	day, month := lim.UserBytesPerDay, lim.UserBytesPerMonth
	rule := s.rules.Load()[LimitBytes]
	if rule.Shadow {
		day, month = 0, 0
	}
	g := st.grant
	if g == nil {
		g = s.grantLocked(st, now)
	}
	g.limit(day, month)
	if st.local != nil {
		st.local.bytes.window.Store(g.window)
	}
	if g.limited() && g.room() <= 0 && (g.seq == 0 && !rule.Strict || s.unheardLocked(rule, now)) {
		s.creditLocked(g, now)
	}
	if g.limited() {
		s.hurryLocked(st)
	}
}

func (s *Shared) grantLocked(st *state, now time.Time) *grant {
	g := &grant{of: st, holder: s.nameLocked(), span: s.span(now), heard: now, marked: now}
	st.grant = g
	g.window = s.windowOf(g)
	return g
}

func (s *Shared) windowOf(g *grant) *window {
	a := &advance{ring: func() {
		select {
		case s.rings <- g:
		default: // the next round sees it
		}
		s.hurry()
	}}
	if !g.limited() {
		a.granted.Store(math.MaxInt64)
		a.alarm.Store(math.MaxInt64)
	}
	return &window{lease: a}
}

// creditLocked lets a grant have bytes unasked: the first of a limit that is not
// strict, and what on_store_error says while the store can't be asked. The store hears of
// it with the next settlement.
func (s *Shared) creditLocked(g *grant, now time.Time) {
	chunk := g.chunk()
	want := max(0, chunk-g.room())
	bytes := want
	switch rule := s.rules.Load()[LimitBytes]; {
	case !s.unheardLocked(rule, now) || rule.OnStoreError == Local:
		bytes = max(0, min(bytes, g.left))
		g.left -= bytes
	case rule.OnStoreError == Deny:
		bytes = 0
	}
	g.give(bytes, want, chunk)
}

// turnLocked begins a new day. What is left of the old one is not carried over; it
// has carried the calls until here.
func (s *Shared) turnLocked(g *grant, now time.Time) {
	if now.Before(g.span.day.End) {
		return
	}
	if g.past = append(g.past, past{g.span.day, g.window}); len(g.past) > maxPast {
		g.past = g.past[1:]
		s.counts.lost.Add(1)
	}
	spent := g.window.spent.Load()
	next := s.span(now)
	if next.month.Name == g.span.month.Name {
		g.before += spent
	} else {
		month := past{g.span.month, g.window}
		month.window.Have = g.before
		g.past, g.before = append(g.past, month), 0
	}
	s.chargeTenantLocked(g, spent)
	g.span, g.spent, g.upwards, g.mark = next, 0, 0, 0
	g.window = s.windowOf(g)
	if g.limited() {
		if g.left = g.day; g.month != 0 {
			g.left = max(0, lesser(g.day, max(1, g.month-g.before)))
		}
		if rule := s.rules.Load()[LimitBytes]; !rule.Strict || s.unheardLocked(rule, now) {
			s.creditLocked(g, now)
		}
	}
	if g.of.local != nil {
		g.of.local.bytes.window.Store(g.window)
	}
}

package ratelimit

import (
	"sync/atomic"
	"time"
)

// dayOf numbers the UTC calendar days since 1970.
func dayOf(now time.Time) int64 {
	s := now.Unix()
	if s < 0 {
		return 0 // no real clock is there; it keeps the division simple
	}
	return s / 86400
}

// daily counts bytes within a day. A new day is a new window, never a reset
// one: a take that still holds yesterday's charges and returns it there.
type daily struct {
	limit  atomic.Int64 // bytes a day; 0: no limit and no counting; below: nothing passes
	window atomic.Pointer[window]
}

type window struct {
	day   int64
	spent atomic.Int64
	lease *advance // nil: the account's limit holds, for the day
}

// advance is what a window may spend if its bytes are taken ahead from what nodes
// share. It is then up to whoever takes them ahead when a day is over: what is left
// at midnight carries calls over it.
type advance struct {
	granted atomic.Int64
	alarm   atomic.Int64 // when so many are spent, it is time for more
	rung    atomic.Bool  // that has been said
	ring    func()       // says it; waits for nothing
}

func (a *advance) spent(n int64) {
	if n >= a.alarm.Load() && !a.rung.Load() && a.rung.CompareAndSwap(false, true) {
		a.ring()
	}
}

// covers reports whether the window counts for today. Tomorrow's does too: a
// clock set back across midnight by a second must not grant a second budget,
// while one that had been wrong by days must not keep an old one for ever.
func (w *window) covers(today int64) bool {
	return w != nil && (w.lease != nil || w.day == today || w.day == today+1)
}

// take lets n bytes pass, or not. charged is where to give them back; nil if
// they were not counted.
func (d *daily) take(n int, today int64) (charged *window, ok bool) {
	limit := d.limit.Load()
	if limit == 0 || n <= 0 {
		return nil, true
	}
	w := d.current(today)
	for {
		old := w.spent.Load()
		if w.lease != nil {
			limit = w.lease.granted.Load()
			w.lease.spent(old + int64(n))
		}
		if int64(n) > limit-old {
			return nil, false
		}
		if w.spent.CompareAndSwap(old, old+int64(n)) {
			return w, true
		}
	}
}

func (w *window) giveBack(n int) {
	if w != nil {
		w.spent.Add(-int64(n))
	}
}

// current is the window that covers today; the first take of a day makes it.
func (d *daily) current(today int64) *window {
	for {
		w := d.window.Load()
		if w.covers(today) {
			return w
		}
		if fresh := (&window{day: today}); d.window.CompareAndSwap(w, fresh) {
			return fresh
		}
	}
}

// spent is what was counted today.
func (d *daily) spent(today int64) int64 {
	if w := d.window.Load(); w.covers(today) {
		return w.spent.Load()
	}
	return 0
}

// advanced reports whether what is spent is taken ahead from what nodes share.
func (d *daily) advanced() bool {
	w := d.window.Load()
	return w != nil && w.lease != nil
}

// exhausted reports whether not even one byte is left.
func (d *daily) exhausted(today int64) bool {
	limit := d.limit.Load()
	return limit != 0 && d.spent(today) >= limit
}

package memstore

import (
	"context"
	"math"
	"time"

	"turnpike/ratelimit"
)

type rateKey struct {
	account ratelimit.Account
	name    string
}

// Rate is a GCRA in whole microseconds.
func (s *Store) Rate(_ context.Context, a ratelimit.Account, name string, lim ratelimit.PerMinute, n int) (ratelimit.RateAnswer, error) {
	now, unlock := s.lock()
	defer unlock()
	each := lim.Each()
	most := each * time.Duration(lim.Burst)
	k := rateKey{a, name}
	tat := s.rates[k]
	if tat.Before(now) {
		tat = now
	}
	next := tat.Add(each * time.Duration(n))
	switch late := next.Sub(now) - most; {
	case n > lim.Burst:
		return ratelimit.RateAnswer{Remaining: int((most - tat.Sub(now)) / each), Retry: -1}, nil
	case late > 0:
		return ratelimit.RateAnswer{Remaining: int((most - tat.Sub(now)) / each), Retry: late}, nil
	}
	s.rates[k] = next
	return ratelimit.RateAnswer{Allowed: true, Remaining: int((most - next.Sub(now)) / each)}, nil
}

type windowKey struct {
	account ratelimit.Account
	name    string
}

type window struct {
	total   int64
	holders map[string]*holder
	ends    time.Time
	limited bool // it must not be forgotten before
}

// holder is what a node has of a window, and its last settlement.
type holder struct {
	seq, has, bytes int64
}

// windowLocked is nil if there are too many.
func (s *Store) windowLocked(a ratelimit.Account, w ratelimit.Window) *window {
	k := windowKey{a, w.Name}
	x := s.windows[k]
	if x == nil {
		if len(s.windows) >= s.most && !s.evictLocked() {
			return nil
		}
		x = &window{holders: map[string]*holder{}, ends: w.End.Add(w.Keep)}
		s.windows[k] = x
	}
	x.limited = x.limited || w.Limit != 0
	return x
}

// evictLocked forgets what a user has spent that nothing limits, of a few windows
// in no order. With random names users are more than fit, and nobody asks for them.
func (s *Store) evictLocked() bool {
	const tries = 64
	n := 0
	for k, w := range s.windows {
		if k.account.Kind == ratelimit.OfUser && !w.limited {
			delete(s.windows, k)
			return true
		}
		if n++; n == tries {
			break
		}
	}
	return false
}

// Settle takes each settlement under the lock.
func (s *Store) Settle(_ context.Context, all []ratelimit.Settlement) []ratelimit.Granted {
	_, unlock := s.lock()
	defer unlock()
	granted := make([]ratelimit.Granted, len(all))
	for i, x := range all {
		if x.Epoch != "" && x.Epoch != s.id {
			granted[i].Err = ratelimit.ErrEpoch
			continue
		}
		granted[i] = s.settleLocked(x)
	}
	return granted
}

func (s *Store) settleLocked(x ratelimit.Settlement) ratelimit.Granted {
	kept := make([]*window, len(x.Windows))
	var last *holder // of the window that has heard the newest
	for i, w := range x.Windows {
		if kept[i] = s.windowLocked(x.Account, w); kept[i] == nil {
			return ratelimit.Granted{} // nothing is let in that could not be counted
		}
		h := kept[i].holders[x.Holder]
		if h == nil {
			h = &holder{}
			kept[i].holders[x.Holder] = h
		}
		if last == nil || h.seq > last.seq {
			last = h
		}
	}
	if x.Seq < last.seq {
		return ratelimit.Granted{Err: ratelimit.ErrLate}
	}
	again := x.Seq == last.seq
	left := int64(math.MaxInt64)
	for i, w := range x.Windows {
		if h := kept[i].holders[x.Holder]; !again {
			kept[i].total += w.Have - h.has
			h.has = w.Have
		}
		if w.Limit != 0 {
			left = min(left, max(0, w.Limit-kept[i].total))
		}
	}
	if again {
		return ratelimit.Granted{Bytes: last.bytes, Left: left}
	}
	bytes := ratelimit.ShareOf(left, x)
	for _, w := range kept {
		h := w.holders[x.Holder]
		h.seq, h.has, h.bytes = x.Seq, h.has+bytes, bytes
		w.total += bytes
	}
	if left != math.MaxInt64 {
		left -= bytes
	}
	return ratelimit.Granted{Bytes: bytes, Left: left}
}

// Usage of windows that are not there is 0.
func (s *Store) Usage(_ context.Context, a ratelimit.Account, windows []string) ([]int64, error) {
	now, unlock := s.lock()
	defer unlock()
	used := make([]int64, len(windows))
	for i, name := range windows {
		if w := s.windows[windowKey{a, name}]; w != nil && w.ends.After(now) {
			used[i] = w.total
		}
	}
	return used, nil
}

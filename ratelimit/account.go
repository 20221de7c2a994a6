package ratelimit

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"
)

const numShards = 64

// account of a user, a tenant or a network.
type account struct {
	key  Account
	base time.Time // of the rate's ticks

	live int // reservations; guarded by the shard's mu

	rate  bucket
	bytes daily
}

// terms are the limits of one account.
type terms struct {
	allocations int
	bits, bytes int64
}

func (l Limits) terms(k Kind) terms {
	switch k {
	case OfUser:
		return terms{allocations: l.UserAllocations, bits: l.UserBits, bytes: l.UserBytesPerDay}
	case OfTenant:
		return terms{allocations: l.TenantAllocations}
	}
	return terms{allocations: l.NetworkAllocations}
}

// full is the refusal for want of a place.
var full = [NumKinds]Refusal{OfUser: UserAllocations, OfTenant: TenantAllocations, OfNetwork: NetworkAllocations}

// limit sets what the sessions may carry.
func (a *account) limit(t terms, now time.Time) {
	a.rate.setRate(t.bits, ticks(a.base, now))
	a.bytes.limit.Store(t.bytes)
}

// worthKeeping: somebody holds a place, or bytes spent today must be remembered. Of
// those that were taken ahead a [Shared] does.
func (a *account) worthKeeping(today int64) bool {
	return a.live > 0 || !a.bytes.advanced() && a.bytes.spent(today) > 0
}

// shard is a part of the table under one lock, held for a few map operations,
// and once a day for a walk through the part.
type shard struct {
	mu       sync.Mutex // guards the following
	accounts map[Account]*account
	swept    int64 // the day for which accounts of earlier days have been removed
}

func (l *Ledger) shard(k Account) *shard {
	return &l.shards[maphash.Comparable(l.seed, k)%numShards]
}

// enter takes a place in an account, which it makes if need be.
func (l *Ledger) enter(k Account, t terms, now time.Time) (*account, Refusal) {
	a, refusal := l.tryEnter(k, t, now)
	if refusal == AccountsFull && l.sweep(dayOf(now)) {
		return l.tryEnter(k, t, now)
	}
	return a, refusal
}

func (l *Ledger) tryEnter(k Account, t terms, now time.Time) (*account, Refusal) {
	today := dayOf(now)
	s := l.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.sweepLocked(s, today)
	a := s.accounts[k]
	if a == nil {
		if a = l.addLocked(s, k, now); a == nil {
			return nil, AccountsFull
		}
	}
	a.limit(t, now)
	refusal := None
	switch {
	case t.allocations != 0 && a.live >= t.allocations:
		refusal = full[k.Kind]
	case a.bytes.exhausted(today):
		refusal = DayBytesSpent
	default:
		a.live++
		return a, None
	}
	l.dropLocked(s, a, today)
	return nil, refusal
}

// addLocked makes an account, or nil if there are too many.
func (l *Ledger) addLocked(s *shard, k Account, now time.Time) *account {
	if l.accounts.Add(1) > l.maxAccounts {
		l.accounts.Add(-1)
		return nil
	}
	// The names are parts of a username, which they would keep alive.
	k = Account{Kind: k.Kind, Tenant: strings.Clone(k.Tenant), Name: strings.Clone(k.Name)}
	a := &account{key: k, base: now}
	s.accounts[k] = a
	return a
}

// dropLocked removes an account that is not worth keeping.
func (l *Ledger) dropLocked(s *shard, a *account, today int64) {
	if !a.worthKeeping(today) {
		delete(s.accounts, a.key)
		l.accounts.Add(-1)
	}
}

// leave gives a place back.
func (l *Ledger) leave(a *account, now time.Time) {
	s := l.shard(a.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	a.live--
	l.dropLocked(s, a, dayOf(now))
	l.sweepLocked(s, dayOf(now))
}

func (l *Ledger) leaveAll(accounts [NumKinds]*account, now time.Time) {
	for _, a := range accounts {
		if a != nil {
			l.leave(a, now)
		}
	}
}

// sweep removes the accounts of earlier days everywhere and reports whether
// there may be room now. In a day it walks each shard once: nothing else
// becomes old before the next, so a full table costs a flood no more than 64
// locks a try.
func (l *Ledger) sweep(today int64) bool {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		l.sweepLocked(s, today)
		s.mu.Unlock()
	}
	return l.accounts.Load() < l.maxAccounts
}

func (l *Ledger) sweepLocked(s *shard, today int64) {
	if s.swept == today || s.swept == today+1 { // as window.covers: no walk a packet around midnight
		return
	}
	s.swept = today
	for _, a := range s.accounts {
		l.dropLocked(s, a, today)
	}
}

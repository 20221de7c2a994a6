package ratelimit

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// DefaultMaxAccounts is for [LedgerOptions.MaxAccounts]: about 40 MB when full.
const DefaultMaxAccounts = 1 << 17

// LedgerOptions of a [Ledger].
type LedgerOptions struct {
	// MaxAccounts bounds how many users and tenants are remembered: those with
	// a session, and users of a daily limit who spent some of it today. 0
	// means DefaultMaxAccounts. Users with random names (Nextcloud) and a
	// daily limit are one account for every call of the day.
	MaxAccounts int
}

// Subject is who an allocation is for.
type Subject struct {
	Tenant  string       // "" is a tenant like any other
	User    string       // "": no user is known, and limits a user do not apply
	Network netip.Prefix // of the client; none: limits a network do not apply
}

// account of the subject's user, tenant or network, if it has one.
func (w Subject) account(k Kind) (a Account, ok bool) {
	switch {
	case k == OfUser && w.User != "":
		return Account{Kind: OfUser, Tenant: w.Tenant, Name: w.User}, true
	case k == OfTenant:
		return Account{Kind: OfTenant, Tenant: w.Tenant}, true
	case k == OfNetwork && w.Network.IsValid():
		return Account{Kind: OfNetwork, Name: w.Network.String()}, true
	}
	return Account{}, false
}

// Limits of a subject. 0 means no such limit; below 0 nothing is let in.
type Limits struct {
	UserAllocations   int   // at the same time
	TenantAllocations int   // at the same time, all users of the tenant
	SessionBits       int64 // bit/s of this session
	UserBits          int64 // bit/s of all sessions of the user
	UserBytesPerDay   int64 // a UTC day

	NetworkAllocations int // at the same time, all clients of the network

	// Of a Shared alone: a Ledger has no months and no such rate.
	UserBytesPerMonth  int64 // a month of the calendar
	UserAllocationRate PerMinute
}

// Ledger keeps the accounts of users and tenants. It is safe for concurrent
// use, and its memory is bounded by MaxAccounts and the live reservations.
type Ledger struct {
	seed        maphash.Seed
	shards      [numShards]shard
	maxAccounts int64

	accounts  atomic.Int64
	pending   atomic.Int64
	confirmed atomic.Int64
}

// NewLedger makes an empty ledger.
func NewLedger(o LedgerOptions) (*Ledger, error) {
	if o.MaxAccounts == 0 {
		o.MaxAccounts = DefaultMaxAccounts
	}
	if o.MaxAccounts < 2 {
		return nil, fmt.Errorf("ratelimit: ledger: MaxAccounts is %d, it must be 2 or more: a session needs one for the user and one for the tenant", o.MaxAccounts)
	}
	l := &Ledger{seed: maphash.MakeSeed(), maxAccounts: int64(o.MaxAccounts)}
	for i := range l.shards {
		l.shards[i].accounts = map[Account]*account{}
	}
	return l, nil
}

// Reserve takes a place for one allocation of the subject: of its user, then
// of its tenant, then of its network. On a refusal there is no reservation and nothing is held. The
// accounts keep the limits given, even if refused.
func (l *Ledger) Reserve(who Subject, lim Limits, now time.Time) (*Reservation, Refusal) {
	var accounts [NumKinds]*account
	base := now
	for k := range Kind(NumKinds) {
		key, ok := who.account(k)
		if !ok {
			continue
		}
		a, refusal := l.enter(key, lim.terms(k), now)
		if refusal != None {
			l.leaveAll(accounts, now)
			return nil, refusal
		}
		if accounts[k] = a; k == OfUser {
			base = a.base // one reading of the clock serves both buckets
		}
	}
	r := &Reservation{ledger: l, accounts: accounts, meter: Meter{base: base, user: accounts[OfUser]}}
	r.meter.session.rate.Store(lim.SessionBits)
	l.pending.Add(1)
	return r, None
}

// Stats is what the ledger holds at a moment.
type Stats struct {
	Accounts  int // of users and tenants; some of them may be of yesterday and due to go
	Pending   int // reservations not confirmed yet
	Confirmed int // reservations confirmed and not released
}

// Stats reads the counts. Each is exact, but not all of the same instant.
func (l *Ledger) Stats() Stats {
	return Stats{
		Accounts:  int(l.accounts.Load()),
		Pending:   int(l.pending.Load()),
		Confirmed: int(l.confirmed.Load()),
	}
}

// Usage is what a subject's user holds at a moment.
type Usage struct {
	Allocations int
	BytesToday  int64 // counted only while there is a limit
}

// Usage of a user, or of a tenant if who.User is empty.
func (l *Ledger) Usage(who Subject, now time.Time) Usage {
	key, ok := who.account(OfUser)
	if !ok {
		key, _ = who.account(OfTenant)
	}
	s := l.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[key]
	if a == nil {
		return Usage{}
	}
	return Usage{Allocations: a.live, BytesToday: a.bytes.spent(dayOf(now))}
}

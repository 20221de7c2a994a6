package ratelimit_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
)

// A live session's user is held to other limits: this node's part of the other rate,
// and bytes from a grant under the other quota, over all nodes.
func TestSharedLimitsOfLiveSessions(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Strict: true}))
	lim := Limits{UserBits: 800_000_000, UserBytesPerDay: 1 << 40}
	for range 3 {
		f.want(t, f.nodes[1], alice, lim, None)
	}
	f.round()
	r := f.want(t, f.nodes[0], alice, lim, None)
	f.pass(time.Minute)
	f.round()
	r.SetLimits(Limits{UserBits: 80_000_000, UserBytesPerDay: 1 << 40}, f.now())
	var sum int64
	for range 100 {
		f.pass(100 * time.Millisecond)
		sum += spend(r.Meter(), f.now(), 5_000_000)
		f.round()
	}
	if sum < 24_000_000 || sum > 28_000_000 {
		t.Errorf("%d bytes in 10 s, a quarter of 100,000,000 is meant, and a burst", sum)
	}

	r.SetLimits(Limits{}, f.now())
	if got := spend(r.Meter(), f.now(), 100_000_000); got != 100_000_000 {
		t.Errorf("%d of 100,000,000 bytes pass without a limit", got)
	}
	f.round()

	// What was spent before counts, and nothing is left of a smaller quota.
	r.SetLimits(Limits{UserBytesPerDay: 100_000_000}, f.now())
	for range 20 {
		f.pass(time.Second)
		f.round()
		if got := spend(r.Meter(), f.now(), 1_000_000); got != 0 {
			t.Fatalf("%d bytes pass, and more than the quota is spent", got)
		}
	}
	r.Release(f.now())
	r.SetLimits(lim, f.now()) // as a reload may that did not see the end
	f.round()
	if st := f.nodes[0].Stats(); st.Away {
		t.Errorf("%+v", st)
	}
}

// Users with random names come and go: what they have spent is told, and they are
// forgotten. Those with a limit are remembered for the day, as many as there is room
// for.
func TestSharedForgetsUsers(t *testing.T) {
	const most, users = 64, 1000
	visit := func(s *Shared, now time.Time, i int, lim Limits) Refusal {
		r, refusal, asked := s.Reserve(Subject{Tenant: "t", User: fmt.Sprint(i)}, lim, now, nil)
		if asked {
			t.Fatal("asked")
		}
		if refusal == None {
			r.Confirm()
			spend(r.Meter(), now, 10_000)
			r.Release(now)
		}
		s.Round(true)
		return refusal
	}
	c := &clock{at: noon}
	store := memstore.New(c.now)
	ledger, err := NewLedger(LedgerOptions{MaxAccounts: most})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewShared(SharedOptions{Ledger: ledger, Store: store, Now: c.now, Node: "n", Settling: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	c.pass(time.Second)
	s.Round(true)
	for i := range users {
		c.pass(time.Second)
		if why := visit(s, c.now(), i, Limits{UserAllocations: 5}); why != None {
			t.Fatalf("user %d: %v", i, why)
		}
		if n := max(s.Stats().Accounts, ledger.Stats().Accounts); n > most {
			t.Fatalf("%d accounts are remembered", n)
		}
	}
	s.Round(true)
	if used, err := s.Usage(t.Context(), Subject{Tenant: "t"}, c.now()); err != nil || used != users*10_000 {
		t.Errorf("the tenant has spent %d, want %d; %v", used, users*10_000, err)
	}
	refused := 0
	for i := range most {
		if visit(s, c.now(), users+i, Limits{UserBytesPerDay: 1 << 30}) == AccountsFull {
			refused++
		}
	}
	if refused == 0 || refused > most/2+2 || s.Stats().Accounts > most+1 {
		t.Errorf("%d of %d users with a limit found no room; %d accounts", refused, most, s.Stats().Accounts)
	}
}

// BenchmarkSharedReserve is a place taken, confirmed and given back on a node that
// keeps its accounts in memory, to hold against BenchmarkReserve.
func BenchmarkSharedReserve(b *testing.B) {
	ledger, err := NewLedger(LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := NewShared(SharedOptions{Ledger: ledger, Store: memstore.New(time.Now), Now: time.Now, Node: "n", Settling: time.Nanosecond})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	gone := make(chan struct{})
	go func() { defer close(gone); s.Run(ctx) }()
	defer func() { stop(); <-gone }()
	lim := Limits{UserAllocations: 20, SessionBits: 20e6, UserBits: 20e6}
	answers := make(chan *Reservation, 1)
	done := func(r *Reservation, _ Refusal) { answers <- r }
	i := 0
	for b.Loop() {
		i++
		r, _, asked := s.Reserve(Subject{Tenant: "t", User: fmt.Sprint("user", i%10_000)}, lim, time.Now(), done)
		if asked {
			r = <-answers
		}
		if r == nil {
			b.Fatal("refused")
		}
		r.Confirm()
		r.Release(time.Now())
	}
}

// A node that has ended is not taken for one that takes clients.
func TestFarewellIsAnnounced(t *testing.T) {
	store := memstore.New(time.Now)
	ledger, err := NewLedger(LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var ended atomic.Bool
	s, err := NewShared(SharedOptions{Ledger: ledger, Store: store, Now: time.Now, Node: "n", Interval: 10 * time.Millisecond,
		Describe: func() Node { return Node{Draining: ended.Load()} }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() { defer close(gone); s.Run(ctx) }()
	for tick := time.NewTicker(time.Millisecond); len(s.Nodes()) == 0; <-tick.C {
	}
	if s.Nodes()[0].Draining {
		t.Error("it drains while it runs")
	}
	ended.Store(true)
	stop()
	<-gone
	if nodes, err := store.Nodes(t.Context()); err != nil || len(nodes) != 1 || !nodes[0].Draining {
		t.Errorf("after its end there is %+v, %v", nodes, err)
	}
}

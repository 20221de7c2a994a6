package ratelimit_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	. "turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// A store that has lost its memory is not believed until all have said what they
// hold; then it is as if nothing had been.
func TestFlushed(t *testing.T) {
	f := newFleet(t, 3, all(Rule{Strict: true, OnStoreError: Deny}))
	lim := Limits{UserAllocations: 2, UserBytesPerDay: 4 * MinChunk}
	m := f.want(t, f.nodes[0], alice, lim, None).Meter()
	f.want(t, f.nodes[1], alice, lim, None)
	spent := spend(m, f.now(), MinChunk)
	f.round()
	f.store.Store = memstore.New(f.now)
	f.want(t, f.nodes[2], alice, lim, StoreAway) // it has not heard of the flush, nor asked before
	f.round()
	f.want(t, f.nodes[2], alice, lim, StoreAway)
	f.pass(5 * time.Second)
	f.round()
	f.want(t, f.nodes[2], alice, lim, UserAllocations)
	if got := f.usage(t, alice); got < spent {
		t.Errorf("usage %d, %d were spent", got, spent)
	}
	spent += spend(m, f.now(), 10*MinChunk)
	for range 20 {
		f.pass(time.Second)
		f.round()
		spent += spend(m, f.now(), 10*MinChunk)
	}
	if spent > 4*MinChunk {
		t.Errorf("%d bytes were spent of %d", spent, 4*MinChunk)
	}
}

// Shadow refuses nothing and counts what it would have refused.
func TestShadow(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Shadow: true, Strict: true, OnStoreError: Deny}))
	lim := Limits{UserAllocations: 1, TenantAllocations: 1, UserBytesPerDay: 1000, UserAllocationRate: PerMinute{Events: 1, Burst: 1}}
	var m *Meter
	for range 3 {
		m = f.want(t, f.nodes[0], alice, lim, None).Meter()
		f.round()
	}
	if got := spend(m, f.now(), 50_000); got != 50_000 {
		t.Errorf("%d bytes pass", got)
	}
	got := f.nodes[0].Stats().Shadowed
	if got[LimitUser] != 2 || got[LimitTenant] != 2 || got[LimitRate] != 2 {
		t.Errorf("counted %v", got)
	}
}

func TestAllocationRate(t *testing.T) {
	lim := Limits{UserAllocationRate: PerMinute{Events: 2, Burst: 2}}
	for _, strict := range []bool{false, true} {
		f := newFleet(t, 2, all(Rule{Strict: strict}))
		for range 2 {
			f.want(t, f.nodes[0], alice, lim, None)
			f.round()
		}
		f.want(t, f.nodes[0], alice, lim, RateReached)
		if strict {
			f.want(t, f.nodes[1], alice, lim, RateReached)
		} else {
			f.want(t, f.nodes[1], alice, lim, None) // one, and hears of the others
			f.round()
			f.want(t, f.nodes[1], alice, lim, RateReached)
		}
		f.pass(31 * time.Second)
		f.want(t, f.nodes[0], alice, lim, None)
	}
}

func TestMint(t *testing.T) {
	lim := PerMinute{Events: 1, Burst: 2}
	ctx := context.Background()
	for _, c := range []struct {
		rule Rule
		away bool
		want []Refusal // of three on one node and one on another
	}{
		{Rule{Strict: true}, false, []Refusal{None, None, RateReached, RateReached}},
		{Rule{}, false, []Refusal{None, None, RateReached, None}},
		{Rule{Strict: true, Shadow: true}, false, []Refusal{None, None, None, None}},
		{Rule{Strict: true}, true, []Refusal{None, None, RateReached, None}},
		{Rule{OnStoreError: Deny}, true, []Refusal{StoreAway, StoreAway, StoreAway, StoreAway}},
		{Rule{OnStoreError: Allow}, true, []Refusal{None, None, None, None}},
	} {
		f := newFleet(t, 2, all(c.rule))
		if c.away {
			f.store.fail = func() (bool, bool) { return true, false }
			f.round()
		}
		var got []Refusal
		for _, i := range []int{0, 0, 0, 1} {
			answer, refusal := f.nodes[i].Mint(ctx, alice, lim)
			if got = append(got, refusal); answer.Allowed != (refusal == None) || refusal != None && answer.Retry <= 0 {
				t.Errorf("%+v: %+v with %v", c.rule, answer, refusal)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v, away %v: %v, want %v", c.rule, c.away, got, c.want)
		}
	}
}

// A user's bit rate is shared by places: the node with one of four has a quarter.
func TestBitRateIsShared(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Strict: true}))
	lim := Limits{UserBits: 80_000_000} // ten million bytes a second, and half of it at once
	for range 3 {
		f.want(t, f.nodes[1], alice, lim, None)
	}
	f.round()
	m := f.want(t, f.nodes[0], alice, lim, None).Meter()
	f.pass(time.Minute)
	f.round()
	var sum int64
	for range 100 {
		f.pass(100 * time.Millisecond)
		sum += spend(m, f.now(), 5_000_000)
	}
	if sum < 24_000_000 || sum > 28_000_000 {
		t.Errorf("%d bytes in 10 s, a quarter of 100,000,000 is meant, and a burst", sum)
	}
}

func TestRunFollowsAndRecords(t *testing.T) {
	store := memstore.New(time.Now)
	heard := make(chan string, 9)
	ledger, err := NewLedger(LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewShared(SharedOptions{Ledger: ledger, Store: store, Now: time.Now, Node: "a", Interval: 10 * time.Millisecond,
		Describe:     func() Node { return Node{URIs: []string{"turn:a"}, Load: 0.5} },
		OnRevocation: func(b []byte) { heard <- string(b) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended = make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	for range 2 {
		if err := s.Revoke(ctx, "one", []byte("one"), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Revoke(ctx, "two", []byte("two"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if a, b := <-heard, <-heard; a != "one" || b != "two" {
		t.Errorf("heard %s, %s", a, b)
	}
	answered := make(chan Refusal, 1)
	s.SetRules(all(Rule{Strict: true}))
	r, _, asked := s.Reserve(alice, Limits{UserAllocations: 1}, time.Now(), func(_ *Reservation, why Refusal) { answered <- why })
	if asked && <-answered != None || !asked && r == nil {
		t.Error("refused")
	}
	s.Record("call 1", []byte("x"))
	cancel()
	<-ended
	read, err := store.Read(context.Background(), Accounting, "", 9)
	if err != nil || len(read) != 1 || string(read[0].Payload) != "x" {
		t.Errorf("records %v (%v)", read, err)
	}
	if n, err := store.Nodes(context.Background()); err != nil || len(n) != 1 || n[0].ID != "a" || n[0].Load != 0.5 {
		t.Errorf("nodes %+v (%v)", n, err)
	}
	got, err := store.Reserve(context.Background(), Claim{Member: "x", TTL: time.Minute,
		Places: []Place{{Account: Account{Kind: OfUser, Tenant: "t", Name: "alice"}, Limit: 1}}})
	if err != nil || got.Refused != -1 {
		t.Errorf("a node that has ended still holds a place: %+v (%v)", got, err)
	}
}

// The packet path is the same: no allocation, also when it asks for more.
func TestSharedTakeAllocatesNothing(t *testing.T) {
	f := newFleet(t, 1, Rules{})
	m := f.want(t, f.nodes[0], alice, Limits{UserBytesPerDay: 1 << 40, UserBits: 1 << 40, SessionBits: 1 << 40}, None).Meter()
	now := f.now()
	if n := testing.AllocsPerRun(2000, func() { m.Take(1200, now) }); n != 0 {
		t.Errorf("%v allocations a datagram", n)
	}
}

// BenchmarkSharedTake is the packet path with a fleet behind it, to hold against
// BenchmarkTake.
func BenchmarkSharedTake(b *testing.B) {
	lim := Limits{SessionBits: 1 << 50, UserBits: 1 << 50, UserBytesPerDay: 1 << 50}
	alone, err := NewLedger(LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	f := newFleet(b, 1, Rules{})
	shared, why := f.reserve(f.nodes[0], alice, lim)
	local, why2 := alone.Reserve(alice, lim, f.now())
	if shared == nil || local == nil {
		b.Fatal(why, why2)
	}
	for name, r := range map[string]*Reservation{"alone": local, "shared": shared} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			m, now := r.Meter(), f.now()
			for b.Loop() {
				m.Take(1, now)
			}
		})
	}
}

// A node that begins to drain says so in its next round, and others know of it with
// the next that they read.
func TestDrainingIsToldAtOnce(t *testing.T) {
	c := &clock{at: noon}
	store := memstore.New(c.now)
	ledger, err := NewLedger(LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	own := Node{URIs: []string{"turn:a"}}
	s, err := NewShared(SharedOptions{Ledger: ledger, Store: store, Now: c.now, Node: "a", Describe: func() Node { return own }})
	if err != nil {
		t.Fatal(err)
	}
	announced := func() Node {
		s.Round(true)
		nodes, err := store.Nodes(t.Context())
		if err != nil || len(nodes) != 1 {
			t.Fatalf("%v, %v", nodes, err)
		}
		return nodes[0]
	}
	if n := announced(); n.Draining || n.ID != "a" {
		t.Errorf("%+v", n)
	}
	own.Sessions = 7
	if n := announced(); n.Sessions != 0 {
		t.Error("each round is told of")
	}
	own.Draining = true
	if n := announced(); !n.Draining || n.Sessions != 7 {
		t.Errorf("it drains, and %+v is known", n)
	}
}

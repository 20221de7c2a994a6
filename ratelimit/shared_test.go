package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	. "turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var errOut = errors.New("i/o timeout")

// flaky is a store whose calls may fail before they take effect, or after.
type flaky struct {
	Store
	fail func() (before, after bool)
}

func (f *flaky) call(do func() error) error {
	before, after := false, false
	if f.fail != nil {
		before, after = f.fail()
	}
	if before {
		return errOut
	}
	if err := do(); err != nil || !after {
		return err
	}
	return errOut
}

func (f *flaky) Epoch(ctx context.Context) (e Epoch, err error) {
	err = f.call(func() (err error) { e, err = f.Store.Epoch(ctx); return err })
	return e, err
}

func (f *flaky) Reserve(ctx context.Context, c Claim) (got Claimed, err error) {
	err = f.call(func() (err error) { got, err = f.Store.Reserve(ctx, c); return err })
	return got, err
}

func (f *flaky) Release(ctx context.Context, all []Holding) error {
	return f.call(func() error { return f.Store.Release(ctx, all) })
}

func (f *flaky) Renew(ctx context.Context, all []Holding, ttl time.Duration) []Held {
	held := make([]Held, len(all))
	for i := range all {
		if err := f.call(func() error { held[i] = f.Store.Renew(ctx, all[i:i+1], ttl)[0]; return held[i].Err }); err != nil {
			held[i] = Held{Err: err}
		}
	}
	return held
}

func (f *flaky) Settle(ctx context.Context, all []Settlement) []Granted {
	got := make([]Granted, len(all))
	for i := range all {
		if err := f.call(func() error { got[i] = f.Store.Settle(ctx, all[i:i+1])[0]; return got[i].Err }); err != nil {
			got[i] = Granted{Err: err}
		}
	}
	return got
}

// fleet is nodes that share a store in memory, on a clock of the test.
type fleet struct {
	*clock
	store *flaky
	nodes []*Shared
	log   []*Reservation
	told  []error // of the first node's transitions
}

func newFleet(t testing.TB, n int, rules Rules) *fleet {
	t.Helper()
	f := &fleet{clock: &clock{at: noon}}
	f.store = &flaky{Store: memstore.New(f.now)}
	f.pass(time.Minute) // a store that is to be believed
	for i := range n {
		f.nodes = append(f.nodes, f.node(t, fmt.Sprint("n", i), rules))
	}
	f.round()
	return f
}

// fataler is a test, also one of rapid's.
type fataler interface{ Fatal(args ...any) }

func (f *fleet) node(t fataler, name string, rules Rules) *Shared {
	l, err := NewLedger(LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := SharedOptions{Ledger: l, Store: f.store, Now: f.now, Node: name, Rules: rules}
	if name == "n0" {
		o.OnTransition = func(err error) { f.told = append(f.told, err) }
	}
	s, err := NewShared(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *fleet) round() {
	for _, s := range f.nodes {
		s.Round(true)
	}
}

// reserve asks a node, and waits for the store if it has to be asked.
func (f *fleet) reserve(s *Shared, who Subject, lim Limits) (r *Reservation, refusal Refusal) {
	r, refusal, asked := s.Reserve(who, lim, f.now(), func(answer *Reservation, why Refusal) { r, refusal = answer, why })
	if asked {
		s.AnswerAll()
	}
	if r != nil {
		r.Confirm()
	}
	return r, refusal
}

func (f *fleet) want(t *testing.T, s *Shared, who Subject, lim Limits, want Refusal) *Reservation {
	t.Helper()
	r, got := f.reserve(s, who, lim)
	if got != want || (r != nil) != (want == None) {
		t.Fatalf("%v, want %v", got, want)
	}
	return r
}

var alice = Subject{Tenant: "t", User: "alice"}

func all(r Rule) (rules Rules) {
	for i := range rules {
		rules[i] = r
	}
	return rules
}

func TestSharedOptions(t *testing.T) {
	l, err := NewLedger(LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	good := SharedOptions{Ledger: l, Store: memstore.New(time.Now), Now: time.Now, Node: "n"}
	if _, err := NewShared(good); err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func(*SharedOptions){
		func(o *SharedOptions) { o.Ledger = nil }, func(o *SharedOptions) { o.Store = nil }, func(o *SharedOptions) { o.Now = nil },
		func(o *SharedOptions) { o.Node = "" }, func(o *SharedOptions) { o.Lease = time.Second }, func(o *SharedOptions) { o.Interval = -1 },
		func(o *SharedOptions) { o.Deadline = -1 }, func(o *SharedOptions) { o.Settling = -1 }, func(o *SharedOptions) { o.Questions = -1 },
	} {
		bad := good
		spoil(&bad)
		if _, err := NewShared(bad); err == nil {
			t.Errorf("%+v accepted", bad)
		}
	}
}

// A strict limit holds at once, wherever the places are.
func TestStrictPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		lim  Limits
		full Refusal
	}{
		"user":    {Limits{UserAllocations: 3}, UserAllocations},
		"tenant":  {Limits{TenantAllocations: 3}, TenantAllocations},
		"network": {Limits{NetworkAllocations: 3}, NetworkAllocations},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, 4, all(Rule{Strict: true}))
			who := alice
			who.Network = prefix("192.0.2.0/24")
			var first *Reservation
			for _, s := range f.nodes[:3] {
				r := f.want(t, s, who, c.lim, None)
				if first == nil {
					first = r
				}
			}
			for _, s := range f.nodes {
				f.want(t, s, who, c.lim, c.full)
			}
			first.Release(f.now())
			f.nodes[0].Round(false)
			f.pass(time.Second) // for which a refusal is remembered
			f.want(t, f.nodes[3], who, c.lim, None)
			f.want(t, f.nodes[0], who, c.lim, c.full)
		})
	}
}

// A limit that is not strict lets in at once, and no node more than two that the
// store has not heard of.
func TestLooseGoesOverByTwoANode(t *testing.T) {
	f := newFleet(t, 4, Rules{})
	lim := Limits{UserAllocations: 5}
	in := 0
	for _, s := range f.nodes { // no round in between: nobody knows of the others
		for range 2 {
			if r, _, asked := s.Reserve(alice, lim, f.now(), nil); r == nil || asked {
				t.Fatal("the first two of a node must not wait")
			}
			in++
		}
		if _, _, asked := s.Reserve(alice, lim, f.now(), func(*Reservation, Refusal) {}); !asked {
			t.Fatal("a third that the store has not heard of was let in without asking")
		}
	}
	f.round()
	for range 3 {
		for _, s := range f.nodes {
			s.AnswerAll()
			if r, _ := f.reserve(s, alice, lim); r != nil {
				in++
			}
			f.round()
		}
		f.pass(2 * time.Second)
	}
	var over uint64
	for _, s := range f.nodes {
		over += s.Stats().Over[LimitUser]
	}
	if int(over) != in-lim.UserAllocations {
		t.Errorf("%d are counted beyond the limit, %d are", over, in-lim.UserAllocations)
	}
	if most := lim.UserAllocations + 2*len(f.nodes); in > most || in < lim.UserAllocations {
		t.Errorf("%d are in, at most %d may be", in, most)
	}
}

// Leases are renewed while their node lives, and lapse when it does not.
func TestLeasesLapseWithTheirNode(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Strict: true}))
	lim := Limits{UserAllocations: 1}
	f.want(t, f.nodes[0], alice, lim, None)
	for range 300 {
		f.pass(time.Second)
		f.round()
	}
	f.want(t, f.nodes[1], alice, lim, UserAllocations)
	f.nodes = f.nodes[1:] // killed
	for range 88 {
		f.pass(time.Second)
		f.round()
	}
	f.want(t, f.nodes[0], Subject{User: "somebody"}, lim, None) // it works at all
	f.pass(2 * time.Second)
	f.want(t, f.nodes[0], alice, lim, None)
}

func TestUnconfirmedLapses(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Strict: true}))
	lim := Limits{UserAllocations: 1}
	f.nodes[0].Reserve(alice, lim, f.now(), func(*Reservation, Refusal) {})
	f.nodes[0].AnswerAll()
	f.want(t, f.nodes[1], alice, lim, UserAllocations)
	for range 11 {
		f.pass(time.Second)
		f.round()
	}
	f.want(t, f.nodes[1], alice, lim, None)
}

func TestOnStoreError(t *testing.T) {
	lim := Limits{UserAllocations: 3, UserBytesPerDay: 10 * MinChunk, UserAllocationRate: PerMinute{Events: 1, Burst: 5}}
	for _, strict := range []bool{false, true} {
		for on, want := range map[OnStoreError]int{Local: 1, Allow: 9, Deny: 0} {
			t.Run(fmt.Sprint(on, strict), func(t *testing.T) {
				f := newFleet(t, 2, all(Rule{Strict: strict, OnStoreError: on}))
				live := f.want(t, f.nodes[0], alice, lim, None)
				f.want(t, f.nodes[1], alice, lim, None)
				f.round()
				f.pass(time.Minute)
				f.round() // and hear of each other
				f.store.fail = func() (bool, bool) { return true, false }
				in := 0
				for range 9 {
					f.nodes[0].Round(true)
					if r, _ := f.reserve(f.nodes[0], alice, lim); r != nil {
						in++
					}
				}
				if in != want {
					t.Errorf("%d were let in, want %d", in, want)
				}
				if got := live.Meter().Take(1000, f.now()); got != None {
					t.Errorf("a live session is refused: %v", got)
				}
				f.store.fail = nil
				f.pass(time.Second)
				f.round()
				if len(f.told) != 2 || f.told[0] != errOut || f.told[1] != nil {
					t.Errorf("told %v, want one failure and one return", f.told)
				}
				f.want(t, f.nodes[1], Subject{User: "bob"}, lim, None)
			})
		}
	}
}

// spend takes until a refusal or so many bytes.
func spend(m *Meter, now time.Time, most int64) (bytes int64) {
	for bytes+1000 <= most && m.Take(1000, now) == None {
		bytes += 1000
	}
	return bytes
}

// What a user spends on all nodes is within the quota, and all of it can be spent.
func TestStrictBytes(t *testing.T) {
	const quota = 8 * MinChunk
	for name, lim := range map[string]Limits{"day": {UserBytesPerDay: quota}, "month": {UserBytesPerMonth: quota}, "both": {UserBytesPerDay: quota, UserBytesPerMonth: 9 * quota}} {
		f := newFleet(t, 3, all(Rule{Strict: true, OnStoreError: Deny}))
		var meters []*Meter
		for _, s := range f.nodes {
			meters = append(meters, f.want(t, s, alice, lim, None).Meter())
		}
		var sum int64
		for range 60 {
			for i, m := range meters {
				sum += spend(m, f.now(), math.MaxInt64)
				f.nodes[i].Round(false)
			}
			f.pass(time.Second)
			f.round()
		}
		if sum > quota || sum < quota-3*1000 {
			t.Errorf("%s: %d bytes were spent of %d", name, sum, quota)
		}
		for _, m := range meters { // what was too small for a datagram
			for m.Take(1, f.now()) == None {
				sum++
			}
		}
		if sum != quota {
			t.Errorf("%s: %d bytes were spent in the end, want all of %d", name, sum, quota)
		}
		f.want(t, f.nodes[0], alice, lim, DayBytesSpent)
	}
}

// Bytes taken ahead come back when the session ends, and usage is then exact.
func TestBytesComeBack(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Strict: true}))
	lim := Limits{UserBytesPerDay: 100 * MinChunk}
	r := f.want(t, f.nodes[0], alice, lim, None)
	spent := spend(r.Meter(), f.now(), 50_000)
	f.round()
	if got := f.usage(t, alice); got < spent+MinChunk/2 {
		t.Errorf("%d bytes are granted for %d spent: nothing was taken ahead", got, spent)
	}
	r.Release(f.now())
	f.round()
	f.round()
	if got := f.usage(t, alice); got != spent {
		t.Errorf("usage %d, want %d", got, spent)
	}
	if got := f.usage(t, Subject{Tenant: "t"}); got != spent {
		t.Errorf("usage of the tenant %d, want %d", got, spent)
	}
}

func (f *fleet) usage(t *testing.T, who Subject) int64 {
	t.Helper()
	got, err := f.nodes[0].Usage(context.Background(), who, f.now())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Midnight drops no datagram, gives a new day, and not a new month.
func TestMidnight(t *testing.T) {
	f := newFleet(t, 1, all(Rule{Strict: true}))
	lim := Limits{UserBytesPerDay: MinChunk, UserBytesPerMonth: 3 * MinChunk / 2}
	m := f.want(t, f.nodes[0], alice, lim, None).Meter()
	day := func() (sum int64) {
		for range 5 {
			sum += spend(m, f.now(), math.MaxInt64)
			f.pass(time.Second)
			f.round()
		}
		return sum
	}
	first := day()
	f.pass(12 * time.Hour)
	f.round()
	second := day()
	if first != MinChunk/1000*1000 || first+second > 3*MinChunk/2 || first+second < 3*MinChunk/2-2000 {
		t.Errorf("%d on the first day, %d on the second", first, second)
	}
	if got := f.usage(t, alice); got > 3*MinChunk/2 || got < first+second {
		t.Errorf("usage of the month %d, spent %d", got, first+second)
	}
	f.pass(30 * 24 * time.Hour)
	f.round()
	if got, err := f.nodes[0].Usage(context.Background(), alice, noon); err != nil || got != first+second {
		t.Errorf("usage of the month that is over %d (%v), spent %d", got, err, first+second)
	}
	if third := day(); third != MinChunk/1000*1000 {
		t.Errorf("%d in the next month", third)
	}
}

// After an outage in which leases of others may have lapsed, nobody is let in by
// what the store says before they had the time to say what they hold; after a
// short one it is believed at once.
func TestOutageLongerThanALease(t *testing.T) {
	lim := Limits{UserAllocations: 1}
	for outage, want := range map[time.Duration]Refusal{3 * time.Second: UserAllocations, 2 * time.Minute: StoreAway} {
		f := newFleet(t, 2, all(Rule{Strict: true, OnStoreError: Deny}))
		f.want(t, f.nodes[0], alice, lim, None)
		f.round()
		f.store.fail = func() (bool, bool) { return true, false }
		f.round()
		f.pass(outage)
		f.store.fail = nil
		f.nodes[1].Round(true) // the other is back later
		f.want(t, f.nodes[1], alice, lim, want)
		f.pass(6 * time.Second)
		f.round()
		f.nodes[0].Round(true)
		f.want(t, f.nodes[1], alice, lim, want)
		f.pass(5 * time.Second)
		f.round()
		f.want(t, f.nodes[1], alice, lim, UserAllocations)
		f.want(t, f.nodes[1], Subject{User: "bob"}, lim, None)
	}
}

// Memory that was lost during an outage is not believed either, however late a node
// comes back to say what it holds.
func TestMemoryLostInAnOutage(t *testing.T) {
	lim := Limits{UserAllocations: 1}
	f := newFleet(t, 2, all(Rule{Strict: true, OnStoreError: Deny}))
	f.want(t, f.nodes[0], alice, lim, None)
	f.round()
	f.store.fail = func() (bool, bool) { return true, false }
	f.round()
	f.pass(10 * time.Second)
	f.store.fail = nil
	f.store.Store = memstore.New(f.now)
	f.nodes[1].Round(true)
	f.pass(6 * time.Second) // the longest rest of the other, which is beyond the settling
	f.nodes[1].Round(true)
	f.want(t, f.nodes[1], alice, lim, StoreAway)
	f.nodes[0].Round(true)
	f.pass(5 * time.Second)
	f.round()
	f.want(t, f.nodes[1], alice, lim, UserAllocations)
}

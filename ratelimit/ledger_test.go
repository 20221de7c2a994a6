package ratelimit

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestLedgerOptions(t *testing.T) {
	for _, max := range []int{-1, 1} {
		if _, err := NewLedger(LedgerOptions{MaxAccounts: max}); err == nil {
			t.Errorf("MaxAccounts %d accepted", max)
		}
	}
}

func TestRefusalNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range Refusal(NumRefusals) {
		if s := r.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("refusal %d is called %q", r, s)
		} else {
			seen[s] = true
		}
	}
	if got := Refusal(NumRefusals).String(); got != "unknown" {
		t.Errorf("beyond the last: %q", got)
	}
}

func TestReserve(t *testing.T) {
	alice, bob := Subject{Tenant: "t", User: "alice"}, Subject{Tenant: "t", User: "bob"}
	lim := Limits{UserAllocations: 2, TenantAllocations: 3}
	type step struct {
		who  Subject
		lim  Limits
		want Refusal
	}
	for name, steps := range map[string][]step{
		"user limit":   {{alice, lim, None}, {alice, lim, None}, {alice, lim, UserAllocations}, {bob, lim, None}},
		"tenant limit": {{alice, lim, None}, {alice, lim, None}, {bob, lim, None}, {bob, lim, TenantAllocations}},
		"network limit": {
			{Subject{User: "a", Network: netip.MustParsePrefix("192.0.2.0/24")}, Limits{NetworkAllocations: 1}, None},
			{Subject{User: "b", Network: netip.MustParsePrefix("192.0.2.0/24")}, Limits{NetworkAllocations: 1}, NetworkAllocations},
			{Subject{User: "b", Network: netip.MustParsePrefix("2001:db8::/56")}, Limits{NetworkAllocations: 1}, None},
			{Subject{User: "192.0.2.0/24"}, Limits{NetworkAllocations: 1}, None},
		},
		"no user, no user limit":   {{Subject{Tenant: "t"}, Limits{UserAllocations: 1}, None}, {Subject{Tenant: "t"}, Limits{UserAllocations: 1}, None}},
		"no user, but the tenant":  {{Subject{}, Limits{TenantAllocations: 1}, None}, {Subject{}, Limits{TenantAllocations: 1}, TenantAllocations}},
		"same name, other tenant":  {{alice, Limits{UserAllocations: 1}, None}, {Subject{Tenant: "u", User: "alice"}, Limits{UserAllocations: 1}, None}},
		"names that only join":     {{Subject{Tenant: "a", User: "bc"}, Limits{UserAllocations: 1}, None}, {Subject{Tenant: "ab", User: "c"}, Limits{UserAllocations: 1}, None}},
		"a tenant named as a user": {{Subject{Tenant: "alice", User: ""}, Limits{UserAllocations: 1, TenantAllocations: 1}, None}, {Subject{Tenant: "", User: "alice"}, Limits{UserAllocations: 1, TenantAllocations: 1}, None}},
		"below zero":               {{alice, Limits{UserAllocations: -1}, UserAllocations}, {alice, Limits{TenantAllocations: -1}, TenantAllocations}, {alice, Limits{UserBytesPerDay: -1}, DayBytesSpent}},
		"the newest limit, lower":  {{alice, lim, None}, {alice, Limits{UserAllocations: 1}, UserAllocations}},
		"the newest limit, higher": {{alice, Limits{UserAllocations: 1}, None}, {alice, lim, None}},
	} {
		l := newLedger(t, 0)
		for i, s := range steps {
			if _, got := l.Reserve(s.who, s.lim, start); got != s.want {
				t.Errorf("%s: step %d: %v, want %v", name, i+1, got, s.want)
			}
		}
	}
}

// A refusal holds nothing: not the user's place when the tenant is full, and
// no account.
func TestReserveCompensates(t *testing.T) {
	l := newLedger(t, 0)
	first := reserve(t, l, Subject{Tenant: "t", User: "alice"}, Limits{TenantAllocations: 1}, start)
	for range 5 {
		if _, got := l.Reserve(Subject{Tenant: "t", User: "bob"}, Limits{UserAllocations: 1, TenantAllocations: 1}, start); got != TenantAllocations {
			t.Fatalf("got %v, want %v", got, TenantAllocations)
		}
	}
	if got, want := l.Stats(), (Stats{Accounts: 2, Pending: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	first.Release(start)
	if got := l.Stats(); got != (Stats{}) {
		t.Errorf("%+v, want nothing", got)
	}
}

// A refusal leaves no account behind that it made.
func TestRefusalLeavesNothing(t *testing.T) {
	l := newLedger(t, 0)
	for _, lim := range []Limits{{UserAllocations: -1}, {TenantAllocations: -1}, {UserBytesPerDay: -1}} {
		if _, got := l.Reserve(Subject{Tenant: "t", User: "alice"}, lim, start); got == None {
			t.Errorf("%+v: reserved", lim)
		}
		if got := l.Stats(); got != (Stats{}) {
			t.Errorf("%+v: %+v left", lim, got)
		}
	}
}

func TestReservationLife(t *testing.T) {
	l := newLedger(t, 0)
	who := Subject{Tenant: "t", User: "alice"}
	lim := Limits{UserAllocations: 1}
	expect := func(want Stats) {
		t.Helper()
		if got := l.Stats(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	r := reserve(t, l, who, lim, start)
	expect(Stats{Accounts: 2, Pending: 1})
	r.Confirm()
	r.Confirm()
	expect(Stats{Accounts: 2, Confirmed: 1})
	r.Release(start)
	r.Release(start)
	r.Confirm()
	expect(Stats{})
	r = reserve(t, l, who, lim, start)
	if _, got := l.Reserve(who, lim, start); got != UserAllocations {
		t.Errorf("after a double release: %v, want %v", got, UserAllocations)
	}
	r.Release(start)
	expect(Stats{})
}

// Spent bytes outlive the sessions of the day, and nothing else outlives any.
func TestAccountsLife(t *testing.T) {
	l := newLedger(t, 0)
	lim := Limits{UserBytesPerDay: 1000}
	spender, idler, free := Subject{Tenant: "", User: "spender"}, Subject{Tenant: "", User: "idler"}, Subject{Tenant: "", User: "free"}
	for _, c := range []struct {
		who Subject
		lim Limits
		n   int
	}{{spender, lim, 1000}, {idler, lim, 0}, {free, Limits{}, 1000}} {
		r := reserve(t, l, c.who, c.lim, start)
		if got := r.Meter().Take(c.n, start); got != None {
			t.Fatalf("%s: %v", c.who.User, got)
		}
		r.Release(start)
	}
	if got := l.Stats().Accounts; got != 1 {
		t.Errorf("%d accounts, want the spender's alone", got)
	}
	if _, got := l.Reserve(spender, lim, start.Add(time.Hour)); got != DayBytesSpent {
		t.Errorf("later that day: %v, want %v", got, DayBytesSpent)
	}
	tomorrow := start.Add(12 * time.Hour)
	r := reserve(t, l, spender, lim, tomorrow)
	if got := r.Meter().Take(1000, tomorrow); got != None {
		t.Errorf("the next day: %v", got)
	}
}

func TestAccountsFull(t *testing.T) {
	const max = 100
	l := newLedger(t, max)
	lim := Limits{UserBytesPerDay: 1000}
	for i := range max - 1 { // and one for the tenant, while any is open
		r := reserve(t, l, Subject{Tenant: "", User: fmt.Sprint("spender", i)}, lim, start)
		r.Meter().Take(1, start)
		r.Release(start)
	}
	keep := reserve(t, l, Subject{}, Limits{}, start)
	if _, got := l.Reserve(Subject{Tenant: "", User: "late"}, lim, start); got != AccountsFull {
		t.Errorf("a full table: %v, want %v", got, AccountsFull)
	}
	if got := l.Stats().Accounts; got != max {
		t.Errorf("%d accounts, want %d", got, max)
	}
	reserve(t, l, Subject{Tenant: "", User: "spender0"}, lim, start) // who has an account is served
	tomorrow := start.Add(12 * time.Hour)
	reserve(t, l, Subject{Tenant: "", User: "late"}, lim, tomorrow)
	l.sweep(dayOf(tomorrow)) // otherwise each part is walked when it is next used
	if got := l.Stats().Accounts; got != 3 {
		t.Errorf("%d accounts the next day, want 3: tenant, spender0, late", got)
	}
	keep.Release(tomorrow)
}

// A full table makes room of yesterday's accounts wherever they are, and looks
// for them once a day.
func TestAccountsFullOfYesterday(t *testing.T) {
	tomorrow := start.Add(12 * time.Hour)
	for i := range 50 { // hardly all in the spender's shard
		l := newLedger(t, 2)
		lim := Limits{UserBytesPerDay: 1000}
		r := reserve(t, l, Subject{Tenant: "", User: "spender"}, lim, start)
		r.Meter().Take(1, start)
		r.Release(start)
		reserve(t, l, Subject{Tenant: "", User: fmt.Sprint("late", i)}, lim, tomorrow)
		if _, got := l.Reserve(Subject{Tenant: "", User: "later"}, lim, tomorrow); got != AccountsFull {
			t.Fatalf("got %v, want %v", got, AccountsFull)
		}
		for j := range l.shards {
			if got := l.shards[j].swept; got != dayOf(tomorrow) {
				t.Fatalf("shard %d would be walked again: swept on day %d", j, got)
			}
		}
	}
}

// An account keeps its own copy of the names, not the username around them.
func TestAccountsMemory(t *testing.T) {
	l := newLedger(t, 0)
	const n = 2000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		long := fmt.Sprintf("%08d%s", i, make([]byte, 64<<10))
		r := reserve(t, l, Subject{User: long[:8]}, Limits{UserBytesPerDay: 10}, start)
		r.Meter().Take(1, start)
		r.Release(start)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if per := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; per > 1000 {
		t.Errorf("%d bytes an account", per)
	}
	runtime.KeepAlive(l)
}

// Two hundred at once against a limit of ten: never eleven, and all places
// come back.
func TestReserveConcurrent(t *testing.T) {
	for name, lim := range map[string]Limits{
		"user":   {UserAllocations: 10},
		"tenant": {TenantAllocations: 10},
		"both":   {UserAllocations: 10, TenantAllocations: 10},
	} {
		l := newLedger(t, 0)
		var held, most, granted atomic.Int64
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				for range 50 {
					r, refusal := l.Reserve(Subject{Tenant: "t", User: "alice"}, lim, start)
					if refusal != None {
						continue
					}
					granted.Add(1)
					n := held.Add(1)
					for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
					}
					runtime.Gosched()
					held.Add(-1)
					go r.Confirm() // a late one must not bring the place back
					r.Release(start)
					r.Release(start)
				}
			})
		}
		wg.Wait()
		if most.Load() > 10 {
			t.Errorf("%s: %d held at once, the limit is 10", name, most.Load())
		}
		if got := l.Stats(); got.Accounts != 0 || granted.Load() < 10 {
			t.Errorf("%s: %+v left after %d reservations", name, got, granted.Load())
		}
	}
}

func BenchmarkReserve(b *testing.B) {
	l := newLedger(b, 0)
	lim := Limits{UserAllocations: 20, SessionBits: 20e6, UserBits: 20e6, UserBytesPerDay: 1 << 40}
	b.Run("new account", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r, _ := l.Reserve(Subject{Tenant: "t", User: "alice"}, lim, start)
			r.Release(start)
		}
	})
	b.Run("known account", func(b *testing.B) {
		reserve(b, l, Subject{Tenant: "t", User: "alice"}, lim, start)
		b.ReportAllocs()
		for b.Loop() {
			r, _ := l.Reserve(Subject{Tenant: "t", User: "alice"}, lim, start)
			r.Release(start)
		}
	})
	b.Run("refused", func(b *testing.B) {
		reserve(b, l, Subject{Tenant: "t", User: "bob"}, Limits{UserAllocations: 1}, start)
		b.ReportAllocs()
		for b.Loop() {
			l.Reserve(Subject{Tenant: "t", User: "bob"}, Limits{UserAllocations: 1}, start)
		}
	})
}

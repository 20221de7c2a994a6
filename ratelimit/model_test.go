package ratelimit

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is the ledger as one would write it without a thought for speed: lists
// of what is held and maps of what was spent, by day.
type model struct {
	held   []*held
	spent  map[Subject]map[int64]int64
	limits map[Subject]Limits // newest of each user
	max    int
}

type held struct {
	who       Subject
	r         *Reservation
	confirmed bool
}

func (m *model) count(match func(Subject) bool) (n int) {
	for _, h := range m.held {
		if match(h.who) {
			n++
		}
	}
	return n
}

// accounts are the users and tenants that must be remembered on a day.
func (m *model) accounts(day int64) map[Subject]bool {
	known := map[Subject]bool{}
	for _, h := range m.held {
		known[Subject{Tenant: h.who.Tenant}] = true
		known[h.who] = true
	}
	for who, days := range m.spent {
		if days[day] > 0 {
			known[who] = true
		}
	}
	return known
}

func (m *model) reserve(who Subject, lim Limits, day int64) Refusal {
	known := m.accounts(day)
	if who.User != "" {
		if !known[who] && len(known) >= m.max {
			return AccountsFull
		}
		known[who] = true
		m.limits[who] = lim
		if lim.UserAllocations != 0 && m.count(func(s Subject) bool { return s == who }) >= lim.UserAllocations {
			return UserAllocations
		}
		if lim.UserBytesPerDay != 0 && m.spent[who][day] >= lim.UserBytesPerDay {
			return DayBytesSpent
		}
	}
	if !known[Subject{Tenant: who.Tenant}] && len(known) >= m.max {
		return AccountsFull
	}
	if lim.TenantAllocations != 0 && m.count(func(s Subject) bool { return s.Tenant == who.Tenant }) >= lim.TenantAllocations {
		return TenantAllocations
	}
	return None
}

func (m *model) take(who Subject, n, day int64) Refusal {
	limit := m.limits[who].UserBytesPerDay
	if who.User == "" || limit == 0 || n == 0 {
		return None
	}
	if m.spent[who][day]+n > limit {
		return DayBytes
	}
	if m.spent[who] == nil {
		m.spent[who] = map[int64]int64{}
	}
	m.spent[who][day] += n
	return None
}

// machine runs ledger and model side by side. Rates are left out: they have
// tests of their own, and a model of them would be the code again.
type machine struct {
	ledger *Ledger
	model  model
	now    time.Time
}

func (m *machine) day() int64 { return m.now.Unix() / 86400 }

func (m *machine) reserve(t *rapid.T) {
	who := Subject{
		Tenant: rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "tenant"),
		User:   rapid.SampledFrom([]string{"", "x", "a", "b"}).Draw(t, "user"),
	}
	lim := Limits{
		UserAllocations:   rapid.IntRange(0, 3).Draw(t, "user allocations"),
		TenantAllocations: rapid.IntRange(0, 5).Draw(t, "tenant allocations"),
		UserBytesPerDay:   rapid.SampledFrom([]int64{0, 1, 1000, 5000}).Draw(t, "bytes a day"),
	}
	want := m.model.reserve(who, lim, m.day())
	r, got := m.ledger.Reserve(who, lim, m.now)
	if got != want || (r != nil) != (want == None) {
		t.Fatalf("Reserve(%+v, %+v) = %v, model %v", who, lim, got, want)
	}
	if r != nil {
		m.model.held = append(m.model.held, &held{who: who, r: r})
	}
}

func (m *machine) pick(t *rapid.T) int {
	if len(m.model.held) == 0 {
		t.Skip("nothing held")
	}
	return rapid.IntRange(0, len(m.model.held)-1).Draw(t, "which")
}

func (m *machine) confirm(t *rapid.T) {
	h := m.model.held[m.pick(t)]
	h.r.Confirm()
	h.confirmed = true
}

func (m *machine) release(t *rapid.T) {
	i := m.pick(t)
	r := m.model.held[i].r
	m.model.held = append(m.model.held[:i:i], m.model.held[i+1:]...)
	r.Release(m.now)
	if rapid.Bool().Draw(t, "twice") {
		r.Release(m.now)
		r.Confirm()
	}
}

func (m *machine) take(t *rapid.T) {
	h := m.model.held[m.pick(t)]
	n := rapid.IntRange(0, 1500).Draw(t, "bytes")
	want := m.model.take(h.who, int64(n), m.day())
	if got := h.r.Meter().Take(n, m.now); got != want {
		t.Fatalf("Take(%d) of %+v = %v, model %v", n, h.who, got, want)
	}
}

func (m *machine) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "wait")))
}

func (m *machine) check(t *rapid.T) {
	var want Stats
	for _, h := range m.model.held {
		if h.confirmed {
			want.Confirmed++
		} else {
			want.Pending++
		}
	}
	want.Accounts = len(m.model.accounts(m.day()))
	got := m.ledger.Stats()
	if got.Accounts > m.model.max {
		t.Fatalf("%d accounts, at most %d", got.Accounts, m.model.max)
	}
	if rapid.Bool().Draw(t, "sweep") { // it is lazy; the model is not
		m.ledger.sweep(m.day())
		got = m.ledger.Stats()
	} else {
		want.Accounts = max(want.Accounts, got.Accounts)
	}
	if got != want {
		t.Fatalf("%+v, model %+v", got, want)
	}
	for who := range m.model.limits {
		u := m.ledger.Usage(who, m.now)
		if n := m.model.count(func(s Subject) bool { return s == who }); u.Allocations != n || u.BytesToday != m.model.spent[who][m.day()] {
			t.Fatalf("usage of %+v: %+v, model %d and %d", who, u, n, m.model.spent[who][m.day()])
		}
	}
}

func TestLedgerIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{now: start}
		m.model = model{spent: map[Subject]map[int64]int64{}, limits: map[Subject]Limits{}, max: rapid.SampledFrom([]int{2, 3, 5, 100}).Draw(t, "max accounts")}
		var err error
		if m.ledger, err = NewLedger(LedgerOptions{MaxAccounts: m.model.max}); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "reserve again": m.reserve, "take": m.take, "take again": m.take,
			"confirm": m.confirm, "release": m.release, "wait": m.wait, "": m.check,
		})
	})
}

package ratelimit

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// start is a moment well inside a UTC day.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newLedger(t testing.TB, max int) *Ledger {
	t.Helper()
	l, err := NewLedger(LedgerOptions{MaxAccounts: max})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func reserve(t testing.TB, l *Ledger, who Subject, lim Limits, now time.Time) *Reservation {
	t.Helper()
	r, refusal := l.Reserve(who, lim, now)
	if refusal != None {
		t.Fatalf("Reserve(%+v) = %v", who, refusal)
	}
	return r
}

// carried offers datagrams of size bytes at 1.5 times the rate for a while and
// returns the bytes taken after the burst is gone.
func carried(m *Meter, size int, rate int64, packets int) (bytes int64, took time.Duration) {
	gap := float64(size*8) / float64(rate) / 1.5 * 1e9 // ns
	at := func(i int) time.Time { return start.Add(time.Duration(float64(i) * gap)) }
	for _, n := range []int{1 << 20, 1 << 16, size} { // the burst: large ones first, to be quick
		for m.Take(n, start) == None {
		}
	}
	for i := range packets {
		if m.Take(size, at(i)) == None {
			bytes += int64(size)
		}
	}
	return bytes, at(packets).Sub(start)
}

// The rate holds within 1 % for every datagram size, in both kinds of bucket.
func TestMeterLongRunRate(t *testing.T) {
	for _, rate := range []int64{10e3, 99_991, 1e6, 20e6, 1e9, 9_700_000_001, 10e9} {
		for _, size := range []int{100, 101, 577, 1200, 1500} {
			for _, kind := range []string{"session", "user"} {
				lim := Limits{SessionBits: rate}
				if kind == "user" {
					lim = Limits{UserBits: rate}
				}
				m := reserve(t, newLedger(t, 0), Subject{User: "alice"}, lim, start).Meter()
				bytes, took := carried(m, size, rate, 5_000)
				got := float64(bytes) * 8 / took.Seconds()
				if off := got/float64(rate) - 1; math.Abs(off) > 0.01 {
					t.Errorf("%s, %d bit/s, %d bytes: %.0f bit/s, %+.2f %%", kind, rate, size, got, off*100)
				}
			}
		}
	}
}

func TestMeterBurst(t *testing.T) {
	for _, c := range []struct{ rate, want int64 }{
		{1, 128 << 10}, {10e3, 128 << 10}, {2_097_152, 128 << 10}, {20e6, 20e6 / 16}, {10e9, 10e9 / 16},
	} {
		m := reserve(t, newLedger(t, 0), Subject{}, Limits{SessionBits: c.rate}, start).Meter()
		var got int64
		for m.Take(1024, start) == None {
			got += 1024
		}
		// Rounding up costs less than 1/1000 even at 10 Gb/s.
		if got > c.want || got < c.want-c.want/1000-1024 {
			t.Errorf("%d bit/s: burst of %d bytes, want %d", c.rate, got, c.want)
		}
		// A long rest gives one burst, not more.
		got = 0
		for later := start.Add(24 * time.Hour * 365); m.Take(1024, later) == None; {
			got += 1024
		}
		if got > c.want || got < c.want-c.want/1000-1024 {
			t.Errorf("%d bit/s: after a rest %d bytes, want %d", c.rate, got, c.want)
		}
	}
}

// Nothing overflows at the corners of every argument, and what overflows into
// the negative would pass.
func TestMeterExtremes(t *testing.T) {
	ages := []time.Duration{math.MinInt64, -1, 0, 1, 10 * 365 * 24 * time.Hour, 19 * 365 * 24 * time.Hour, math.MaxInt64}
	for _, rate := range []int64{math.MinInt64, -1, 1, 2, 1e9, math.MaxInt64} {
		m := reserve(t, newLedger(t, 0), Subject{User: "u"}, Limits{SessionBits: rate, UserBits: rate}, start).Meter()
		for _, age := range ages {
			now := start.Add(age)
			for _, n := range []int{math.MinInt, -1, 0, 1, 1500, 65535, 1 << 24, math.MaxInt} {
				got := m.Take(n, now)
				if rate < 0 && got == None {
					t.Errorf("rate %d passes %d bytes", rate, n)
				}
				if n >= 1<<24 && rate > 0 && rate < 1e8 && got == None {
					t.Errorf("rate %d passes %d bytes at once", rate, n)
				}
				if tat := m.session.tat.Load(); tat < 0 && age >= 0 {
					t.Fatalf("rate %d, age %v, n %d: the arrival time overflowed: %d", rate, age, n, tat)
				}
			}
		}
	}
}

// A bucket that has run for longer than its clock lasts refuses, rather than
// letting everything pass.
func TestMeterClockEnds(t *testing.T) {
	m := reserve(t, newLedger(t, 0), Subject{}, Limits{SessionBits: 1e6}, start).Meter()
	passed := 0
	for i := range 1000 {
		if m.Take(1000, start.Add(20*365*24*time.Hour+time.Duration(i)*time.Hour)) == None {
			passed++
		}
	}
	if passed > 132 {
		t.Errorf("%d datagrams of 1000 bytes passed, one burst is 131", passed)
	}
}

func TestMeterRefusals(t *testing.T) {
	l := newLedger(t, 0)
	lim := Limits{SessionBits: 8e6, UserBits: 2 * 8e6, UserBytesPerDay: 1 << 40}
	who := Subject{Tenant: "t", User: "alice"}
	var meters []*Meter
	for range 3 {
		meters = append(meters, reserve(t, l, who, lim, start).Meter())
	}
	drain := func(m *Meter) (sum int, last Refusal) {
		for {
			if last = m.Take(1000, start); last != None {
				return sum, last
			}
			sum += 1000
		}
	}
	for i, want := range []struct {
		sum  int
		last Refusal
	}{{500_000, SessionRate}, {500_000, SessionRate}, {0, UserRate}} {
		if sum, last := drain(meters[i]); sum != want.sum || last != want.last {
			t.Errorf("session %d: %d bytes, then %v; want %d, then %v", i, sum, last, want.sum, want.last)
		}
	}
	if got := l.Usage(who, start).BytesToday; got != 1_000_000 {
		t.Errorf("%d bytes today, want 1000000: a datagram refused by the user's rate was charged to the day", got)
	}
	// The third session was refused by the user's rate alone: its own budget
	// must be whole once the user has some again.
	if tat := meters[2].session.tat.Load(); tat > 0 {
		t.Errorf("a datagram refused by the user's rate is still charged to the session: %d ticks", tat)
	}
}

// A datagram that the day refuses is not charged to the session either.
func TestMeterDayGivesBack(t *testing.T) {
	l := newLedger(t, 0)
	m := reserve(t, l, Subject{User: "alice"}, Limits{SessionBits: 8e6, UserBits: 8e6, UserBytesPerDay: 100}, start).Meter()
	for range 1000 {
		if got := m.Take(1000, start); got != DayBytes {
			t.Fatalf("got %v, want %v", got, DayBytes)
		}
	}
	if session, user := m.session.tat.Load(), m.user.rate.tat.Load(); session != 0 || user != 0 {
		t.Errorf("%d ticks charged to the session, %d to the user", session, user)
	}
}

// A session that begins later reads the user's bucket on the same clock.
func TestMeterLaterSession(t *testing.T) {
	l := newLedger(t, 0)
	who, lim := Subject{User: "alice"}, Limits{SessionBits: 8e6, UserBits: 8e6}
	first := reserve(t, l, who, lim, start).Meter()
	for first.Take(1000, start) == None {
	}
	later := start.Add(10 * time.Second)
	second := reserve(t, l, who, lim, later).Meter()
	for i := range 500 {
		if got := second.Take(1000, later); got != None {
			t.Fatalf("datagram %d of a burst of 500: %v", i+1, got)
		}
	}
	if got := first.Take(1000, later); got != UserRate {
		t.Errorf("the burst is spent: %v, want %v", got, UserRate)
	}
}

func TestMeterDay(t *testing.T) {
	l := newLedger(t, 0)
	who := Subject{User: "alice"}
	lim := Limits{UserBytesPerDay: 10_000}
	a, b := reserve(t, l, who, lim, start), reserve(t, l, who, lim, start)
	take := func(r *Reservation, n int, now time.Time, want Refusal) {
		t.Helper()
		if got := r.Meter().Take(n, now); got != want {
			t.Errorf("Take(%d) at %v = %v, want %v", n, now, got, want)
		}
	}
	take(a, 6000, start, None)
	take(b, 4001, start, DayBytes)
	take(b, 4000, start, None)
	take(a, 1, start, DayBytes)
	take(a, 0, start, None)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	take(a, 1, midnight.Add(-1), DayBytes)
	take(a, 10_000, midnight.In(time.FixedZone("far", 14*3600)), None)
	take(a, 1, midnight, DayBytes)
	// Set back across midnight: no second budget for the day before.
	take(a, 1, midnight.Add(-time.Second), DayBytes)
	take(a, 1, midnight.Add(time.Hour), DayBytes)
	// Set back by days: the wrong day's window does not stay.
	take(a, 10_000, midnight.Add(-72*time.Hour), None)
	take(a, 1, midnight.Add(-72*time.Hour), DayBytes)
	take(b, math.MaxInt, midnight.Add(48*time.Hour), DayBytes)
}

// However many take at once, never more than the user's burst or day passes,
// and what competitors are refused is given back: one alone gets all the rest.
func TestMeterConcurrent(t *testing.T) {
	const rate, size, sessions = 80e6, 100, 8
	for what, c := range map[string]struct{ day, want int64 }{
		"day":       {3_000_000, 3_000_000},
		"user rate": {1 << 40, rate / 16},
	} {
		l := newLedger(t, 0)
		who := Subject{User: "alice"}
		var meters []*Meter
		for range sessions {
			m := reserve(t, l, who, Limits{SessionBits: rate, UserBits: rate, UserBytesPerDay: c.day}, start).Meter()
			meters = append(meters, m)
		}
		var passed atomic.Int64
		var wg sync.WaitGroup
		for i := range 4 * sessions {
			wg.Go(func() {
				for range 5000 {
					if meters[i%sessions].Take(size, start) == None {
						passed.Add(size)
					}
				}
			})
		}
		wg.Wait()
		for meters[0].Take(size, start) == None {
			passed.Add(size)
		}
		if got := passed.Load(); got != c.want {
			t.Errorf("%s: %d bytes passed, want %d", what, got, c.want)
		}
		if got := l.Usage(who, start).BytesToday; got != c.want {
			t.Errorf("%s: the account counts %d bytes, want %d", what, got, c.want)
		}
	}
}

// A day changes under load, while some workers are still in the day before:
// each day has one budget.
func TestMeterDayChangeConcurrent(t *testing.T) {
	const day, size, days = 1000, 100, 1000
	l := newLedger(t, 0)
	m := reserve(t, l, Subject{User: "alice"}, Limits{UserBytesPerDay: day}, start).Meter()
	var passed atomic.Int64
	for d := range days {
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for i := range 8 {
			now := start.AddDate(0, 0, d+i%2)
			wg.Go(func() {
				<-begin
				for range day / size {
					if m.Take(size, now) == None {
						passed.Add(size)
					}
				}
			})
		}
		close(begin)
		wg.Wait()
	}
	if got := passed.Load(); got > (days+1)*day || got < days*day {
		t.Errorf("%d bytes in %d days of %d", got, days+1, day)
	}
}

// A raise helps at once, and a change of rate gives no new burst.
func TestMeterRateChange(t *testing.T) {
	l := newLedger(t, 0)
	who := Subject{User: "alice"}
	m := reserve(t, l, who, Limits{UserBits: 10e3}, start).Meter()
	for m.Take(1000, start) == None {
	}
	reserve(t, l, who, Limits{UserBits: 80e6}, start)
	if got := m.Take(1000, start); got != UserRate {
		t.Errorf("at the moment of the raise: %v, want %v: a change must not fill the bucket", got, UserRate)
	}
	bytes := 0
	for now := start; now.Before(start.Add(time.Second)); now = now.Add(10 * time.Microsecond) {
		if m.Take(1000, now) == None {
			bytes += 1000
		}
	}
	if bytes < 9_900_000 || bytes > 10_100_000 {
		t.Errorf("in the second after the raise %d bytes, want 10 MB", bytes)
	}
	reserve(t, l, who, Limits{}, start)
	for range 1000 {
		if got := m.Take(60_000, start); got != None {
			t.Fatalf("without a limit: %v", got)
		}
	}
}

func TestMeterAllocatesNothing(t *testing.T) {
	m := reserve(t, newLedger(t, 0), Subject{User: "u"}, Limits{SessionBits: 1e9, UserBits: 1e9, UserBytesPerDay: 1 << 50}, start).Meter()
	m.Take(1, start)
	now := start
	if n := testing.AllocsPerRun(1000, func() { now = now.Add(time.Millisecond); m.Take(1200, now) }); n != 0 {
		t.Errorf("%v allocations a Take", n)
	}
}

// A rate bounds datagrams, not only their payload: an empty one is not free,
// and a day's bytes are payload all the same.
func TestMeterBoundsEmptyDatagrams(t *testing.T) {
	who := Subject{User: "alice"}
	for name, lim := range map[string]Limits{
		"session": {SessionBits: 8e6, UserBytesPerDay: 1 << 40}, "user": {UserBits: 8e6, UserBytesPerDay: 1 << 40},
	} {
		l := newLedger(t, 0)
		r := reserve(t, l, who, lim, start)
		passed, now := 0, start
		for range 100_000 { // ten seconds at 10,000 a second
			for _, n := range []int{0, 1, 20} {
				if r.Meter().Take(n, now) == None {
					passed++
				}
			}
			now = now.Add(100 * time.Microsecond)
		}
		if most := (10_000_000 + 500_000) / minCharge; passed > most+1 || passed < most*9/10 {
			t.Errorf("%s: %d small datagrams in 10 s at 1 MB/s, want about %d", name, passed, most)
		}
		if got := l.Usage(who, start).BytesToday; got > int64(passed)*20 {
			t.Errorf("%s: %d bytes today for %d datagrams of 20 bytes at most", name, got, passed)
		}
		r.Release(now)
	}
}

func BenchmarkTake(b *testing.B) {
	all := Limits{SessionBits: 1e12, UserBits: 1e12, UserBytesPerDay: math.MaxInt64}
	for name, lim := range map[string]Limits{"none": {}, "session": {SessionBits: 1e12}, "all": all, "refused": {SessionBits: -1}} {
		b.Run(name, func(b *testing.B) {
			m := reserve(b, newLedger(b, 0), Subject{User: "u"}, lim, start).Meter()
			b.ReportAllocs()
			now := start
			for b.Loop() {
				now = now.Add(time.Microsecond)
				m.Take(1200, now)
			}
		})
	}
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("parallel/shared=%v", shared), func(b *testing.B) {
			l := newLedger(b, 0)
			one := reserve(b, l, Subject{User: "u"}, all, start).Meter()
			var n atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				m, now := one, start
				if !shared {
					m = reserve(b, l, Subject{User: fmt.Sprint(n.Add(1))}, all, start).Meter()
				}
				for pb.Next() {
					now = now.Add(time.Microsecond)
					m.Take(1200, now)
				}
			})
		})
	}
}

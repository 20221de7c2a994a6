package ratelimit

import (
	"encoding/binary"
	"math"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

func newLimiter(t testing.TB, o Options) *Limiter {
	t.Helper()
	l, err := NewLimiter(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLimiterOptions(t *testing.T) {
	for _, o := range []Options{
		{PerSecond: 0, Burst: 1}, {PerSecond: -1, Burst: 1}, {PerSecond: math.NaN(), Burst: 1}, {PerSecond: math.Inf(1), Burst: 1},
		{PerSecond: 1, Burst: 0}, {PerSecond: 1, Burst: -1},
		{PerSecond: 1, Burst: 1, Scope: Port + 1}, {PerSecond: 1, Burst: 1, Buckets: -1}, {PerSecond: 1, Burst: 1, Buckets: MaxBuckets + 1},
	} {
		if _, err := NewLimiter(o); err == nil {
			t.Errorf("NewLimiter(%+v) accepted", o)
		}
	}
}

func TestLimiterRateAndBurst(t *testing.T) {
	l := newLimiter(t, Options{PerSecond: 50, Burst: 200})
	a := netip.MustParseAddr("192.0.2.1")
	count := func(now time.Time) (n int) {
		for l.Allow(a, now) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 200}, {0, 0}, {time.Second, 50}, {time.Second, 0}, {time.Hour, 200}} {
		if got := count(start.Add(c.after)); got != c.want {
			t.Errorf("after %v: %d events, want %d", c.after, got, c.want)
		}
	}
	if l.Allow(netip.Addr{}, start) {
		t.Error("an invalid address has a budget")
	}
}

// What is one source shares one budget, what is not hardly ever does.
func TestLimiterSources(t *testing.T) {
	for _, c := range []struct {
		scope Scope
		a, b  string
		same  bool
	}{
		{Source, "192.0.2.1:1", "192.0.2.1:2", true},
		{Source, "192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{Source, "192.0.2.1:1", "192.0.2.2:1", false},
		{Source, "192.0.2.1:1", "[::192.0.2.1]:1", false},
		{Source, "[2001:db8:1:200::1]:1", "[2001:db8:1:200:ffff::9]:2", true},
		{Source, "[2001:db8:1:200::1]:1", "[2001:db8:1:201::1]:1", false},
		{Source, "[2001:db8:1:200::1%eth0]:1", "[2001:db8:1:200::2%eth1]:1", true},
		{Network, "192.0.2.1:1", "192.0.2.200:2", true},
		{Network, "192.0.2.1:1", "192.0.3.1:1", false},
		{Network, "[2001:db8:1:200::1]:1", "[2001:db8:1:2ff:ffff::9]:2", true},
		{Network, "[2001:db8:1:200::1]:1", "[2001:db8:1:300::1]:1", false},
		{Port, "192.0.2.1:1", "192.0.2.1:1", true},
		{Port, "192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{Port, "192.0.2.1:1", "192.0.2.1:2", false},
		{Port, "192.0.2.1:1", "192.0.2.2:1", false},
		{Port, "[2001:db8::1]:1", "[2001:db8::2]:1", false},
	} {
		same := 0
		for range 20 { // each with another secret
			l := newLimiter(t, Options{PerSecond: 1, Burst: 1, Scope: c.scope})
			a, b := netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)
			if l.Spent(a, start) || l.Spent(b, start) {
				t.Fatal("spent before it was used")
			}
			l.AllowPort(a, start)
			spent := l.Spent(b, start)
			if l.AllowPort(b, start) == spent {
				t.Fatal("Spent and AllowPort do not agree")
			}
			if spent {
				same++
			}
		}
		// Two strangers meet by chance once in 16384 secrets, twice in 20 never.
		if c.same && same != 20 || !c.same && same > 1 {
			t.Errorf("scope %d: %s and %s shared a budget under %d of 20 secrets; want it always: %v", c.scope, c.a, c.b, same, c.same)
		}
	}
}

func TestLimiterSpreads(t *testing.T) {
	const buckets = 64
	l := newLimiter(t, Options{PerSecond: 1, Burst: 1, Buckets: buckets})
	var hits [buckets]int
	for i := range uint32(buckets * 1000) {
		hits[l.bucket(netip.AddrPortFrom(v4(i), 0))]++
	}
	for i, n := range hits {
		if n < 800 || n > 1200 {
			t.Errorf("bucket %d has %d of %d addresses", i, n, buckets*1000)
		}
	}
}

func v4(i uint32) netip.Addr {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], i)
	return netip.AddrFrom4(a)
}

// A million forged sources take no memory.
func TestLimiterFixedMemory(t *testing.T) {
	l := newLimiter(t, Options{PerSecond: 50, Burst: 200, Buckets: 1024})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	passed := 0
	for i := range uint32(1 << 20) {
		if l.Allow(v4(i), start) {
			passed++
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 64<<10 {
		t.Errorf("a million sources took %d bytes", grown)
	}
	if passed > 1024*200 {
		t.Errorf("%d events passed, %d buckets of 200 allow %d", passed, 1024, 1024*200)
	}
}

func TestLimiterAllocatesNothing(t *testing.T) {
	l := newLimiter(t, Options{PerSecond: 50, Burst: 200})
	a4, a6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1%eth0")
	if n := testing.AllocsPerRun(1000, func() { l.Allow(a4, start); l.Allow(a6, start) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAllow(b *testing.B) {
	for name, burst := range map[string]int{"allowed": math.MaxInt32, "refused": 1} {
		b.Run(name, func(b *testing.B) {
			l := newLimiter(b, Options{PerSecond: 1, Burst: burst})
			a := netip.MustParseAddr("2001:db8::1")
			b.ReportAllocs()
			for b.Loop() {
				l.Allow(a, start)
			}
		})
	}
}

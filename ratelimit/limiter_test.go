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
		{PerSecond: 1, Burst: 1, Buckets: -1}, {PerSecond: 1, Burst: 1, Buckets: MaxBuckets + 1},
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
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8:1:200::1", "2001:db8:1:2ff:ffff::9", true},
		{"2001:db8:1:200::1", "2001:db8:1:300::1", false},
		{"2001:db8:1:200::1%eth0", "2001:db8:1:200::2%eth1", true},
	} {
		same := 0
		for range 20 { // each with another secret
			l := newLimiter(t, Options{PerSecond: 1, Burst: 1})
			l.Allow(netip.MustParseAddr(c.a), start)
			if !l.Allow(netip.MustParseAddr(c.b), start) {
				same++
			}
		}
		// Two strangers meet by chance once in 16384 secrets, twice in 20 never.
		if c.same && same != 20 || !c.same && same > 1 {
			t.Errorf("%s and %s shared a budget under %d of 20 secrets; one source: %v", c.a, c.b, same, c.same)
		}
	}
}

func TestLimiterSpreads(t *testing.T) {
	const buckets = 64
	l := newLimiter(t, Options{PerSecond: 1, Burst: 1, Buckets: buckets})
	var hits [buckets]int
	for i := range uint32(buckets * 1000) {
		hits[l.bucket(v4(i))]++
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

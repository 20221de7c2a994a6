package ratelimit

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultBuckets is for [Options.Buckets]: about 1.5 MB.
	DefaultBuckets = 1 << 14
	// MaxBuckets bounds it.
	MaxBuckets = 1 << 22
)

// Options of a [Limiter].
type Options struct {
	PerSecond float64 // events a second and bucket in the long run; above 0
	Burst     int     // events at once after a rest; 1 or more
	Buckets   int     // 1 to MaxBuckets; 0 means DefaultBuckets
}

// Limiter is for what a server does for strangers: answers to requests that
// prove nothing, such as authentication challenges (50/s, burst 200 a source)
// and Binding responses. Their source addresses may be forged, so it must
// neither remember sources, which would fill memory, nor forget some for
// others, which would help a forger. It has a fixed number of buckets, and a
// secret hash of the address says which one: sources that share a bucket share
// its budget, and nobody outside can find such a pair.
//
// A source is an IPv4 address or an IPv6 /56, the least that a household gets:
// more precise would be 256 or more budgets for one attacker.
//
// It is safe for concurrent use and allocates nothing in a call. Workers may
// read the clock a little apart: with times that jump back and forth by s, a
// bucket lets up to PerSecond / (1 - s x PerSecond) pass.
type Limiter struct {
	seed    maphash.Seed
	buckets []rate.Limiter
}

// NewLimiter makes a limiter. All of its memory is taken at once.
func NewLimiter(o Options) (*Limiter, error) {
	if o.Buckets == 0 {
		o.Buckets = DefaultBuckets
	}
	switch {
	case !(o.PerSecond > 0) || math.IsInf(o.PerSecond, 0):
		return nil, fmt.Errorf("ratelimit: limiter: PerSecond is %v, it must be above 0 and finite", o.PerSecond)
	case o.Burst < 1:
		return nil, fmt.Errorf("ratelimit: limiter: Burst is %d, it must be 1 or more, or nothing would ever pass", o.Burst)
	case o.Buckets < 1 || o.Buckets > MaxBuckets:
		return nil, fmt.Errorf("ratelimit: limiter: Buckets is %d, it must be 1 to %d", o.Buckets, MaxBuckets)
	}
	l := &Limiter{seed: maphash.MakeSeed(), buckets: make([]rate.Limiter, o.Buckets)}
	for i := range l.buckets {
		// A bucket that was empty at the zero time is full at any real one.
		l.buckets[i].SetLimitAt(time.Time{}, rate.Limit(o.PerSecond))
		l.buckets[i].SetBurstAt(time.Time{}, o.Burst)
	}
	return l, nil
}

// Allow takes one event from the budget of addr's source. An invalid address
// has none.
func (l *Limiter) Allow(addr netip.Addr, now time.Time) bool {
	if !addr.IsValid() {
		return false
	}
	return l.buckets[l.bucket(addr)].AllowN(now, 1)
}

func (l *Limiter) bucket(addr netip.Addr) uint64 {
	var h uint64
	if addr = addr.Unmap(); addr.Is4() {
		a := addr.As4()
		h = maphash.Bytes(l.seed, a[:])
	} else {
		a := addr.As16()
		h = maphash.Bytes(l.seed, a[:7])
	}
	i, _ := bits.Mul64(h, uint64(len(l.buckets))) // h scaled to the number of buckets
	return i
}

package ratelimit

import (
	"math"
	"sync/atomic"
	"time"
)

// Time is counted in ticks of 1/16 ns since a base, in an int64: a hundred
// bytes at 10 Gb/s take 80 ns, where whole nanoseconds would be off by up to
// one in a hundred. It lasts for 18 years, after which a bucket refuses.
const (
	ticksPerNano   = 16
	ticksPerSecond = ticksPerNano * int64(time.Second)
	maxNanos       = math.MaxInt64 / ticksPerNano / 100 * 99 // room for a burst above

	burstTicks   = ticksPerSecond / 2
	minBurstBits = 128 << 10 * 8
	// maxTake keeps maxTake x 8 x ticksPerSecond within an int64. A datagram
	// has 65,535 bytes at most.
	maxTake = 1 << 24
)

// ticks is the time since base.
func ticks(base, now time.Time) int64 {
	return max(-maxNanos, min(int64(now.Sub(base)), maxNanos)) * ticksPerNano
}

// bucket is a GCRA: one theoretical arrival time (TAT), the time at which all
// that has been let through would have arrived at exactly the rate.
type bucket struct {
	rate atomic.Int64 // bit/s; 0: no limit; below: nothing passes
	tat  atomic.Int64 // ticks
}

// cost is what n bytes take at the rate, rounded up: never faster than the rate.
func cost(n int, rate int64) int64 {
	n = max(0, min(n, maxTake))
	return divUp(int64(n)*8*ticksPerSecond, rate)
}

// burst is how far the TAT may run ahead of time.
func burst(rate int64) int64 {
	return max(burstTicks, divUp(minBurstBits*ticksPerSecond, rate))
}

func divUp(a, b int64) int64 {
	if a == 0 {
		return 0
	}
	return (a-1)/b + 1
}

// take lets n bytes pass at time t, or not. charged is what to give back if
// another limit refuses them.
func (b *bucket) take(n int, t int64) (charged int64, ok bool) {
	rate := b.rate.Load()
	if rate == 0 {
		return 0, true
	}
	if rate < 0 {
		return 0, false
	}
	c, most := cost(n, rate), burst(rate)
	for {
		old := b.tat.Load()
		from := max(old, t)
		if from-t > most-c { // from+c-t > most, without overflow
			return 0, false
		}
		if b.tat.CompareAndSwap(old, from+c) {
			return c, true
		}
	}
}

// giveBack undoes a take. It is exact: for any later time the bucket is as it
// would be without the take, unless the TAT was overtaken by time in between.
func (b *bucket) giveBack(charged int64) {
	if charged != 0 {
		b.tat.Add(-charged)
	}
}

// setRate changes the rate at time t. A debt from the old rate that the new
// one would never have allowed is cut, or a raise would come to nothing for
// minutes.
func (b *bucket) setRate(rate, t int64) {
	if b.rate.Swap(rate) == rate || rate <= 0 {
		return
	}
	for most := t + burst(rate); ; {
		old := b.tat.Load()
		if old <= most || b.tat.CompareAndSwap(old, most) {
			return
		}
	}
}

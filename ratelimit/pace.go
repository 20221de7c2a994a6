package ratelimit

import (
	"sync/atomic"
	"time"
)

// Pace lets events through at a rate, and some at once after a rest. The zero
// Pace lets everything through. It waits for nothing, so that a packet may ask
// it. It must not be copied once it is in use.
type Pace struct {
	each, ahead int64 // ns: of one event, and how far the last may be ahead of time
	tat         atomic.Int64
}

// Set gives it a rate, before it is used. A rate that is not above 0 is no limit.
func (p *Pace) Set(r Rate) {
	if r.PerSecond > 0 {
		p.each = max(int64(float64(time.Second)/r.PerSecond), 1)
		p.ahead = int64(max(r.Burst, 1)) * p.each
	}
}

// Take lets n events pass at a time, in ns since any moment, or none of them.
func (p *Pace) Take(n int, at int64) bool {
	if p.each == 0 {
		return true
	}
	for {
		old := p.tat.Load()
		next := max(old, at) + int64(n)*p.each
		if next-at > p.ahead {
			return false
		}
		if p.tat.CompareAndSwap(old, next) {
			return true
		}
	}
}

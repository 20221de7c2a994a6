package ratelimit

import (
	"errors"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"
)

// Quota is a [Rate] of somebody who is told how much of it is left. The zero
// Quota lets everything through.
type Quota struct {
	rate   Rate
	bucket *rate.Limiter
}

// Standing is a quota after a request.
type Standing struct {
	Left int           // events that would pass now
	Next time.Duration // until one would; 0 with any left
	Full time.Duration // until the whole burst would
}

// NewQuota makes a quota, full. The zero Rate is no limit.
func NewQuota(r Rate) (*Quota, error) {
	if r == (Rate{}) {
		return new(Quota), nil
	}
	if !(r.PerSecond > 0) || math.IsInf(r.PerSecond, 0) || r.Burst < 1 {
		return nil, fmt.Errorf("ratelimit: quota: %v a second and %d at once: %w", r.PerSecond, r.Burst, errRate)
	}
	return &Quota{rate: r, bucket: rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)}, nil
}

var errRate = errors.New("both must be above 0, or both 0 for no limit")

// Rate is what the quota was made of.
func (q *Quota) Rate() Rate { return q.rate }

// Take lets one event pass, or not.
func (q *Quota) Take(now time.Time) (Standing, bool) {
	if q.bucket == nil {
		return Standing{Left: math.MaxInt}, true
	}
	ok := q.bucket.AllowN(now, 1)
	tokens := max(q.bucket.TokensAt(now), 0)
	s := Standing{Left: int(tokens), Full: q.after(float64(q.rate.Burst) - tokens)}
	if s.Left == 0 {
		s.Next = q.after(1 - tokens)
	}
	return s, ok
}

// after is how long so many tokens take.
func (q *Quota) after(tokens float64) time.Duration {
	return time.Duration(min(tokens/q.rate.PerSecond, 1e9) * float64(time.Second))
}

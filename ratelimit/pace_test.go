package ratelimit

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	var p Pace
	if !p.Take(1<<20, 0) {
		t.Error("the zero Pace refuses")
	}
	p.Set(Rate{PerSecond: 20, Burst: 64})
	count := func(at time.Duration) (n int) {
		for p.Take(1, int64(at)) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		at   time.Duration
		want int
	}{{0, 64}, {0, 0}, {time.Second, 20}, {time.Second, 0}, {1049 * time.Millisecond, 0}, {1050 * time.Millisecond, 1}, {time.Hour, 64}} {
		if n := count(c.at); n != c.want {
			t.Errorf("at %v: %d, want %d", c.at, n, c.want)
		}
	}
	at := int64(2 * time.Hour)
	if p.Take(65, at) || !p.Take(60, at) || p.Take(5, at) || !p.Take(4, at) {
		t.Error("several at once are not all or none")
	}
}

// However many ask at once, no more pass than the rate and its burst let.
func TestPaceTogether(t *testing.T) {
	var p Pace
	p.Set(Rate{PerSecond: 1000, Burst: 100})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for at := int64(0); at < int64(time.Second); at += rand.Int64N(int64(100 * time.Microsecond)) {
				if p.Take(1, at) {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := passed.Load(); n > 1100 || n < 1000 {
		t.Errorf("%d passed in a second, want 1,000 to 1,100", n)
	}
}

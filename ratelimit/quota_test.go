package ratelimit

import (
	"math"
	"testing"
	"time"
)

func TestQuota(t *testing.T) {
	q, err := NewQuota(Rate{PerSecond: 0.5, Burst: 3})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		after time.Duration
		ok    bool
		want  Standing
	}{
		{0, true, Standing{Left: 2, Full: 2 * time.Second}},
		{0, true, Standing{Left: 1, Full: 4 * time.Second}},
		{0, true, Standing{Left: 0, Next: 2 * time.Second, Full: 6 * time.Second}},
		{0, false, Standing{Left: 0, Next: 2 * time.Second, Full: 6 * time.Second}},
		{time.Second, false, Standing{Left: 0, Next: time.Second, Full: 5 * time.Second}},
		{time.Second, true, Standing{Left: 0, Next: 2 * time.Second, Full: 6 * time.Second}},
		{time.Hour, true, Standing{Left: 2, Full: 2 * time.Second}},
	} {
		now = now.Add(step.after)
		if got, ok := q.Take(now); ok != step.ok || got != step.want {
			t.Errorf("at %v: %+v %v, want %+v %v", now, got, ok, step.want, step.ok)
		}
	}
}

func TestQuotaWithoutLimit(t *testing.T) {
	q, err := NewQuota(Rate{})
	if err != nil {
		t.Fatal(err)
	}
	for range 100_000 {
		if s, ok := q.Take(time.Time{}); !ok || s.Left != math.MaxInt {
			t.Fatalf("%+v %v", s, ok)
		}
	}
}

func TestNewQuotaRefuses(t *testing.T) {
	for _, r := range []Rate{{PerSecond: 1}, {Burst: 1}, {PerSecond: -1, Burst: 1}, {PerSecond: math.NaN(), Burst: 1}, {PerSecond: math.Inf(1), Burst: 1}, {PerSecond: 1, Burst: -1}} {
		if q, err := NewQuota(r); err == nil {
			t.Errorf("%+v: %+v", r, q)
		}
	}
}

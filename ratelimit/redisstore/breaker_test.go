package redisstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redistest"
)

func TestBreaker(t *testing.T) {
	now := time.Unix(0, 0)
	b := breaker{now: func() time.Time { return now }}
	fail := func() {
		t.Helper()
		try, ok := b.allow()
		if !ok {
			t.Fatal("closed to a call")
		}
		b.done(try, true)
	}
	fail()
	fail()
	b.done(false, false) // one success in between
	for range breakAfter {
		fail()
	}
	for rest := shortestRest; rest < 20*time.Second; rest *= 2 {
		if _, ok := b.allow(); ok {
			t.Fatalf("open to a call at once, rest %v", rest)
		}
		now = now.Add(min(rest, longestRest))
		try, ok := b.allow()
		if !ok || !try {
			t.Fatalf("no try after %v", rest)
		}
		if _, ok := b.allow(); ok {
			t.Fatal("a second call while one tries")
		}
		b.done(try, true)
	}
	now = now.Add(longestRest)
	try, _ := b.allow()
	b.done(try, false)
	for range 3 {
		if try, ok := b.allow(); !ok || try {
			t.Fatal("a success does not close it")
		}
	}
}

// A dead server costs a few failures, and then nothing.
func TestDeadServerCostsNothing(t *testing.T) {
	server := redistest.Start(t)
	s := newStore(t, Options{Addrs: []string{server.Addr}, Timeout: 200 * time.Millisecond})
	server.Kill()
	ctx := context.Background()
	for range breakAfter {
		if _, err := s.Epoch(ctx); err == nil {
			t.Fatal("a dead server answers")
		}
	}
	a := ratelimit.Account{Name: "a"}
	away := 0
	for range 1000 { // more than a try or two are not let through meanwhile
		if _, err := s.Rate(ctx, a, "x", ratelimit.PerMinute{Events: 1, Burst: 1}, 1); errors.Is(err, ratelimit.ErrAway) {
			away++
		}
	}
	if away < 990 {
		t.Errorf("%d of 1000 calls went to a dead server", 1000-away)
	}
	server.Restart()
	redistest.Eventually(t, "it is asked again", func() bool { _, err := s.Epoch(ctx); return err == nil })
}

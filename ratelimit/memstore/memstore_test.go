package memstore

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike/ratelimit"
	"turnpike/ratelimit/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestContract(t *testing.T) {
	c := &clock{at: time.Now()}
	storetest.Run(t, storetest.Subject{
		New:  func(*testing.T) ratelimit.Store { return New(c.now) },
		Pass: func(_ *testing.T, _ ratelimit.Store, d time.Duration) { c.pass(d) },
	})
}

// What has lapsed leaves no memory behind.
func TestSweep(t *testing.T) {
	c := &clock{at: time.Now()}
	s, ctx := New(c.now), t.Context()
	for i := range 100 {
		a := ratelimit.Account{Name: fmt.Sprint(i)}
		s.Reserve(ctx, ratelimit.Claim{Member: "m", Places: []ratelimit.Place{{Account: a}}, TTL: time.Second})
		s.Rate(ctx, a, "x", ratelimit.PerMinute{Events: 60, Burst: 1}, 1)
		s.Settle(ctx, []ratelimit.Settlement{{Account: a, Holder: "n", Seq: 1, Windows: []ratelimit.Window{{Name: "d", End: c.now().Add(time.Second)}}}})
		s.Announce(ctx, ratelimit.Node{ID: fmt.Sprint(i)}, time.Second)
		s.Append(ctx, ratelimit.Accounting, ratelimit.Entry{Key: fmt.Sprint(i)}, time.Second, 0)
	}
	c.pass(time.Hour)
	s.Release(ctx, nil)
	if n := len(s.leases) + len(s.rates) + len(s.windows) + len(s.nodes) + len(s.streams[ratelimit.Accounting].entries) + len(s.streams[ratelimit.Accounting].keys); n != 0 {
		t.Errorf("%d things are left", n)
	}
}

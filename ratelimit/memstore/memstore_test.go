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

// Memory is bounded: what nothing limits is forgotten first, and who has a limit and
// can't be counted gets nothing.
func TestBounded(t *testing.T) {
	c := &clock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	s := New(c.now)
	s.most = 10
	settle := func(kind ratelimit.Kind, name string, limit int64) ratelimit.Granted {
		return s.Settle(t.Context(), []ratelimit.Settlement{{Account: ratelimit.Account{Kind: kind, Name: name}, Holder: "n/" + name, Seq: 1, Want: 5,
			Windows: []ratelimit.Window{{Name: "d", Limit: limit, Have: 7, End: c.now().Add(time.Hour)}}}})[0]
	}
	settle(ratelimit.OfTenant, "", 0)
	for i := range 100 {
		settle(ratelimit.OfUser, fmt.Sprint("free", i), 0)
	}
	if len(s.windows) != 10 {
		t.Errorf("%d windows, want 10", len(s.windows))
	}
	for i := range 20 {
		want := int64(5)
		if i >= 9 { // and one is the tenant's
			want = 0
		}
		if got := settle(ratelimit.OfUser, fmt.Sprint("limited", i), 1000); got.Bytes != want || got.Err != nil {
			t.Errorf("user %d with a limit got %+v, want %d bytes", i, got, want)
		}
	}
	used, err := s.Usage(t.Context(), ratelimit.Account{Kind: ratelimit.OfTenant}, []string{"d"})
	if err != nil || used[0] != 12 {
		t.Errorf("the tenant has %d, want 12; %v", used, err)
	}
}

package ratelimit_test

import (
	"testing"
	"time"

	. "turnpike/ratelimit"
)

// A live session's user is held to other limits: this node's part of the other rate,
// and bytes from a grant under the other quota, over all nodes.
func TestSharedLimitsOfLiveSessions(t *testing.T) {
	f := newFleet(t, 2, all(Rule{Strict: true}))
	lim := Limits{UserBits: 800_000_000, UserBytesPerDay: 1 << 40}
	for range 3 {
		f.want(t, f.nodes[1], alice, lim, None)
	}
	f.round()
	r := f.want(t, f.nodes[0], alice, lim, None)
	f.pass(time.Minute)
	f.round()
	r.SetLimits(Limits{UserBits: 80_000_000, UserBytesPerDay: 1 << 40}, f.now())
	var sum int64
	for range 100 {
		f.pass(100 * time.Millisecond)
		sum += spend(r.Meter(), f.now(), 5_000_000)
		f.round()
	}
	if sum < 24_000_000 || sum > 28_000_000 {
		t.Errorf("%d bytes in 10 s, a quarter of 100,000,000 is meant, and a burst", sum)
	}

	r.SetLimits(Limits{}, f.now())
	if got := spend(r.Meter(), f.now(), 100_000_000); got != 100_000_000 {
		t.Errorf("%d of 100,000,000 bytes pass without a limit", got)
	}
	f.round()

	// What was spent before counts, and nothing is left of a smaller quota.
	r.SetLimits(Limits{UserBytesPerDay: 100_000_000}, f.now())
	for range 20 {
		f.pass(time.Second)
		f.round()
		if got := spend(r.Meter(), f.now(), 1_000_000); got != 0 {
			t.Fatalf("%d bytes pass, and more than the quota is spent", got)
		}
	}
	r.Release(f.now())
	r.SetLimits(lim, f.now()) // as a reload may that did not see the end
	f.round()
	if st := f.nodes[0].Stats(); st.Away {
		t.Errorf("%+v", st)
	}
}

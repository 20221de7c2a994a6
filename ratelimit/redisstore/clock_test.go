package redisstore

import (
	"context"
	"testing"
	"time"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redistest"
)

// A clock of Redis that jumps lets nobody in beyond a strict limit: forward, it
// ends the leases of those who live, and back it keeps those of the dead.
func TestClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{"an hour forward": time.Hour, "a week forward": 7 * 24 * time.Hour, "a minute and a half forward": 90 * time.Second, "an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.StartWithClock(t)
			so := ratelimit.SharedOptions{Rules: all(ratelimit.Rule{Strict: true, OnStoreError: ratelimit.Deny}),
				Settling: time.Second, Interval: 100 * time.Millisecond, Deadline: 5 * time.Second}
			o := Options{Addrs: []string{server.Addr}, Timeout: 5 * time.Second}
			fleet := []*node{startNode(t, 0, o, so), startNode(t, 1, o, so)}
			believed(t, fleet)
			who, lim := ratelimit.Subject{User: "alice"}, ratelimit.Limits{UserAllocations: 2, UserBytesPerDay: 10 << 20}
			held, why := fleet[0].reserve(who, lim)
			if held == nil {
				t.Fatal(why)
			}
			spent := spend(held, 3<<20)
			before := serverTime(t, server)
			server.SetClock(jump)
			if got := serverTime(t, server).Sub(before); (got - jump).Abs() > time.Minute/2 {
				t.Fatalf("the clock went %v", got)
			}

			places := map[*ratelimit.Reservation]bool{held: true}
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if r, _ := fleet[1].reserve(who, lim); r != nil {
					places[r] = true
				}
			}
			if len(places) != 2 {
				t.Errorf("%d places are held of 2", len(places))
			}
			spent += spend(held, 20<<20)
			if spent > 10<<20 {
				t.Errorf("%d bytes were let through of %d", spent, 10<<20)
			}
			for r := range places {
				r.Release(time.Now())
			}
			redistest.Eventually(t, "the places are free", func() bool {
				r, _ := fleet[1].reserve(who, lim)
				if r == nil {
					return false
				}
				r.Release(time.Now())
				return true
			})
		})
	}
}

// A rate is held back for no more than its burst when the clock is set back, and no
// faster than it says when it is set forward.
func TestClockOfRates(t *testing.T) {
	server := redistest.StartWithClock(t)
	s := newStore(t, Options{Addrs: []string{server.Addr}})
	alice, lim := ratelimit.Account{Name: "alice"}, ratelimit.PerMinute{Events: 60, Burst: 5}
	ask := func() ratelimit.RateAnswer {
		t.Helper()
		a, err := s.Rate(context.Background(), alice, "alloc", lim, 1)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	spendAll := func(what string) {
		t.Helper()
		n := 0
		for ask().Allowed {
			n++
		}
		if n > lim.Burst+1 {
			t.Errorf("%s: %d events at once, the burst is %d", what, n, lim.Burst)
		}
	}
	spendAll("at first")
	server.SetClock(-time.Hour)
	if a := ask(); a.Allowed || a.Retry > time.Duration(lim.Burst)*time.Second {
		t.Errorf("an hour back: %+v", a)
	}
	server.SetClock(time.Hour)
	spendAll("an hour ahead")
}

// spend takes up to n bytes of a session and tells how many there were.
func spend(r *ratelimit.Reservation, n int) (spent int) {
	const datagram = 1000
	for end := time.Now().Add(2 * time.Second); spent+datagram <= n && time.Now().Before(end); {
		if r.Meter().Take(datagram, time.Now()) == ratelimit.None {
			spent += datagram
		} else {
			time.Sleep(time.Millisecond) // more may be granted
		}
	}
	return spent
}

func serverTime(t *testing.T, s *redistest.Server) time.Time {
	t.Helper()
	c := s.Client()
	defer c.Close()
	now, err := c.Time(context.Background()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return now
}

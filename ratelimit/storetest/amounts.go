package storetest

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/ratelimit"
)

func rate(t *testing.T, s Subject) {
	store := s.New(t)
	lim := ratelimit.PerMinute{Events: 1, Burst: 3}
	for i := range 3 {
		if got := take(t, store, lim, 1); !got.Allowed || got.Remaining != 2-i || got.Retry != 0 {
			t.Fatalf("event %d: %+v", i+1, got)
		}
	}
	if got := take(t, store, lim, 1); got.Allowed || got.Remaining != 0 || got.Retry <= 50*time.Second || got.Retry > time.Minute {
		t.Errorf("beyond the burst: %+v", got)
	}
	if got := take(t, store, lim, 4); got.Allowed || got.Retry >= 0 {
		t.Errorf("more than ever fit: %+v", got)
	}
	if got, err := store.Rate(background(t), user("a"), "mint", lim, 1); err != nil || !got.Allowed {
		t.Errorf("a rate of another name: %+v, %v", got, err)
	}
}

func take(t *testing.T, store ratelimit.Store, lim ratelimit.PerMinute, n int) ratelimit.RateAnswer {
	t.Helper()
	got, err := store.Rate(background(t), user("a"), "alloc", lim, n)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func rateRecovers(t *testing.T, s Subject) {
	store := s.New(t)
	lim := ratelimit.PerMinute{Events: int(time.Minute / short), Burst: 1}
	if got := take(t, store, lim, 1); !got.Allowed {
		t.Fatalf("%+v", got)
	}
	if got := take(t, store, lim, 1); got.Allowed || got.Retry > short {
		t.Errorf("%+v", got)
	}
	s.Pass(t, store, short)
	if got := take(t, store, lim, 1); !got.Allowed {
		t.Errorf("after %v: %+v", short, got)
	}
}

// settling is a settlement of one window that lasts.
func settling(holder string, seq, have, want, limit int64) ratelimit.Settlement {
	return ratelimit.Settlement{Account: user("a"), Holder: holder, Seq: seq, Want: want, Windows: []ratelimit.Window{day(have, limit)}}
}

func day(have, limit int64) ratelimit.Window {
	return ratelimit.Window{Name: "d:20261123", Have: have, Limit: limit, End: time.Now().Add(time.Hour), Keep: time.Hour}
}

func settle(t *testing.T, store ratelimit.Store, x ratelimit.Settlement, bytes, left int64) {
	t.Helper()
	got := store.Settle(background(t), []ratelimit.Settlement{x})
	if len(got) != 1 || got[0] != (ratelimit.Granted{Bytes: bytes, Left: left}) {
		t.Errorf("%+v, want %d bytes and %d left", got, bytes, left)
	}
}

func used(t *testing.T, store ratelimit.Store, want int64) {
	t.Helper()
	got, err := store.Usage(background(t), user("a"), []string{"d:20261123", "d:none"})
	if err != nil || len(got) != 2 || got[0] != want || got[1] != 0 {
		t.Errorf("used %v (%v), want %d", got, err, want)
	}
}

func settleGrants(t *testing.T, s Subject) {
	store := s.New(t)
	settle(t, store, settling("n", 1, 0, 60, 100), 60, 40)
	settle(t, store, settling("m", 1, 0, 60, 100), 40, 0)
	settle(t, store, settling("n", 2, 60, 10, 100), 0, 0)
	settle(t, store, settling("m", 2, 15, 0, 100), 0, 25) // gives 25 back
	settle(t, store, settling("n", 3, 60, 30, 100), 25, 0)
	used(t, store, 100)
	settle(t, store, settling("n", 4, 85, 10, 50), 0, 0) // a limit that was lowered
}

func settleAgain(t *testing.T, s Subject) {
	store := s.New(t)
	for range 3 {
		settle(t, store, settling("n", 1, 10, 20, 100), 20, 70)
	}
	used(t, store, 30)
}

func settleLate(t *testing.T, s Subject) {
	store := s.New(t)
	settle(t, store, settling("n", 2, 10, 20, 100), 20, 70)
	if got := store.Settle(background(t), []ratelimit.Settlement{settling("n", 1, 0, 50, 100)}); got[0].Err != ratelimit.ErrLate {
		t.Errorf("%+v, want %v", got, ratelimit.ErrLate)
	}
	used(t, store, 30)
}

// A grant that the holder never heard of is not its own.
func settleLostAnswer(t *testing.T, s Subject) {
	store := s.New(t)
	settle(t, store, settling("n", 1, 0, 60, 100), 60, 40)
	settle(t, store, settling("n", 2, 0, 70, 100), 70, 30)
	settle(t, store, settling("n", 3, 90, 0, 100), 0, 10) // more than the store knew: it had forgotten
	used(t, store, 90)
}

func settleShares(t *testing.T, s Subject) {
	store := s.New(t)
	x := settling("n", 1, 0, 90, 100)
	x.Share, x.Least = 4, 10
	settle(t, store, x, 25, 75)
	x.Seq, x.Windows[0].Have, x.Least = 2, 25, 30
	settle(t, store, x, 30, 45)
	x.Seq, x.Windows[0].Have, x.Least = 3, 55, 60
	settle(t, store, x, 45, 0)
}

func settleWithoutLimit(t *testing.T, s Subject) {
	store := s.New(t)
	settle(t, store, settling("n", 1, 1<<50, 0, 0), 0, math.MaxInt64)
	settle(t, store, settling("n", 2, 1<<50, 5, 0), 5, math.MaxInt64)
	used(t, store, 1<<50+5)
}

func settleOtherEpoch(t *testing.T, s Subject) {
	store := s.New(t)
	e, err := store.Epoch(background(t))
	if err != nil {
		t.Fatal(err)
	}
	x := settling("n", 1, 0, 60, 100)
	x.Epoch = "another"
	if got := store.Settle(background(t), []ratelimit.Settlement{x}); got[0].Err != ratelimit.ErrEpoch || got[0].Bytes != 0 {
		t.Errorf("%+v, want %v", got, ratelimit.ErrEpoch)
	}
	x.Epoch, x.Seq = e.ID, 2
	settle(t, store, x, 60, 40)
}

// Of two windows both are charged, and the one with less left decides.
func settleTheSmallestLeft(t *testing.T, s Subject) {
	store := s.New(t)
	x := settling("n", 1, 10, 100, 50)
	x.Windows = append(x.Windows, ratelimit.Window{Name: "m:202611", Have: 70, Limit: 100, End: time.Now().Add(time.Hour)})
	settle(t, store, x, 30, 0)
	got, err := store.Usage(background(t), user("a"), []string{"d:20261123", "m:202611"})
	if err != nil || got[0] != 40 || got[1] != 100 {
		t.Errorf("%v, %v", got, err)
	}
}

// Holders that ask at once, give back, and repeat themselves.
func settleNeverOver(t *testing.T, s Subject) {
	store := s.New(t)
	const limit = 10_000
	var all sync.WaitGroup
	var sum atomic.Int64
	for i := range 20 {
		all.Go(func() {
			var have int64
			for seq := range int64(20) {
				x := settling(fmt.Sprint(i), seq+1, have, 97, limit)
				got := store.Settle(context.Background(), []ratelimit.Settlement{x, x})
				if got[0].Err != nil || got[1].Err != nil || got[0].Bytes != got[1].Bytes {
					t.Errorf("%+v", got)
					return
				}
				have += got[0].Bytes
				if seq%5 == 4 {
					have /= 2
				}
			}
			got := store.Settle(context.Background(), []ratelimit.Settlement{settling(fmt.Sprint(i), 99, have, 0, limit)})
			if got[0].Err != nil {
				t.Error(got[0].Err)
			}
			sum.Add(have)
		})
	}
	all.Wait()
	if n := sum.Load(); n > limit || n == 0 {
		t.Errorf("%d bytes are held, the limit is %d", n, limit)
	}
	used(t, store, sum.Load())
}

func windowForgotten(t *testing.T, s Subject) {
	store := s.New(t)
	x := settling("n", 1, 0, 60, 100)
	x.Windows[0].End, x.Windows[0].Keep = time.Now(), short
	settle(t, store, x, 60, 40)
	s.Pass(t, store, short)
	used(t, store, 0)
}

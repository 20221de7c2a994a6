package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/ratelimit"
)

func place(a ratelimit.Account, limit int) ratelimit.Place {
	return ratelimit.Place{Account: a, Limit: limit}
}

func claim(t *testing.T, store ratelimit.Store, member string, ttl time.Duration, places ...ratelimit.Place) ratelimit.Claimed {
	t.Helper()
	c, err := store.Reserve(background(t), ratelimit.Claim{Member: member, Places: places, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func want(t *testing.T, got ratelimit.Claimed, refused int, counts ...int) {
	t.Helper()
	if got.Refused != refused || !slices.Equal(got.Counts, counts) {
		t.Errorf("%+v, want refused %d, counts %v", got, refused, counts)
	}
}

func release(t *testing.T, store ratelimit.Store, a ratelimit.Account, members ...string) {
	t.Helper()
	if err := store.Release(background(t), []ratelimit.Holding{{Account: a, Members: members}}); err != nil {
		t.Fatal(err)
	}
}

// The user's place is given back when the tenant has none.
func reserveInOrder(t *testing.T, s Subject) {
	store := s.New(t)
	want(t, claim(t, store, "1", long, place(user("a"), 2), place(tenant("t"), 1)), -1, 1, 1)
	want(t, claim(t, store, "2", long, place(user("a"), 2), place(tenant("t"), 1)), 1, 2, 1)
	want(t, claim(t, store, "3", long, place(user("a"), 2)), -1, 2)
	want(t, claim(t, store, "4", long, place(user("a"), 2), place(tenant("t"), 9)), 0, 2)
	want(t, claim(t, store, "5", long, place(user("b"), -1)), 0, 0)
	release(t, store, user("a"), "1", "no such member")
	want(t, claim(t, store, "6", long, place(user("a"), 2)), -1, 2)
}

// After a lost answer the same claim takes no second place.
func reserveAgain(t *testing.T, s Subject) {
	store := s.New(t)
	for range 3 {
		want(t, claim(t, store, "1", long, place(user("a"), 1)), -1, 1)
	}
	want(t, claim(t, store, "2", long, place(user("a"), 1)), 0, 1)
}

func reserveForced(t *testing.T, s Subject) {
	store := s.New(t)
	forced := ratelimit.Place{Account: user("a"), Limit: 1, Force: true}
	want(t, claim(t, store, "1", long, forced), -1, 1)
	want(t, claim(t, store, "2", long, forced), -1, 2)
	want(t, claim(t, store, "3", long, place(user("a"), 2)), 0, 2)
	want(t, claim(t, store, "4", long, place(user("a"), 0)), -1, 3)
}

func reserveOtherEpoch(t *testing.T, s Subject) {
	store, ctx := s.New(t), background(t)
	e, err := store.Epoch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := ratelimit.Claim{Epoch: "another", Member: "1", Places: []ratelimit.Place{place(user("a"), 1)}, TTL: long}
	if _, err := store.Reserve(ctx, c); err != ratelimit.ErrEpoch {
		t.Errorf("got %v, want %v", err, ratelimit.ErrEpoch)
	}
	c.Member, c.Epoch = "2", e.ID // and nothing is held
	if got, err := store.Reserve(ctx, c); err != nil || got.Refused != -1 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Many at once, each with a user and a tenant in its way: never one too many.
func reserveNeverOver(t *testing.T, s Subject) {
	store, ctx := s.New(t), background(t)
	const users, limit, tenantLimit = 3, 5, 12
	var in [users]atomic.Int64
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			c, err := store.Reserve(ctx, ratelimit.Claim{Member: fmt.Sprint(i), TTL: long, Places: []ratelimit.Place{
				place(user(fmt.Sprint(i%users)), limit), place(tenant("t"), tenantLimit)}})
			if err != nil {
				t.Error(err)
			} else if c.Refused < 0 {
				in[i%users].Add(1)
			}
		})
	}
	all.Wait()
	var sum int64
	for i := range in {
		if n := in[i].Load(); n > limit {
			t.Errorf("user %d: %d places, the limit is %d", i, n, limit)
		}
		sum += in[i].Load()
	}
	if sum > tenantLimit || sum == 0 {
		t.Errorf("tenant: %d places, the limit is %d", sum, tenantLimit)
	}
}

func leaseLapses(t *testing.T, s Subject) {
	store := s.New(t)
	want(t, claim(t, store, "1", short, place(user("a"), 1)), -1, 1)
	want(t, claim(t, store, "2", short, place(user("a"), 1)), 0, 1)
	s.Pass(t, store, short)
	want(t, claim(t, store, "3", short, place(user("a"), 1)), -1, 1)
}

func renewHolds(t *testing.T, s Subject) {
	store, ctx := s.New(t), background(t)
	want(t, claim(t, store, "1", short, place(user("a"), 2)), -1, 1)
	want(t, claim(t, store, "2", short, place(user("a"), 2)), -1, 2)
	held := store.Renew(ctx, []ratelimit.Holding{{Account: user("a"), Members: []string{"1"}}, {Account: user("b"), Members: []string{"9"}}}, long)
	if len(held) != 2 || held[0].Err != nil || held[0].Count != 2 || held[1].Err != nil || held[1].Count != 1 {
		t.Fatalf("%+v", held)
	}
	s.Pass(t, store, short)
	want(t, claim(t, store, "3", long, place(user("a"), 2)), -1, 2) // 2 has lapsed
	want(t, claim(t, store, "4", long, place(user("a"), 2)), 0, 2)  // 1 has not
}

// What lives is held even if the store has forgotten it, and others took its place.
func renewSaysAgain(t *testing.T, s Subject) {
	store, ctx := s.New(t), background(t)
	want(t, claim(t, store, "1", long, place(user("a"), 1)), -1, 1)
	held := store.Renew(ctx, []ratelimit.Holding{{Account: user("a"), Members: []string{"lost 1", "lost 2"}}}, long)
	if held[0].Err != nil || held[0].Count != 3 {
		t.Fatalf("%+v", held)
	}
	want(t, claim(t, store, "2", long, place(user("a"), 3)), 0, 3)
}

// No choice of names makes two accounts meet.
func accountsApart(t *testing.T, s Subject) {
	store := s.New(t)
	for i, a := range []ratelimit.Account{
		{Kind: ratelimit.OfUser, Tenant: "ab", Name: "c"}, {Kind: ratelimit.OfUser, Tenant: "a", Name: "bc"},
		{Kind: ratelimit.OfUser, Tenant: "a|b", Name: "c"}, {Kind: ratelimit.OfUser, Tenant: "a", Name: "b|c"},
		{Kind: ratelimit.OfUser, Tenant: "", Name: "a"}, {Kind: ratelimit.OfTenant, Tenant: "a"},
		{Kind: ratelimit.OfNetwork, Name: "a"}, {Kind: ratelimit.OfUser, Tenant: "a\x00b", Name: "}{:\n"},
	} {
		want(t, claim(t, store, fmt.Sprint(i), long, place(a, 1)), -1, 1)
	}
}

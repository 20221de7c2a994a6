package storetest

import (
	"context"
	"testing"
	"time"

	"turnpike/ratelimit"
)

// Subject is the store under test.
type Subject struct {
	// New makes a store with nothing in it.
	New func(t *testing.T) ratelimit.Store
	// Pass lets so much time pass on the clock of the store.
	Pass func(t *testing.T, s ratelimit.Store, d time.Duration)
}

// long outlasts a test, short does not.
const (
	long  = time.Minute
	short = 400 * time.Millisecond
)

// Run tests the contract.
func Run(t *testing.T, s Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"Epoch":                 epoch,
		"ReserveInOrder":        reserveInOrder,
		"ReserveAgain":          reserveAgain,
		"ReserveForced":         reserveForced,
		"ReserveOtherEpoch":     reserveOtherEpoch,
		"ReserveNeverOver":      reserveNeverOver,
		"LeaseLapses":           leaseLapses,
		"RenewHolds":            renewHolds,
		"RenewSaysAgain":        renewSaysAgain,
		"AccountsApart":         accountsApart,
		"Rate":                  rate,
		"RateRecovers":          rateRecovers,
		"SettleGrants":          settleGrants,
		"SettleAgain":           settleAgain,
		"SettleLate":            settleLate,
		"SettleLostAnswer":      settleLostAnswer,
		"SettleShares":          settleShares,
		"SettleWithoutLimit":    settleWithoutLimit,
		"SettleOtherEpoch":      settleOtherEpoch,
		"SettleTheSmallestLeft": settleTheSmallestLeft,
		"SettleNeverOver":       settleNeverOver,
		"WindowForgotten":       windowForgotten,
		"Nodes":                 nodes,
		"Streams":               streams,
		"StreamOnce":            streamOnce,
		"StreamBounded":         streamBounded,
		"StreamWakes":           streamWakes,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func user(name string) ratelimit.Account {
	return ratelimit.Account{Kind: ratelimit.OfUser, Tenant: "t", Name: name}
}

func tenant(name string) ratelimit.Account {
	return ratelimit.Account{Kind: ratelimit.OfTenant, Tenant: name}
}

func background(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func epoch(t *testing.T, s Subject) {
	store, ctx := s.New(t), background(t)
	first, err := store.Epoch(ctx)
	if err != nil || first.ID == "" || first.Age < 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	s.Pass(t, store, short)
	again, err := store.Epoch(ctx)
	if err != nil || again.ID != first.ID || again.Age < first.Age+short {
		t.Errorf("%+v after %+v (%v): it must stay, and grow older by %v", again, first, err, short)
	}
	other, err := s.New(t).Epoch(ctx)
	if err != nil || other.ID == first.ID {
		t.Errorf("an empty store has epoch %q of another (%v)", other.ID, err)
	}
}

func nodes(t *testing.T, s Subject) {
	store, ctx := s.New(t), background(t)
	b := ratelimit.Node{ID: "b", Boot: "1", URIs: []string{"turn:b.example.org"}, Region: "eu", Load: 0.5, Sessions: 7, Draining: true}
	for _, n := range []ratelimit.Node{b, {ID: "c"}} {
		if err := store.Announce(ctx, n, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Announce(ctx, ratelimit.Node{ID: "a"}, short); err != nil {
		t.Fatal(err)
	}
	wantNodes(t, store, "a", "b", "c")
	s.Pass(t, store, short)
	all := wantNodes(t, store, "b", "c")
	if got := all[0]; got.Boot != b.Boot || len(got.URIs) != 1 || got.URIs[0] != b.URIs[0] || got.Region != b.Region || got.Load != b.Load || got.Sessions != b.Sessions || !got.Draining {
		t.Errorf("%+v, want %+v", got, b)
	}
	if err := store.Announce(ctx, ratelimit.Node{ID: "b"}, long); err != nil {
		t.Fatal(err)
	}
	if got := wantNodes(t, store, "b", "c")[0]; got.Draining {
		t.Error("the newest announcement does not hold")
	}
}

func wantNodes(t *testing.T, store ratelimit.Store, want ...string) []ratelimit.Node {
	t.Helper()
	all, err := store.Nodes(background(t))
	if err != nil || len(all) != len(want) {
		t.Fatalf("%+v, %v; want %v", all, err, want)
	}
	for i := range all {
		if all[i].ID != want[i] {
			t.Fatalf("%+v, want %v", all, want)
		}
	}
	return all
}

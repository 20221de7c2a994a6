package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"turnpike/ratelimit"
)

func tell(t *testing.T, store ratelimit.Store, key, payload string, max int64) {
	t.Helper()
	e := ratelimit.Entry{Key: key, Payload: []byte(payload)}
	if err := store.Append(background(t), ratelimit.Revocations, e, long, max); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, store ratelimit.Store, after string, n int) []ratelimit.Entry {
	t.Helper()
	all, err := store.Read(background(t), ratelimit.Revocations, after, n)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantEntries(t *testing.T, got []ratelimit.Entry, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %v", len(got), want)
	}
	for i := range got {
		if string(got[i].Payload) != want[i] || got[i].ID == "" {
			t.Fatalf("entry %d: %+v, want %s", i, got[i], want[i])
		}
	}
}

func streams(t *testing.T, s Subject) {
	store := s.New(t)
	wantEntries(t, read(t, store, "", 9))
	for i := range 5 {
		tell(t, store, fmt.Sprint("key", i), fmt.Sprint(i), 0)
	}
	first := read(t, store, "", 2)
	wantEntries(t, first, "0", "1")
	rest := read(t, store, first[1].ID, 9)
	wantEntries(t, rest, "2", "3", "4")
	wantEntries(t, read(t, store, rest[2].ID, 9))
	other, err := store.Read(background(t), ratelimit.Accounting, "", 9)
	if err != nil || len(other) != 0 {
		t.Errorf("the other stream has %v (%v)", other, err)
	}
}

func streamOnce(t *testing.T, s Subject) {
	store := s.New(t)
	for range 3 {
		tell(t, store, "same", "x", 0)
	}
	tell(t, store, "other", "y", 0)
	wantEntries(t, read(t, store, "", 9), "x", "y")
}

// It may keep some more than the most, as Redis cuts whole nodes of its tree.
func streamBounded(t *testing.T, s Subject) {
	store := s.New(t)
	for i := range 500 {
		tell(t, store, fmt.Sprint(i), fmt.Sprint(i), 100)
	}
	all := read(t, store, "", 1000)
	if n := len(all); n < 100 || n > 250 || string(all[n-1].Payload) != "499" {
		t.Errorf("%d entries are kept", n)
	}
}

func streamWakes(t *testing.T, s Subject) {
	store := s.New(t)
	ctx, cancel := context.WithCancel(background(t))
	wake, err := store.Wake(ctx, ratelimit.Revocations)
	if err != nil {
		t.Fatal(err)
	}
	tell(t, store, "k", "x", 0)
	select {
	case _, open := <-wake:
		if !open {
			t.Error("closed without need")
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody was woken")
	}
	cancel()
	for range wake { // until it is closed
	}
}

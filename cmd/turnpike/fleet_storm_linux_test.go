package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/ratelimit/redistest"
	"turnpike/relay/relaytest"
)

const (
	stormNodes   = 4
	stormClients = 200
	stormLimit   = 20 // allocations of the user that they all are
)

// Four servers, 200 clients at once, one user: a strict limit is never exceeded,
// another by two a node at most (ratelimit's maxUnsettled).
func TestFleetStorm(t *testing.T) {
	if !inPublic(t, fleetNet) {
		return
	}
	rounds := 5
	if inProof() {
		rounds = 100
	}
	redis := redistest.Start(t)
	for i, c := range []struct {
		name, rule string
		over       int
	}{
		{"strict", "{id: user, strict: true, on_store_error: deny}", 0},
		{"not strict", "{id: user, on_store_error: deny}", 2 * stormNodes},
	} {
		s := newStorm(t, nodeConfig{n: i * stormNodes, redis: fmt.Sprintf("addresses: [%q], timeout: 5s", redis.Addr), prefix: fmt.Sprintf("s%d:", i),
			role: fmt.Sprintf("allocations: %d", stormLimit), limits: "rules: [" + c.rule + "]"})
		worst, fewest := -stormLimit, stormClients
		for round := range rounds {
			in := s.round(t, fmt.Sprint("alice", round))
			worst, fewest = max(worst, in-stormLimit), min(fewest, in)
		}
		t.Logf("%s: %d servers, %d clients, %d rounds: at most %+d beyond the limit of %d, at least %d let in",
			c.name, stormNodes, stormClients, rounds, worst, stormLimit, fewest)
		if worst > c.over {
			t.Errorf("%s: %d were let in beyond the limit, at most %d may be", c.name, worst, c.over)
		}
		if fewest < stormLimit/2 {
			t.Errorf("%s: only %d were let in of %d", c.name, fewest, stormLimit)
		}
	}
}

// storm is clients of a fleet, each with a place of its own to ask from.
type storm struct{ clients []*relaytest.Client }

func newStorm(t *testing.T, c nodeConfig) *storm {
	t.Helper()
	var nodes []*node
	for range stormNodes {
		nodes = append(nodes, c.start(t))
		c.n++
	}
	s := &storm{}
	for i := range stormClients {
		s.clients = append(s.clients, fleetClient(t, i, nodes[i%len(nodes)], "nobody"))
	}
	for i, n := range nodes { // until each believes the store
		first := fleetClient(t, i, n, fmt.Sprint("believes", i))
		hold(t, first)
		if r, err := first.Refresh(0); err != nil || !r.OK() {
			t.Fatalf("Refresh 0: %v, %v", r.Code, err)
		}
	}
	return s
}

// round has all clients ask at once for the user, and tells how many held an
// allocation together.
func (s *storm) round(t *testing.T, user string) int {
	t.Helper()
	var in, silent atomic.Int64
	as := fleetUser(user)
	s.all(func(c *relaytest.Client) bool {
		c.User = as
		r, err := c.Allocate()
		switch {
		case err != nil:
			silent.Add(1)
		case r.OK():
			in.Add(1)
		case r.Code != 486 && r.Code != 508:
			t.Errorf("refused by %d", r.Code)
		}
		return err == nil && r.OK()
	})
	if n := silent.Load(); n > 0 {
		t.Errorf("%d clients heard nothing", n)
	}
	return int(in.Load())
}

// all has each client do something at the same moment, and end what it holds when
// all have.
func (s *storm) all(do func(*relaytest.Client) bool) {
	var wg sync.WaitGroup
	holds := make([]bool, len(s.clients))
	start := make(chan struct{})
	for i, c := range s.clients {
		wg.Go(func() { <-start; holds[i] = do(c) })
	}
	close(start)
	wg.Wait()
	for i, c := range s.clients {
		if holds[i] {
			wg.Go(func() { _, _ = c.Refresh(0) }) // a lost one would be found by the next round
		}
	}
	wg.Wait()
}

// The places of a server that was killed are free when its leases end, and of what
// it had taken ahead no more is lost than one grant a session.
func TestFleetNodeKilled(t *testing.T) {
	if !inPublic(t, fleetNet) {
		return
	}
	lease := 6 * time.Second
	if inProof() {
		lease = 85 * time.Second // the default
	}
	redis := redistest.Start(t)
	c := nodeConfig{redis: fmt.Sprintf("addresses: [%q], timeout: 5s", redis.Addr), prefix: "k:", lease: lease,
		role: "allocations: 1, bytes_per_day: 1073741824", limits: "rules: [{id: user, strict: true, on_store_error: deny}, {id: bytes, strict: true, on_store_error: deny}]"}
	victim := c.start(t)
	c.n = 1
	other := c.start(t)
	peer := echo(t)
	calls := []*fleetCall{startCall(t, fleetClient(t, 0, victim, "alice"), peer), startCall(t, fleetClient(t, 1, victim, "bob"), peer)}
	alice := fleetClient(t, 2, other, "alice")
	hold(t, fleetClient(t, 3, other, "carol")) // the store is believed
	for held := time.Now().Add(lease + lease/2); time.Now().Before(held); time.Sleep(100 * time.Millisecond) {
		if r, err := alice.Allocate(); err != nil || r.Code != 486 {
			t.Fatalf("the place of a server that lives: %v %v", r.Code, err)
		}
	}
	for _, x := range calls {
		x.cancel()
		x.ended.Wait()
	}
	victim.kill(t)
	killed := time.Now()
	for {
		r, err := alice.Allocate()
		if err == nil && r.OK() {
			break
		}
		if time.Since(killed) > lease+4*time.Second {
			t.Fatalf("the place is not free %v after the kill: %v %v", time.Since(killed), r.Code, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(killed)
	const grant = 15 * 400_000 // ten seconds of such a call, at the peak of its rate
	for i, user := range []string{"alice", "bob"} {
		used, err := other.usage(t, user)
		if lost := used - calls[i].bytes; err != nil || lost < 0 || lost > grant {
			t.Errorf("%s carried %d bytes, and %d are used (%v)", user, calls[i].bytes, used, err)
		} else {
			t.Logf("%s: %d bytes carried, %d lost with the server", user, calls[i].bytes, lost)
		}
	}
	t.Logf("with a lease of %v the places of a killed server were free after %v", lease, took.Round(10*time.Millisecond))
}

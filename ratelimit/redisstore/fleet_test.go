package redisstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redistest"
)

// node is one of a fleet that runs against a real server.
type node struct {
	*ratelimit.Shared
	store *Store
	stop  func() // ends it, and waits for its farewell
}

func startNode(t testing.TB, i int, o Options, so ratelimit.SharedOptions) *node {
	t.Helper()
	store, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	so.Ledger, so.Store, so.Now, so.Node = ledger, store, time.Now, fmt.Sprint("n", i)
	shared, err := ratelimit.NewShared(so)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); shared.Run(ctx) }()
	n := &node{Shared: shared, store: store}
	n.stop = sync.OnceFunc(func() { cancel(); <-ended; _ = store.Close() })
	t.Cleanup(n.stop)
	return n
}

// reserve asks and waits for the answer.
func (n *node) reserve(who ratelimit.Subject, lim ratelimit.Limits) (*ratelimit.Reservation, ratelimit.Refusal) {
	type answer struct {
		r   *ratelimit.Reservation
		why ratelimit.Refusal
	}
	answers := make(chan answer, 1)
	r, why, asked := n.Reserve(who, lim, time.Now(), func(r *ratelimit.Reservation, why ratelimit.Refusal) { answers <- answer{r, why} })
	if asked {
		a := <-answers
		r, why = a.r, a.why
	}
	if r != nil {
		r.Confirm()
	}
	return r, why
}

func all(r ratelimit.Rule) (rules ratelimit.Rules) {
	for i := range rules {
		rules[i] = r
	}
	return rules
}

// believed waits until every node asks a store that it trusts.
func believed(t testing.TB, nodes []*node) {
	t.Helper()
	lim := ratelimit.Limits{UserAllocations: 100}
	for i, n := range nodes {
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			r, _ := n.reserve(ratelimit.Subject{User: fmt.Sprint("believed", i)}, lim)
			if r != nil {
				r.Release(time.Now())
				break
			}
			if time.Now().After(end) {
				t.Fatal("a node does not believe the store")
			}
		}
	}
}

// Four nodes and 200 clients at once, for one user's places. The bound of a limit
// that is not strict is two places a node that the store has not heard of.
func TestParallelClientsAreNotLetInBeyond(t *testing.T) {
	const nodes, clients, limit, rounds = 4, 200, 20, 100
	for name, c := range map[string]struct {
		rule ratelimit.Rule
		over int64
	}{
		"strict": {ratelimit.Rule{Strict: true, OnStoreError: ratelimit.Deny}, 0},
		"loose":  {ratelimit.Rule{OnStoreError: ratelimit.Deny}, 2 * nodes},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			var fleet []*node
			for i := range nodes {
				fleet = append(fleet, startNode(t, i, Options{Addrs: []string{server.Addr}, Timeout: 5 * time.Second},
					ratelimit.SharedOptions{Rules: all(c.rule), Settling: time.Millisecond, Deadline: 5 * time.Second, Interval: 100 * time.Millisecond}))
			}
			believed(t, fleet)
			worst, fewest := int64(-limit), int64(clients)
			for round := range rounds {
				in := storm(fleet, clients, ratelimit.Subject{Tenant: "t", User: fmt.Sprint("alice", round)}, ratelimit.Limits{UserAllocations: limit})
				worst, fewest = max(worst, in-limit), min(fewest, in)
			}
			t.Logf("%s: %d nodes, %d clients, %d rounds: at most %+d beyond the limit of %d, at least %d let in", name, nodes, clients, rounds, worst, limit, fewest)
			if worst > c.over {
				t.Errorf("%d were let in beyond the limit, at most %d may be", worst, c.over)
			}
			if fewest < limit/2 {
				t.Errorf("only %d were let in of %d", fewest, limit)
			}
		})
	}
}

// storm lets all clients ask at once and tells how many held a place together.
func storm(fleet []*node, clients int, who ratelimit.Subject, lim ratelimit.Limits) int64 {
	var in atomic.Int64
	var wg sync.WaitGroup
	held := make(chan *ratelimit.Reservation, clients)
	for i := range clients {
		wg.Go(func() {
			if r, _ := fleet[i%len(fleet)].reserve(who, lim); r != nil {
				in.Add(1)
				held <- r
			}
		})
	}
	wg.Wait()
	close(held)
	for r := range held {
		r.Release(time.Now())
	}
	return in.Load()
}

// The places of a node that is gone without a word are free when its leases end.
func TestPlacesOfAKilledNode(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server)
	const lease = 3 * time.Second
	so := ratelimit.SharedOptions{Rules: all(ratelimit.Rule{Strict: true, OnStoreError: ratelimit.Deny}), Settling: time.Millisecond, Lease: lease, Interval: 100 * time.Millisecond, Deadline: 5 * time.Second}
	victim := startNode(t, 0, Options{Addrs: []string{proxy.Addr}, Timeout: 5 * time.Second}, so)
	other := startNode(t, 1, Options{Addrs: []string{server.Addr}, Timeout: 5 * time.Second}, so)
	believed(t, []*node{victim, other})
	who, lim := ratelimit.Subject{User: "alice"}, ratelimit.Limits{UserAllocations: 1, UserBytesPerDay: 1 << 30}
	r, why := victim.reserve(who, lim)
	if r == nil {
		t.Fatal(why)
	}
	spent := int64(0)
	for range 100 {
		if r.Meter().Take(1000, time.Now()) == ratelimit.None {
			spent += 1000
		}
	}
	time.Sleep(lease + lease/2) // it is renewed
	if _, why := other.reserve(who, lim); why != ratelimit.UserAllocations {
		t.Fatalf("the place of a node that lives: %v", why)
	}
	proxy.Cut()
	cut := time.Now()
	redistest.Eventually(t, "the place is free", func() bool { r, _ := other.reserve(who, lim); return r != nil })
	if took := time.Since(cut); took > lease+2*time.Second || took < lease/2 {
		t.Errorf("it took %v", took)
	}
	used, err := other.Usage(context.Background(), who, time.Now())
	if err != nil || used < spent || used > spent+2<<20 {
		t.Errorf("%d bytes are used, the killed node spent %d (%v)", used, spent, err)
	}
}

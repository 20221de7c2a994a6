package relay_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/turn/v4"

	"turnpike/auth"
	"turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// asker asks a test for every place. A place that is given is one of its ledger, so
// that it can be seen whether it comes back.
type asker struct {
	ledger    *ratelimit.Ledger
	questions chan question
}

type question struct {
	asker *asker
	who   ratelimit.Subject
	limit ratelimit.Limits
	done  func(*ratelimit.Reservation, ratelimit.Refusal)
}

func newAsker(t *testing.T) *asker {
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	must(t, err)
	return &asker{ledger, make(chan question, 100)}
}

func (a *asker) Reserve(who ratelimit.Subject, lim ratelimit.Limits, _ time.Time, done func(*ratelimit.Reservation, ratelimit.Refusal)) (*ratelimit.Reservation, ratelimit.Refusal, bool) {
	a.questions <- question{a, who, lim, done}
	return nil, ratelimit.None, true
}

func (a *asker) options(o *relay.Options) { o.Places, o.Ledger = a, nil }

func (q question) answer(refusal ratelimit.Refusal) {
	if refusal != ratelimit.None {
		q.done(nil, refusal)
		return
	}
	q.done(q.asker.ledger.Reserve(q.who, q.limit, time.Now()))
}

// holds checks how many places are taken.
func (a *asker) holds(t *testing.T, want int) {
	t.Helper()
	if st := a.ledger.Stats(); st.Confirmed != want || st.Pending != 0 {
		t.Errorf("%d places are confirmed and %d pending, want %d and none", st.Confirmed, st.Pending, want)
	}
}

// answered is what becomes of an Allocate.
type answered struct {
	r   relaytest.Response
	err error
}

func later(c *relaytest.Client) <-chan answered {
	got := make(chan answered, 1)
	go func() {
		r, err := c.Allocate()
		got <- answered{r, err}
	}()
	return got
}

// While one Allocate is parked others are served, on the same engine.
func TestParkedAllocate(t *testing.T) {
	a := newAsker(t)
	b := memBed(t, setup{options: func(o *relay.Options) { a.options(o); o.Engines = 1 }})
	alice := later(b.raw("alice"))
	parked := <-a.questions
	if want := netip.PrefixFrom(memClient, 24).Masked(); parked.who.User != "alice" || parked.who.Network != want || parked.limit.UserAllocations != 20 {
		t.Errorf("asked for %+v with %+v; want alice in %s", parked.who, parked.limit, want)
	}
	bob := b.raw("bob")
	got := later(bob)
	(<-a.questions).answer(ratelimit.None)
	expect(t, 0)((<-got).r, nil)
	expect(t, 0)(bob.CreatePermission(peerN(1)))
	parked.answer(ratelimit.None)
	expect(t, 0)((<-alice).r, nil)
	if n := b.server.Stats().Parked; n != 2 {
		t.Errorf("%d were parked, want 2", n)
	}
	a.holds(t, 2)
	b.close()
	a.holds(t, 0)
}

// A refusal says which limit it was, and leaves the five-tuple free.
func TestParkedAndRefused(t *testing.T) {
	for refusal, code := range map[ratelimit.Refusal]int{
		ratelimit.UserAllocations: 486, ratelimit.TenantAllocations: 486, ratelimit.NetworkAllocations: 486,
		ratelimit.DayBytesSpent: 486, ratelimit.RateReached: 486, ratelimit.StoreAway: 508,
	} {
		t.Run(refusal.String(), func(t *testing.T) {
			a := newAsker(t)
			b := memBed(t, setup{options: a.options})
			alice := b.raw("alice")
			got := later(alice)
			(<-a.questions).answer(refusal)
			expect(t, code)((<-got).r, nil)
			st := b.server.Stats()
			result := map[int]string{486: "quota", 508: "store"}[code]
			if st.QuotaRefused[refusal.String()] != 1 || st.AllocationsTotal[result] != 1 || b.server.Sessions() != 0 {
				t.Errorf("refused %v, allocations %v, %d sessions", st.QuotaRefused, st.AllocationsTotal, b.server.Sessions())
			}
			got = later(alice)
			(<-a.questions).answer(ratelimit.None)
			expect(t, 0)((<-got).r, nil)
			a.holds(t, 1)
		})
	}
}

// An answer may come late: what the client has sent again meanwhile has asked for
// nothing, and gets it too.
func TestRetransmissionsJoinTheParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAsker(t)
		b := memBed(t, setup{options: a.options})
		alice := b.raw("alice")
		got := later(alice) // sends again after 250 and 500 ms
		parked := <-a.questions
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		if n := len(a.questions); n != 0 || b.server.Sessions() != 1 {
			t.Errorf("%d more questions, %d sessions; want none and 1", n, b.server.Sessions())
		}
		parked.answer(ratelimit.None)
		first := expect(t, 0)((<-got).r, nil)
		second := expect(t, 437)(alice.Allocate()) // a new transaction (RFC 8656 §7.2)
		if !first.Relayed.IsValid() || second.Relayed.IsValid() {
			t.Errorf("relayed %s, and again %s", first.Relayed, second.Relayed)
		}
		a.holds(t, 1)
	})
}

// What ends while an Allocate is parked leaks no place.
func TestEndedWhileParked(t *testing.T) {
	a := newAsker(t)
	b := memBed(t, setup{options: a.options})
	got := later(b.raw("alice"))
	parked := <-a.questions
	_, _, err := b.server.Revoke(auth.Revocation{Kind: auth.RevokeUser, User: "alice", Before: time.Now().Add(time.Second)})
	must(t, err)
	parked.answer(ratelimit.None)
	<-got // one way or the other
	if r := b.wait(1)["alice"]; r.Why != relay.EndRevoked {
		t.Errorf("ended as %s, want revoked", r.Why)
	}
	a.holds(t, 0)
}

// A connection that is closed while its Allocate is parked ends with it.
func TestDisconnectedWhileParked(t *testing.T) {
	a := newAsker(t)
	b, certificate := streamBed(t, setup{options: a.options})
	conn := b.dial(gate.TCP, certificate)
	credential, err := b.issuer.Issue(auth.Request{User: "alice"}, time.Now())
	must(t, err)
	client := b.clientWith(turn.NewSTUNConn(conn), credential.Username, credential.Password)
	failed := make(chan error, 1)
	go func() {
		_, err := client.Allocate()
		failed <- err
	}()
	parked := <-a.questions
	must(t, conn.Close())
	parked.answer(ratelimit.None)
	if r := b.wait(1)["alice"]; r.Why != relay.EndDisconnected {
		t.Errorf("ended as %s, want disconnected", r.Why)
	}
	a.holds(t, 0)
	client.Close()
	<-failed
}

// A server that has stopped gives back what it is still given.
func TestStoppedWhileParked(t *testing.T) {
	a := newAsker(t)
	b := memBed(t, setup{options: a.options})
	alice := b.raw("alice")
	got := later(alice)
	parked := <-a.questions
	b.close()
	parked.answer(ratelimit.None)
	a.holds(t, 0)
	if b.server.Sessions() != 0 {
		t.Errorf("%d sessions in a server that has stopped", b.server.Sessions())
	}
	if r := <-got; r.err == nil {
		t.Errorf("answered %v by a server that has stopped", r.r)
	}
}

// stuck is a store that answers no claim.
type stuck struct{ ratelimit.Store }

func (s stuck) Reserve(ctx context.Context, _ ratelimit.Claim) (ratelimit.Claimed, error) {
	<-ctx.Done()
	return ratelimit.Claimed{}, ctx.Err()
}

// However many ask at once, few wait, and none for longer than the deadline; what
// is not asked is decided at once.
func TestFewAreParked(t *testing.T) {
	const clients, askers, questions = 60, 16, 4
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	must(t, err)
	rules := ratelimit.Rules{}
	rules[ratelimit.LimitUser] = ratelimit.Rule{Strict: true, OnStoreError: ratelimit.Deny}
	shared, err := ratelimit.NewShared(ratelimit.SharedOptions{Ledger: ledger, Store: stuck{memstore.New(time.Now)}, Now: time.Now,
		Node: "n", Rules: rules, Settling: time.Nanosecond, Questions: questions})
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() { defer close(gone); shared.Run(ctx) }()
	b := memBed(t, setup{options: func(o *relay.Options) { o.Places, o.Ledger = shared, nil }})
	for tick := time.NewTicker(time.Millisecond); !shared.Stats().Up; <-tick.C {
	}
	var all []<-chan answered
	begun := time.Now()
	for i := range clients {
		all = append(all, later(b.raw(fmt.Sprint("user", i))))
	}
	for _, got := range all {
		expect(t, 508)((<-got).r, nil)
	}
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the last was answered after %s", took)
	}
	if n := b.server.Stats().Parked; n < 1 || n > askers+questions {
		t.Errorf("%d were parked, want 1 to %d", n, askers+questions)
	}
	if st := ledger.Stats(); st.Confirmed+st.Pending != 0 || b.server.Sessions() != 0 {
		t.Errorf("%+v, %d sessions", st, b.server.Sessions())
	}
	b.close()
	stop()
	<-gone
}

package relay

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// newDual is a server in memory with 10 ports of IPv4 and 10 of IPv6.
func newDual(t *testing.T) *inside {
	t.Helper()
	return newInside(t, func(o *Options) {
		o.Relays = append(o.Relays, Pool{Bind: netip.MustParseAddr("2001:db8::1"), MinPort: 30000, MaxPort: 30009})
	})
}

func (in *inside) dual(change func([]part)) *session {
	in.t.Helper()
	r := in.request(gate.Allocate)
	r.Dual = true
	x := in.allocate(r, change)
	if !in.answered() {
		in.t.Fatal("no allocation")
	}
	return x
}

// settled checks that everything is back.
func (in *inside) settled() {
	in.t.Helper()
	in.reap(time.Now())
	in.left(20)
	for key, n := range in.Stats().Allocations {
		if n != 0 {
			in.t.Errorf("%d of %v live", n, key)
		}
	}
	if in.ledger.Stats().Accounts != 0 || in.Sessions() != 0 {
		in.t.Errorf("ledger %+v, %d sessions", in.ledger.Stats(), in.Sessions())
	}
}

func fault(i int) func([]part) {
	return func(parts []part) { parts[i].result = engine.Result{Err: engine.ErrFault} }
}

// A half that pion served and we can't answer leaves nothing, and the other is
// given; of two nothing is.
func TestFaultsLeaveNoHalf(t *testing.T) {
	in := newDual(t)
	for i := range 2 {
		x := in.dual(fault(i))
		h, stays := &x.halves[i], &x.halves[1-i]
		if in.plane.Live(h.relay.Public) || !in.plane.Live(stays.relay.Public) || !x.ended() == !stays.lives(1) {
			t.Errorf("half %d lives on, or the other does not", i)
		}
		in.reap(time.Now())
		in.left(19)
		if v, _ := in.sessions.view(in.client); v.Relayed != stays.relay.Public || v.Additional.IsValid() {
			t.Errorf("%+v", v)
		}
		in.end(x, EndIdle)
		<-in.ends
		in.settled()
	}
	r := in.request(gate.Allocate)
	r.Dual = true
	x := in.allocate(r, func(parts []part) { fault(0)(parts); fault(1)(parts) })
	if in.answered() || in.plane.Live(x.halves[0].relay.Public) || in.plane.Live(x.halves[1].relay.Public) {
		t.Error("an Allocate without an allocation was confirmed, or its relays live on")
	}
	in.settled()
}

// Where pion agrees on one leg and not on the other the client gets nothing of what
// it has asked (RFC 8656 §10.2), and what pion keeps of it lets nothing pass.
func TestPermissionsOfBothOrNone(t *testing.T) {
	in := newDual(t)
	for i := range 2 {
		x := in.dual(func([]part) {})
		r := in.request(gate.CreatePermission)
		r.Peers = append(r.Peers, netip.MustParseAddrPort("[2a00:1450::1]:4000"))
		for _, change := range []func([]part){fault(i), func(parts []part) { parts[i].result = engine.Result{Unanswered: true} }} {
			done := make(chan struct{})
			x.serve(func() []part { return x.startPermission(r) }, func(parts []part) {
				if len(parts) != 2 || len(parts[0].ask.Peers) != 1 || len(parts[1].ask.Peers) != 1 || !parts[1-i].result.OK() {
					t.Errorf("%+v", parts)
				}
				change(parts)
				x.finishPermission(r, parts)
				close(done)
			})
			<-done
			if in.answered() {
				t.Error("confirmed")
			}
		}
		if n, _ := x.peers.Load().live(0); n != 0 {
			t.Errorf("%d permissions", n)
		}
		in.reap(time.Now()) // what pion made of it is unknown
		if why := <-in.ends; why != EndFault {
			t.Errorf("ended by %s", why)
		}
		in.settled()
	}
}

// A Refresh of both is a success if one of them is left, and extends that alone.
func TestRefreshBesideTheEndOfHalf(t *testing.T) {
	for i := range 2 {
		in := newDual(t)
		x := in.dual(func([]part) {})
		r := in.request(gate.Refresh)
		r.Family, r.Lifetime = 0, time.Hour-time.Minute
		before := x.halves[1-i].expires.Load()
		done := make(chan struct{})
		x.serve(func() []part { return x.startRefresh(r) }, func(parts []part) {
			x.stop(&x.halves[i]) // the reaper, between start and finish
			x.finishRefresh(r, parts)
			close(done)
		})
		<-done
		if !in.answered() || x.halves[1-i].expires.Load() <= before || !x.halves[i].ended() {
			t.Error("the half that was left was not extended, or the other was")
		}
		in.end(x, EndIdle)
		in.settled()
	}
}

// Whoever ends the second half, the session is ended once and by one of them.
func TestHalvesEndAtOnce(t *testing.T) {
	in := newDual(t)
	for range 300 {
		x := in.dual(func([]part) {})
		r := in.request(gate.Refresh)
		r.Family, r.Lifetime = gate.IPv4, 0
		x.halves[1].expires.Store(1) // lapsed
		var all sync.WaitGroup
		all.Go(func() { in.reap(time.Now()) })
		all.Go(func() {
			in.forward(r, time.Now())
			in.answered()
		})
		all.Wait()
		select {
		case why := <-in.ends:
			if why != EndClient && why != EndExpired {
				t.Fatalf("ended by %s", why)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the session has not ended")
		}
		in.settled()
		if len(in.ends) != 0 {
			t.Fatal("ended twice")
		}
	}
}

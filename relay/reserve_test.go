package relay

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"turnpike/auth"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// The index of free ports is held against a plain set: each answer is among the
// ports that will do, there is one while there is such a port, and each of them
// has the same chance.
func TestFreePorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.OneOf(rapid.Uint16Range(1, 4), rapid.Uint16Range(65500, 65535)).Draw(t, "first")
		last := uint16(min(65535, int(first)+rapid.IntRange(0, 12).Draw(t, "more")))
		f := newFreePorts(first, last)
		model := map[uint16]bool{}
		for port := int(first); port <= int(last); port++ {
			model[uint16(port)] = true
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			want := gate.Port{Even: rapid.Bool().Draw(t, "even")}
			want.Reserve = want.Even && rapid.Bool().Draw(t, "reserve")
			if gone := slices.Sorted(takenOf(model)); len(gone) > 0 && rapid.Bool().Draw(t, "put") {
				port := rapid.SampledFrom(gone).Draw(t, "port")
				f.put(port)
				model[port] = true
				continue
			}
			checkTake(t, &f, model, want, rapid.Uint64().Draw(t, "random"))
		}
	})
}

func takenOf(model map[uint16]bool) func(func(uint16) bool) {
	return func(yield func(uint16) bool) {
		for port, free := range model {
			if !free && !yield(port) {
				return
			}
		}
	}
}

func checkTake(t *rapid.T, f *freePorts, model map[uint16]bool, want gate.Port, random uint64) {
	will := map[uint16]bool{}
	for port, free := range model {
		if free && (!want.Even || port%2 == 0) && (!want.Reserve || model[port+1]) {
			will[port] = true
		}
	}
	chosen := map[uint16]bool{} // by each of as many numbers as there are such ports
	for i := range uint64(len(will)) {
		g := clone(f)
		port, _ := g.take(want, random+i)
		chosen[port] = true
	}
	if random <= 1<<63 && !maps.Equal(chosen, will) { // above, random+i may wrap
		t.Fatalf("%+v chooses among %v, want %v", want, chosen, will)
	}
	port, ok := f.take(want, random)
	if ok != (len(will) > 0) || ok && !will[port] {
		t.Fatalf("%+v: took %d, %v; want one of %v", want, port, ok, will)
	}
	if ok {
		model[port] = false
	}
	if ok && want.Reserve {
		model[port+1] = false
	}
	free := 0
	for _, yes := range model {
		if yes {
			free++
		}
	}
	if f.len() != free {
		t.Fatalf("%d free, want %d", f.len(), free)
	}
}

func clone(f *freePorts) freePorts {
	g := *f
	for _, s := range []*portSet{&g.even, &g.odd, &g.pairs} {
		s.ports, s.place = slices.Clone(s.ports), slices.Clone(s.place)
	}
	return g
}

// Handing a port out and taking it back needs no memory.
func TestFreePortsAllocateNothing(t *testing.T) {
	f := newFreePorts(1, 65535)
	if n := testing.AllocsPerRun(10, func() {
		for _, want := range []gate.Port{{}, {Even: true}, {Even: true, Reserve: true}} {
			port, ok := f.take(want, 1<<40+12345)
			if !ok {
				t.Fatal("no port")
			}
			f.put(port)
			if want.Reserve {
				f.put(port + 1)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSameUser(t *testing.T) {
	alice := auth.Identity{Tenant: "t", User: "alice", Username: "1:alice"}
	nobody := auth.Identity{Tenant: "t", Username: "1"}
	for _, c := range []struct {
		name string
		a, b auth.Identity
		want bool
	}{
		{"the same credential", alice, alice, true},
		{"another credential", alice, auth.Identity{Tenant: "t", User: "alice", Username: "2:alice"}, true},
		{"another user", alice, auth.Identity{Tenant: "t", User: "bob", Username: "1:bob"}, false},
		{"another tenant", alice, auth.Identity{Tenant: "u", User: "alice", Username: "1:alice"}, false},
		{"no user", alice, nobody, false},
		{"no user, the same credential", nobody, nobody, true},
		{"no user, another credential", nobody, auth.Identity{Tenant: "t", Username: "2"}, false},
	} {
		if got := sameUser(&c.a, &c.b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// reserve has the client allocate a pair and returns its session.
func (in *inside) reserve() *session {
	in.t.Helper()
	r := in.request(gate.Allocate)
	r.Port = gate.Port{Even: true, Reserve: true}
	in.forward(r, time.Now())
	if !in.answered() {
		in.t.Fatal("no pair")
	}
	return in.sessions.get(in.client)
}

func (in *inside) left(want int) {
	in.t.Helper()
	if n := in.ports.left(); n != want {
		in.t.Errorf("%d ports are free, want %d", n, want)
	}
}

// What nobody has claimed in 30 s is free again, once; not a moment before, and
// not what has been claimed.
func TestReservationsAreReaped(t *testing.T) {
	in := newInside(t)
	x := in.reserve()
	v := x.reserved
	in.reap(v.until.Add(-1))
	in.left(8)
	in.reap(v.until)
	in.reap(v.until)
	x.unreserve()
	in.left(9)
	if in.plane.Live(v.relay.Public) {
		t.Error("the reserved port lives on")
	}
	claimed := in.ports.reserved.reserve(v.relay, in.who, time.Now())
	if in.ports.reserved.claim(claimed.token, in.who, time.Now()) == nil {
		t.Fatal("not to be had")
	}
	if over := in.ports.reserved.lapsed(claimed.until); len(over) > 0 || in.ports.reserved.withdraw(claimed) {
		t.Error("what was claimed is taken back")
	}
	if n := in.ports.reserved.refused.Load(); n != 0 {
		t.Errorf("%d tokens refused", n)
	}
}

// A token that is refused is counted as such and not as a lack of ports.
func TestRefusedTokensAreCounted(t *testing.T) {
	in := newInside(t)
	for n := range uint64(3) {
		r := in.request(gate.Allocate)
		r.Port.Token = new(gate.Token)
		in.forward(r, time.Now())
		if in.answered() {
			t.Fatal("a port for nothing")
		}
		if c := in.Stats().AllocationsTotal["capacity"]; c != 0 || in.ports.reserved.refused.Load() != n+1 {
			t.Errorf("%d refused, %d for want of a port", in.ports.reserved.refused.Load(), c)
		}
	}
}

// An Allocate that pion served and we can't answer leaves nothing of a pair,
// and nothing of a claim.
func TestFaultsLeaveNoReservation(t *testing.T) {
	in := newInside(t)
	allocate := func(want gate.Port) *session {
		r := in.request(gate.Allocate)
		r.Port = want
		x := in.allocate(r, func(parts []part) { parts[0].result = engine.Result{Err: engine.ErrFault} })
		if in.answered() {
			t.Error("an Allocate without an allocation was confirmed")
		}
		return x
	}
	x := allocate(gate.Port{Even: true, Reserve: true})
	if in.plane.Live(x.halves[0].relay.Public) || in.plane.Live(x.reserved.relay.Public) {
		t.Error("a port of the pair lives on")
	}
	in.reap(time.Now())
	in.left(10)

	maker := in.reserve()
	first := in.host
	defer first.Close()
	in.client.Addr = netip.AddrPortFrom(in.client.Addr.Addr(), 5001)
	var err error
	if in.host, err = in.plane.Host(in.client.Addr); err != nil {
		t.Fatal(err)
	}
	y := allocate(gate.Port{Token: &maker.reserved.token})
	if relay := y.halves[0].relay; relay != maker.reserved.relay || in.plane.Live(relay.Public) {
		t.Errorf("claimed %v, and it lives on", relay)
	}
	in.reap(time.Now())
	in.left(9)
	in.end(maker, EndIdle)
	in.tellPion()
	in.left(10)
}

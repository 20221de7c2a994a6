package ratelimit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	. "turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
)

// reference is a fleet as one would write it if all were in one place: who holds a
// place, until when a dead node's are taken, and what was spent.
type reference struct {
	live  map[*Reservation]*session
	spent map[string]int64
}

type session struct {
	node *Shared
	who  Subject
}

func (r *reference) places(who Subject) (n int) {
	for _, s := range r.live {
		if s.who == who {
			n++
		}
	}
	return n
}

// fleetMachine runs nodes against the reference, on a store of which answers get
// lost, before or after it did what it was asked.
type fleetMachine struct {
	*fleet
	ref    reference
	lim    Limits
	killed int64 // grants that may be stranded
	broken bool
}

func (m *fleetMachine) pick(t *rapid.T) *Shared {
	return m.nodes[rapid.IntRange(0, len(m.nodes)-1).Draw(t, "node")]
}

func (m *fleetMachine) pickLive(t *rapid.T) (*Reservation, *session) {
	for _, s := range m.order() {
		if rapid.Bool().Draw(t, "this") {
			return s, m.ref.live[s]
		}
	}
	t.Skip("no session")
	return nil, nil
}

// order of sessions that does not depend on the map's.
func (m *fleetMachine) order() (all []*Reservation) {
	for _, r := range m.log {
		if m.ref.live[r] != nil {
			all = append(all, r)
		}
	}
	return all
}

func (m *fleetMachine) enter(t *rapid.T) {
	s, who := m.pick(t), Subject{Tenant: "t", User: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user")}
	before := m.ref.places(who)
	r, refusal := m.reserve(s, who, m.lim)
	if r != nil {
		m.log = append(m.log, r)
		m.ref.live[r] = &session{s, who}
	}
	if before >= m.lim.UserAllocations && refusal == None {
		t.Fatalf("the %dth place of %d", before+1, m.lim.UserAllocations)
	}
}

func (m *fleetMachine) leave(t *rapid.T) {
	r, _ := m.pickLive(t)
	delete(m.ref.live, r)
	r.Release(m.now())
}

func (m *fleetMachine) spend(t *rapid.T) {
	r, s := m.pickLive(t)
	m.ref.spent[s.who.User] += spend(r.Meter(), m.now(), rapid.Int64Range(0, 3*MinChunk).Draw(t, "bytes"))
	if n := m.ref.spent[s.who.User]; n > m.lim.UserBytesPerDay {
		t.Fatalf("%d bytes are spent of %d", n, m.lim.UserBytesPerDay)
	}
}

func (m *fleetMachine) someRound(t *rapid.T) { m.pick(t).Round(rapid.Bool().Draw(t, "full")) }

// wait lets a second pass, and every node talk to a store that works.
func (m *fleetMachine) wait(t *rapid.T) {
	fail := m.store.fail
	m.store.fail = nil
	for range rapid.IntRange(1, 20).Draw(t, "seconds") {
		m.pass(time.Second)
		m.round()
	}
	m.store.fail = fail
}

func (m *fleetMachine) kill(t *rapid.T) {
	if len(m.nodes) == 1 {
		t.Skip("the last")
	}
	victim := m.nodes[0]
	m.nodes = m.nodes[1:]
	for r, s := range m.ref.live {
		if s.node == victim {
			delete(m.ref.live, r)
		}
	}
	m.killed++
}

func (m *fleetMachine) lose(t *rapid.T) {
	m.broken = !m.broken
	m.store.fail = nil
	if broken := rapid.SampledFrom([]string{"before", "after", "both"}).Draw(t, "lost"); m.broken {
		n := 0
		m.store.fail = func() (before, after bool) {
			n++
			return broken != "after" && n%3 == 0, broken != "before" && n%3 == 1
		}
	}
}

// settled: in the end nobody holds a place, and what the store says was used is what
// was spent, but for a grant of each session that a crash has stranded.
func (m *fleetMachine) settled(t *rapid.T) {
	m.store.fail = nil
	for r := range m.ref.live {
		r.Release(m.now())
	}
	seconds := 15 // less than any lease
	if m.killed > 0 {
		seconds = 100
	}
	for range seconds {
		m.pass(time.Second)
		m.round()
	}
	for _, user := range []string{"a", "b"} {
		who := Subject{Tenant: "t", User: user}
		used, err := m.nodes[0].Usage(context.Background(), who, m.now())
		if stranded := used - m.ref.spent[user]; err != nil || stranded < 0 || stranded > m.killed*64<<20 || m.killed == 0 && stranded != 0 {
			t.Fatalf("%s: %d bytes are used, %d were spent, %d nodes killed (%v)", user, used, m.ref.spent[user], m.killed, err)
		}
		got, err := m.store.Reserve(context.Background(), Claim{Member: "probe", TTL: time.Second,
			Places: []Place{{Account: Account{Kind: OfUser, Tenant: "t", Name: user}, Limit: 1}}})
		if err != nil || got.Refused >= 0 {
			t.Fatalf("%s: a place is still taken (%v)", user, err)
		}
	}
}

func TestSharedIsTheReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &fleetMachine{fleet: &fleet{clock: &clock{at: noon}}}
		m.store = &flaky{Store: memstore.New(m.now)}
		m.pass(time.Minute)
		m.ref = reference{live: map[*Reservation]*session{}, spent: map[string]int64{}}
		m.lim = Limits{UserAllocations: rapid.IntRange(1, 3).Draw(t, "places"), UserBytesPerDay: rapid.Int64Range(1, 20*MinChunk).Draw(t, "quota")}
		for i := range rapid.IntRange(2, 3).Draw(t, "nodes") {
			m.nodes = append(m.nodes, m.node(t, fmt.Sprint("m", i), all(Rule{Strict: true, OnStoreError: Deny})))
		}
		m.round()
		t.Repeat(map[string]func(*rapid.T){
			"enter": m.enter, "enter again": m.enter, "leave": m.leave, "spend": m.spend, "spend again": m.spend,
			"round": m.someRound, "wait": m.wait, "lose": m.lose, "kill": m.kill,
		})
		m.settled(t)
	})
}

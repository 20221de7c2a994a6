package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"turnpike/ratelimit/redistest"
	"turnpike/relay/relaytest"
)

// fault is something that goes wrong with a store.
type fault struct {
	redis      string // section store.redis of the nodes
	begin, end func()

	server *redistest.Server // the only one, if there is one
	lease  time.Duration     // the default if 0
	lasts  time.Duration     // if not as long as all
}

// faults are told in docs/redis.md, with what each may cost at most.
var faults = []struct {
	name string
	make func(t *testing.T) fault
}{
	{"killed, and started again", func(t *testing.T) fault {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		return fault{server: s, redis: single(s.Addr), begin: s.Kill, end: s.Restart}
	}},
	{"killed for longer than a lease", func(t *testing.T) fault {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		return fault{server: s, redis: single(s.Addr), begin: s.Kill, end: s.Restart, lease: 4 * time.Second, lasts: 5 * time.Second}
	}},
	{"hangs (SIGSTOP)", func(t *testing.T) fault {
		s := redistest.Start(t)
		return fault{server: s, redis: single(s.Addr), begin: s.Stop, end: s.Continue}
	}},
	{"FLUSHALL", func(t *testing.T) fault {
		s := redistest.Start(t)
		return fault{server: s, redis: single(s.Addr), begin: func() { s.Do("FLUSHALL") }, end: func() {}}
	}},
	{"Sentinel fails over", func(t *testing.T) fault {
		w := redistest.StartSentinel(t)
		at := fmt.Sprintf("addresses: [%q, %q, %q], sentinel_master: %s", w.Sentinels[0], w.Sentinels[1], w.Sentinels[2], w.Master)
		return fault{redis: at, begin: w.Primary.Kill, end: func() {}}
	}},
	{"a Cluster reshards", func(t *testing.T) fault {
		c := redistest.StartCluster(t, 3)
		return fault{redis: single(c.Servers[0].Addr) + ", cluster: true", begin: func() { moveAll(c) }, end: func() {}}
	}},
	{"full (maxmemory)", func(t *testing.T) fault {
		s := redistest.Start(t)
		limit := func(to string) func() { return func() { s.Do("CONFIG", "SET", "maxmemory", to) } }
		return fault{server: s, redis: single(s.Addr), begin: limit("1"), end: limit("100mb")}
	}},
	{"500 ms of latency", func(t *testing.T) fault {
		s := redistest.Start(t)
		p := redistest.StartProxy(t, s)
		return fault{server: s, redis: single(p.Addr), begin: func() { p.Delay(500 * time.Millisecond) }, end: func() { p.Delay(0) }}
	}},
	{"restarts, and knows no script", func(t *testing.T) fault {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		return fault{server: s, redis: single(s.Addr), begin: s.Restart, end: func() {}}
	}},
}

func single(addr string) string { return fmt.Sprintf("addresses: [%q]", addr) }

// moveAll gives every slot that holds a key to the next server.
func moveAll(c *redistest.Cluster) {
	moved := map[int]bool{}
	for i, s := range c.Servers {
		keys, _ := s.Do("KEYS", "*").([]any)
		for _, k := range keys {
			slot, _ := s.Do("CLUSTER", "KEYSLOT", k).(int64)
			if !moved[int(slot)] {
				moved[int(slot)] = true
				c.Move(int(slot), i, (i+1)%len(c.Servers))
			}
		}
	}
}

// Whatever happens to the store: live sessions lose nothing, a strict limit is not
// exceeded, one that is not by two places a node at most, who has room is served
// where on_store_error is local, and soon after the store is back all is as it
// should be, and every byte is settled.
func TestFleetFaults(t *testing.T) {
	if !inPublic(t, fleetNet) {
		return
	}
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			may, found := boundsOf(string(page), f.name)
			if !found {
				t.Fatalf("docs/redis.md has no row for it")
			}
			got := newTrial(t, f.make(t), 4*i).run(t)
			t.Logf("%s: %+v", f.name, got)
			for what, n := range map[string][2]int{
				"datagrams of live sessions lost":   {got.lost, may.lost},
				"let in beyond a strict limit":      {got.overStrict, may.overStrict},
				"let in beyond another limit":       {got.overLocal, may.overLocal},
				"refused with room and local":       {got.refused, may.refused},
				"seconds until all is as it was":    {int(got.settled.Seconds() + 1), may.settled},
				"bytes that usage does not tell of": {int(got.unsettled), 0},
			} {
				if n[0] > n[1] {
					t.Errorf("%s: %d %s, at most %d may be", f.name, n[0], what, n[1])
				}
			}
		})
	}
}

// outcome is what a fault has cost.
type outcome struct {
	lost                  int // datagrams of live sessions
	overStrict, overLocal int // held at the same time beyond the limit
	refused               int // with room, under local
	settled               time.Duration
	unsettled             int64 // bytes that the store does not know of, or knows twice
}

type bounds struct{ lost, overStrict, overLocal, refused, settled int }

// boundsOf reads a row of docs/redis.md: each cell begins with the bound.
func boundsOf(page, name string) (b bounds, found bool) {
	row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(name) + ` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) s \|`).FindStringSubmatch(page)
	if row == nil {
		return b, false
	}
	for i, to := range []*int{&b.lost, &b.overStrict, &b.overLocal, &b.refused, &b.settled} {
		*to, _ = strconv.Atoi(row[i+1])
	}
	return b, true
}

// trial is two fleets of two servers each on one store: one whose limit of places
// is strict and denies, and one whose limit is neither.
type trial struct {
	fault
	strict, local [2]*node
	calls         []*fleetCall
	next          int // address of clients

	got    outcome
	within [2]time.Time // when each of strict let somebody in, since the end
	ended  time.Time
}

const trialLimit = 4

func newTrial(t *testing.T, f fault, first int) *trial {
	t.Helper()
	x := &trial{fault: f}
	if f.server != nil { // an empty one is not believed for 5 s: this was not found empty just now
		f.server.Do("SET", "strict:{epoch}", "old 1")
	}
	for i := range 2 {
		c := nodeConfig{n: first + i, redis: f.redis, prefix: "strict:", lease: f.lease, role: fmt.Sprintf("allocations: %d", trialLimit),
			limits: "rules: [{id: user, strict: true, on_store_error: deny}]"}
		x.strict[i] = c.start(t)
		c.n, c.prefix, c.limits = c.n+2, "local:", "rules: [{id: user, on_store_error: local}]"
		x.local[i] = c.start(t)
	}
	peer := echo(t)
	for i, n := range []*node{x.strict[0], x.strict[1], x.local[0], x.local[1]} {
		x.calls = append(x.calls, startCall(t, x.client(t, n, fmt.Sprint("caller", i)), peer))
		hold(t, x.client(t, n, "full"))
		hold(t, x.client(t, n, "full"))
	}
	hold(t, x.client(t, x.strict[0], "room"))
	hold(t, x.client(t, x.local[0], "room"))
	for _, n := range []*node{x.strict[0], x.strict[1], x.local[0], x.local[1]} {
		x.refuses(t, n)
	}
	return x
}

func (x *trial) client(t *testing.T, n *node, user string) *relaytest.Client {
	x.next++
	return fleetClient(t, x.next, n, user)
}

// refuses waits until a node knows of what the other holds.
func (x *trial) refuses(t *testing.T, n *node) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		c := x.client(t, n, "full")
		r, err := c.Allocate()
		switch {
		case err == nil && r.Code == 486:
			return
		case err == nil && r.OK():
			_, _ = c.Refresh(0)
		}
		if time.Now().After(end) {
			t.Fatalf("%v does not hold the limit: %v %v", n.at, r.Code, err)
		}
	}
}

func (x *trial) run(t *testing.T) outcome {
	t.Helper()
	during := 2 * time.Second
	if inProof() {
		during = 10 * time.Second
	}
	if x.lasts != 0 {
		during = x.lasts
	}
	x.begin()
	for until := time.Now().Add(during); time.Now().Before(until); {
		x.probe(t)
	}
	x.end()
	x.ended = time.Now()
	for x.within[0].IsZero() || x.within[1].IsZero() {
		if x.probe(t); time.Since(x.ended) > time.Minute {
			t.Fatalf("a minute later strict limits let nobody in: %v", x.within)
		}
	}
	x.got.settled = max(x.within[0].Sub(x.ended), x.within[1].Sub(x.ended))
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		x.probe(t) // still nobody beyond
	}
	for _, c := range x.calls {
		x.got.lost += int(c.end(t))
	}
	x.got.unsettled = x.unsettled(t)
	return x.got
}

// probe asks each node for one more place of who has none left, and of who has.
func (x *trial) probe(t *testing.T) {
	t.Helper()
	for i := range 2 {
		x.got.overStrict += x.over(t, x.strict[i])
		x.got.overLocal += x.over(t, x.local[i])
		if !x.ask(t, x.local[i]) {
			x.got.refused++
		}
		if served := x.ask(t, x.strict[i]); !x.ended.IsZero() && served && x.within[i].IsZero() {
			x.within[i] = time.Now()
		}
	}
	time.Sleep(20 * time.Millisecond)
}

// over takes a place beyond the limit, and keeps it.
func (x *trial) over(t *testing.T, n *node) int {
	c := x.client(t, n, "full")
	if r, err := c.Allocate(); err == nil && r.OK() {
		return 1
	}
	c.Conn.Close()
	return 0
}

// ask takes a place that there is, and gives it back.
func (x *trial) ask(t *testing.T, n *node) bool {
	c := x.client(t, n, "room")
	defer c.Conn.Close()
	r, err := c.Allocate()
	if err != nil || !r.OK() {
		return false
	}
	_, _ = c.Refresh(0) // if it was lost the lease of the allocation ends it
	return true
}

// unsettled is by how much usage differs from what the calls have carried.
func (x *trial) unsettled(t *testing.T) (most int64) {
	t.Helper()
	for i, n := range []*node{x.strict[0], x.strict[1], x.local[0], x.local[1]} {
		want, got := x.calls[i].bytes, int64(-1)
		for end := time.Now().Add(patience); got != want && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			got, _ = n.usage(t, fmt.Sprint("caller", i)) // an error is no answer yet
		}
		if most = max(most, want-got, got-want); got != want {
			t.Errorf("%v: %d bytes are used, the call has carried %d", n.at, got, want)
		}
	}
	return most
}

// The bounds are those that the page says in words.
func TestFaultsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		if _, found := boundsOf(string(page), f.name); !found {
			t.Errorf("docs/redis.md has no row of bounds for %q", f.name)
		}
	}
	if _, found := boundsOf(string(page), "never happens"); found {
		t.Error("a row is found that is not there")
	}
}

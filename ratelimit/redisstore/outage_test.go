package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redistest"
)

// outage is something that happens to Redis.
type outage struct {
	options Options
	begin   func()
	end     func() // and from here on all is to be well again
}

// outages by name; each starts servers of its own.
var outages = map[string]func(t *testing.T) outage{
	"kill -9, restart with its file": func(t *testing.T) outage {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
		return outage{Options{Addrs: []string{s.Addr}}, s.Kill, s.Restart}
	},
	"kill -9, restart empty": func(t *testing.T) outage {
		s := redistest.Start(t)
		return outage{Options{Addrs: []string{s.Addr}}, s.Kill, s.Restart}
	},
	"SIGSTOP": func(t *testing.T) outage {
		s := redistest.Start(t)
		return outage{Options{Addrs: []string{s.Addr}}, s.Stop, s.Continue}
	},
	"FLUSHALL": func(t *testing.T) outage {
		s := redistest.Start(t)
		return outage{Options{Addrs: []string{s.Addr}}, func() { s.Do("FLUSHALL") }, func() {}}
	},
	"500 ms of latency": func(t *testing.T) outage {
		s := redistest.Start(t)
		p := redistest.StartProxy(t, s)
		return outage{Options{Addrs: []string{p.Addr}}, func() { p.Delay(500 * time.Millisecond) }, func() { p.Delay(0) }}
	},
	"NOSCRIPT": func(t *testing.T) outage {
		s := redistest.Start(t)
		return outage{Options{Addrs: []string{s.Addr}}, func() { s.Do("SCRIPT", "FLUSH") }, func() { s.Do("SCRIPT", "FLUSH") }}
	},
	"maxmemory": func(t *testing.T) outage {
		s := redistest.Start(t)
		return outage{Options{Addrs: []string{s.Addr}}, func() { s.Do("CONFIG", "SET", "maxmemory", "1") }, func() { s.Do("CONFIG", "SET", "maxmemory", "100mb") }}
	},
	"read-only": func(t *testing.T) outage {
		s, other := redistest.Start(t), redistest.Start(t)
		return outage{Options{Addrs: []string{s.Addr}}, func() { s.Do("REPLICAOF", "127.0.0.1", fmt.Sprint(other.Port)) }, func() { s.Do("REPLICAOF", "NO", "ONE") }}
	},
	"Sentinel fail-over": func(t *testing.T) outage {
		w := redistest.StartSentinel(t)
		return outage{Options{Addrs: w.Sentinels, Master: w.Master}, w.Primary.Kill, func() {
			redistest.Eventually(t, "the replica is promoted", func() bool { return strings.Contains(fmt.Sprint(w.Replica.Do("INFO", "replication")), "role:master") })
		}}
	},
	"Cluster reshard": func(t *testing.T) outage {
		c := redistest.StartCluster(t, 3)
		o := Options{Addrs: []string{c.Servers[0].Addr}, Cluster: true, Prefix: "t:"}
		return outage{o, func() {
			slot := c.Servers[0].Do("CLUSTER", "KEYSLOT", (&Store{o: o}).key(aliceAccount, "s")).(int64)
			from := int(slot) * 3 / 16384
			c.Move(int(slot), from, (from+1)%3)
		}, func() {}}
	},
}

var aliceAccount = ratelimit.Account{Kind: ratelimit.OfUser, Tenant: "t", Name: "alice"}

const (
	outageNodes = 3
	outageLimit = 12
)

// drill is a fleet with a live session on each node, and others that come and go.
type drill struct {
	on    ratelimit.OnStoreError
	o     Options
	nodes []*node
	live  []*ratelimit.Reservation
	lim   ratelimit.Limits

	crowd, over, wrong, lost, carried atomic.Int64
	transitions                       atomic.Int64
	began, back                       atomic.Int64 // ns since 1970: of the outage, and of the last return that was told
}

var alice = ratelimit.Subject{Tenant: aliceAccount.Tenant, User: aliceAccount.Name}

func startDrill(t *testing.T, o Options, on ratelimit.OnStoreError) *drill {
	o.Prefix = fmt.Sprint(on, ":")
	d := &drill{on: on, o: o, lim: ratelimit.Limits{UserAllocations: outageLimit, UserBytesPerDay: 1 << 40}}
	for i := range outageNodes {
		d.nodes = append(d.nodes, startNode(t, i, o, ratelimit.SharedOptions{
			Rules: all(ratelimit.Rule{Strict: true, OnStoreError: ratelimit.Deny}), Settling: 2 * time.Second, Interval: 200 * time.Millisecond,
			OnTransition: func(err error) {
				if d.transitions.Add(1); err == nil {
					d.back.Store(time.Now().UnixNano())
				}
			}}))
	}
	believed(t, d.nodes)
	for _, n := range d.nodes {
		n.SetRules(all(ratelimit.Rule{Strict: true, OnStoreError: on}))
		r, why := n.reserve(alice, d.lim)
		if r == nil {
			t.Fatalf("at first: %v", why)
		}
		d.live = append(d.live, r)
	}
	return d
}

// carry sends a datagram each millisecond, about 1 MB/s, until ctx ends.
func (d *drill) carry(ctx context.Context, m *ratelimit.Meter) {
	for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
		if m.Take(1000, time.Now()) == ratelimit.None {
			d.carried.Add(1000)
		} else {
			d.lost.Add(1)
		}
	}
}

// comeAndGo asks for one of the places that are there, and holds it for a moment:
// whoever is refused is refused wrongly.
func (d *drill) comeAndGo(ctx context.Context, n *node) {
	for tick := time.NewTicker(20 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		if r, _ := n.reserve(alice, d.lim); r == nil {
			d.wrong.Add(1)
		} else {
			<-tick.C
			r.Release(time.Now())
		}
	}
}

const crowdLimit = 3

// crush is one of more clients than there are places.
func (d *drill) crush(ctx context.Context, n *node) {
	for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
		r, _ := n.reserve(ratelimit.Subject{Tenant: "t", User: "crowd"}, ratelimit.Limits{UserAllocations: crowdLimit})
		if r == nil {
			continue
		}
		over := d.crowd.Add(1) - crowdLimit
		for old := d.over.Load(); over > old && !d.over.CompareAndSwap(old, over); old = d.over.Load() {
		}
		<-tick.C
		d.crowd.Add(-1)
		r.Release(time.Now())
	}
}

func TestOutages(t *testing.T) {
	var mu sync.Mutex
	var table []string
	t.Run("all", func(t *testing.T) {
		for name, start := range outages {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := start(t)
				drills := []*drill{startDrill(t, o.options, ratelimit.Deny), startDrill(t, o.options, ratelimit.Local)}
				suffer(t, o, drills)
				for _, d := range drills {
					took := d.settle(t)
					row := fmt.Sprintf("| %s | %s | %d of %d | %d | %d | %.1f s |", name, []string{"local", "allow", "deny"}[d.on],
						d.lost.Load(), d.lost.Load()+d.carried.Load()/1000, max(0, d.over.Load()), d.wrong.Load(), took.Seconds())
					mu.Lock()
					table = append(table, row)
					mu.Unlock()
				}
			})
		}
	})
	slices.Sort(table)
	t.Logf("| outage of 1.5 s | on_store_error | datagrams lost | let in beyond 3 | refused wrongly | settled after |\n%s", strings.Join(table, "\n"))
}

// suffer lets the fleets work before, during and after the outage.
func suffer(t *testing.T, o outage, drills []*drill) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, d := range drills {
		for i, n := range d.nodes {
			wg.Go(func() { d.carry(ctx, d.live[i].Meter()) })
			wg.Go(func() { d.comeAndGo(ctx, n) })
			wg.Go(func() { d.crush(ctx, n) })
			wg.Go(func() { d.crush(ctx, n) })
		}
	}
	redistest.Eventually(t, "each node has bytes for ten seconds", func() bool {
		for _, d := range drills {
			for _, n := range d.nodes {
				if n.Stats().Bytes < 4<<20 {
					return false
				}
			}
		}
		return true
	})
	for _, d := range drills {
		d.began.Store(time.Now().UnixNano())
	}
	o.begin()
	time.Sleep(1500 * time.Millisecond)
	o.end()
	time.Sleep(time.Second)
	cancel()
	wg.Wait()
}

// settle ends the sessions, waits until the store knows all, and checks what came
// of it.
func (d *drill) settle(t *testing.T) time.Duration {
	for _, r := range d.live {
		r.Release(time.Now())
	}
	quiet := time.Now()
	probe := newStore(t, d.o)
	redistest.Eventually(t, "all is settled", func() bool { return d.settled(probe) })
	took := time.Since(quiet)
	// What was taken ahead lasts for five seconds; of a longer outage deny means this.
	if n := d.lost.Load(); n > 0 && (d.on != ratelimit.Deny || time.Duration(d.back.Load()-d.began.Load()) < 4*time.Second) {
		t.Errorf("on_store_error %d: live sessions lost %d of %d datagrams", d.on, n, n+d.carried.Load()/1000)
	}
	if n := d.over.Load(); n > 0 && d.on == ratelimit.Deny {
		t.Errorf("%d were let in beyond a limit", n)
	}
	if n := d.transitions.Load(); n > 2*outageNodes*4 { // a busy machine is slow of itself
		t.Errorf("%d transitions were told", n)
	}
	return took
}

// settled: the store says what was spent, and that no place is taken.
func (d *drill) settled(s *Store) bool {
	ctx := context.Background()
	used, err := s.Usage(ctx, aliceAccount, []string{time.Now().UTC().Format("d:20060102")})
	if err != nil || used[0] != d.carried.Load() || d.transitions.Load()%2 != 0 {
		return false
	}
	got, err := s.Reserve(ctx, ratelimit.Claim{Member: "probe", TTL: time.Millisecond, Places: []ratelimit.Place{{Account: aliceAccount, Limit: 1}}})
	return err == nil && got.Refused == -1
}

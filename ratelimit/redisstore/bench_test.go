package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redistest"
)

// BenchmarkSettle is one round of 10,000 users who have all spent something.
func BenchmarkSettle(b *testing.B) {
	s, err := New(Options{Addrs: []string{redistest.Start(b).Addr}, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const users = 10_000
	end := time.Now().Add(time.Hour)
	all := make([]ratelimit.Settlement, users)
	for i := range all {
		all[i] = ratelimit.Settlement{Account: ratelimit.Account{Tenant: "t", Name: fmt.Sprint("user", i)}, Holder: "n/b/1", Want: 1000,
			Windows: []ratelimit.Window{{Name: "d:20261123", Limit: 1 << 40, End: end}, {Name: "m:202611", Limit: 1 << 40, End: end}}}
	}
	for b.Loop() {
		for i := range all {
			all[i].Seq++
			all[i].Windows[0].Have += 1000
			all[i].Windows[1].Have += 1000
		}
		for _, g := range s.Settle(context.Background(), all) {
			if g.Err != nil {
				b.Fatal(g.Err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/10000-users")
}

// BenchmarkOperations is what 1,000 sessions of 1,000 users that carry 1 Mbit/s
// cost Redis, at a clock that the benchmark turns: ten minutes each time.
func BenchmarkOperations(b *testing.B) {
	for name, lim := range map[string]ratelimit.Limits{
		"limited":   {UserAllocations: 5, UserBytesPerDay: 1 << 40, UserBytesPerMonth: 1 << 44},
		"unlimited": {},
	} {
		b.Run(name, func(b *testing.B) {
			var ops, seconds float64
			for b.Loop() {
				o, s := operations(b, lim)
				ops, seconds = ops+o, seconds+s
			}
			b.ReportMetric(ops/seconds, "redis-ops/s/1000-sessions")
		})
	}
}

func operations(b *testing.B, lim ratelimit.Limits) (ops, seconds float64) {
	server := redistest.Start(b)
	store, err := New(Options{Addrs: []string{server.Addr}, Timeout: 5 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	s, err := ratelimit.NewShared(ratelimit.SharedOptions{Ledger: ledger, Store: store, Now: func() time.Time { return now }, Node: "n",
		Describe: func() ratelimit.Node { return ratelimit.Node{} }})
	if err != nil {
		b.Fatal(err)
	}
	s.Step(context.Background())
	var meters []*ratelimit.Meter
	for i := range 1000 {
		r, why, _ := s.Reserve(ratelimit.Subject{Tenant: "t", User: fmt.Sprint("user", i)}, lim, now, nil)
		if r == nil {
			b.Fatal(why)
		}
		r.Confirm()
		meters = append(meters, r.Meter())
	}
	for range 60 { // until rates and renewals are even
		step(s, &now, meters)
	}
	before := commands(server)
	for range 600 {
		step(s, &now, meters)
	}
	return commands(server) - before, 600
}

func step(s *ratelimit.Shared, now *time.Time, meters []*ratelimit.Meter) {
	*now = now.Add(time.Second)
	for _, m := range meters {
		for range 125 {
			m.Take(1000, *now)
		}
	}
	s.Step(context.Background())
}

// commands are the scripts and the commands outside of them.
func commands(server *redistest.Server) float64 {
	var sum float64
	for line := range strings.Lines(fmt.Sprint(server.Do("INFO", "commandstats"))) {
		name, rest, ok := strings.Cut(line, ":calls=")
		if calls, _, _ := strings.Cut(rest, ","); ok && (strings.Contains(name, "eval") || strings.HasSuffix(name, "_zrem") || strings.HasSuffix(name, "_get")) {
			n, _ := strconv.ParseFloat(calls, 64)
			sum += n
		}
	}
	return sum
}

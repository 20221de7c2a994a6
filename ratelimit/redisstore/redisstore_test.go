package redisstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"turnpike/ratelimit"
	"turnpike/ratelimit/redistest"
	"turnpike/ratelimit/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStore(t *testing.T, o Options) *Store {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second // of a machine that is busy with tests
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// pass waits until the clock of the server has gone on.
func pass(t *testing.T, c redis.Cmdable, d time.Duration) {
	t.Helper()
	var start time.Time
	redistest.Eventually(t, "time passes", func() bool {
		now, err := c.Time(context.Background()).Result()
		if err != nil {
			t.Fatal(err)
		}
		if start.IsZero() {
			start = now
		}
		return now.Sub(start) > d
	})
}

func contract(t *testing.T, o Options, clock redis.Cmdable) {
	var n atomic.Int64
	storetest.Run(t, storetest.Subject{
		New: func(t *testing.T) ratelimit.Store {
			o.Prefix = fmt.Sprint("t", n.Add(1), ":") // nothing is in it
			return newStore(t, o)
		},
		Pass: func(t *testing.T, _ ratelimit.Store, d time.Duration) { pass(t, clock, d) },
	})
}

func TestContract(t *testing.T) {
	server := redistest.Start(t)
	contract(t, Options{Addrs: []string{server.Addr}}, server.Client())
	everyKeyExpires(t, server)
}

func TestContractCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	contract(t, Options{Addrs: []string{c.Servers[0].Addr}, Cluster: true}, c.Servers[0].Client())
	for _, s := range c.Servers {
		everyKeyExpires(t, s)
	}
}

func TestContractSentinel(t *testing.T) {
	w := redistest.StartSentinel(t)
	contract(t, Options{Addrs: w.Sentinels, Master: w.Master}, w.Primary.Client())
}

// everyKeyExpires checks what tests have left in a server.
func everyKeyExpires(t *testing.T, s *redistest.Server) {
	t.Helper()
	c, ctx := s.Client(), context.Background()
	keys, err := c.Keys(ctx, "*").Result()
	if err != nil || len(keys) < 5 {
		t.Fatalf("%d keys: %v", len(keys), err)
	}
	for _, k := range keys {
		if ttl, err := c.TTL(ctx, k).Result(); err != nil || ttl == -1 {
			t.Errorf("%s does not expire (%v)", k, err)
		}
	}
}

// No text of a client is in a key, nor anything that could be found by trying names
// without the secret.
func TestKeysTellNothing(t *testing.T) {
	server := redistest.Start(t)
	ctx := context.Background()
	a := ratelimit.Account{Tenant: "acme", Name: "alice@example.org"}
	names := map[string]bool{}
	for _, secret := range []string{"", "one", "two"} {
		s := newStore(t, Options{Addrs: []string{server.Addr}, HashKey: []byte(secret)})
		c := ratelimit.Claim{Member: "node/boot/1", Places: []ratelimit.Place{{Account: a}}, TTL: time.Minute}
		if _, err := s.Reserve(ctx, c); err != nil {
			t.Fatal(err)
		}
		names[s.key(a, "s")] = true
	}
	keys, err := server.Client().Keys(ctx, "*").Result()
	if err != nil || len(keys) != 3 || len(names) != 3 {
		t.Fatalf("%q, %v", keys, err)
	}
	for _, k := range keys {
		if strings.Contains(k, "acme") || strings.Contains(k, "alice") || !names[k] {
			t.Errorf("key %q", k)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{
		{}, {Addrs: []string{"a:1", "b:1"}}, {Addrs: []string{"a:1"}, Master: "m", Cluster: true},
		{Addrs: []string{"a:1"}, Cluster: true, DB: 1}, {Addrs: []string{"a:1"}, DB: -1}, {Addrs: []string{"a:1"}, Prefix: "{x}"},
		{Addrs: []string{"a:1"}, Timeout: -1}, {Addrs: []string{"a:1"}, DialTimeout: -1},
		{Addrs: []string{"a:1"}, Pool: -1}, {Addrs: []string{"a:1"}, Pool: 1001},
	} {
		if _, err := New(o); err == nil || !strings.HasPrefix(err.Error(), "redisstore: ") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// The server forgets its scripts when it restarts.
func TestNoScript(t *testing.T) {
	server := redistest.Start(t)
	s := newStore(t, Options{Addrs: []string{server.Addr}})
	for range 3 {
		if e, err := s.Epoch(context.Background()); err != nil || e.ID == "" {
			t.Fatalf("%+v, %v", e, err)
		}
		server.Do("SCRIPT", "FLUSH")
	}
}

// The user of an ACL needs what doc.go says, and no more.
func TestACL(t *testing.T) {
	server := redistest.Start(t)
	rules := []any{"ACL", "SETUSER", "relay", "on", ">secret", "~t:*", "&t:*"}
	for _, c := range strings.Fields(`+eval +evalsha +time +get +set +pttl +pexpire +pexpireat +zadd +zcard +zscore
		+zrem +zremrangebyscore +zrangebyscore +hget +hset +hdel +hmget +xadd +xtrim +xrange +publish +subscribe
		+unsubscribe +ping +info +client|setname +hello`) {
		rules = append(rules, c)
	}
	server.Do(rules...)
	s := newStore(t, Options{Addrs: []string{server.Addr}, Username: "relay", Password: "secret"})
	ctx := t.Context()
	a := ratelimit.Account{Name: "a"}
	_, epoch := s.Epoch(ctx)
	_, reserve := s.Reserve(ctx, ratelimit.Claim{Member: "m", TTL: time.Minute, Places: []ratelimit.Place{{Account: a}}})
	_, rate := s.Rate(ctx, a, "x", ratelimit.PerMinute{Events: 1, Burst: 1}, 1)
	_, usage := s.Usage(ctx, a, []string{"d"})
	_, wake := s.Wake(ctx, ratelimit.Revocations)
	_, read := s.Read(ctx, ratelimit.Revocations, "", 1)
	_, nodes := s.Nodes(ctx)
	_, check := s.Check(ctx)
	for what, err := range map[string]error{
		"epoch": epoch, "reserve": reserve, "rate": rate, "usage": usage, "wake": wake, "read": read, "nodes": nodes, "check": check,
		"renew":    s.Renew(ctx, []ratelimit.Holding{{Account: a, Members: []string{"m"}}}, time.Minute)[0].Err,
		"release":  s.Release(ctx, []ratelimit.Holding{{Account: a, Members: []string{"m"}}}),
		"settle":   s.Settle(ctx, []ratelimit.Settlement{{Account: a, Holder: "n", Seq: 1, Windows: []ratelimit.Window{{Name: "d", End: time.Now().Add(time.Hour)}}}})[0].Err,
		"announce": s.Announce(ctx, ratelimit.Node{ID: "n"}, time.Minute),
		"append":   s.Append(ctx, ratelimit.Revocations, ratelimit.Entry{Key: "k"}, time.Minute, 9),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	server.Do("ACL", "SETUSER", "relay", "-info")
	if _, err := s.Check(ctx); !errors.Is(err, ErrCheckDenied) {
		t.Errorf("Check without +info: %v", err)
	}
	if err := s.client.FlushAll(ctx).Err(); err == nil {
		t.Error("the user may flush")
	}
}

func TestCheck(t *testing.T) {
	good := newStore(t, Options{Addrs: []string{redistest.Start(t, "--appendonly", "yes").Addr}})
	if got, err := good.Check(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	server := redistest.Start(t, "--maxmemory-policy", "allkeys-lru", "--maxmemory", "0")
	bad := newStore(t, Options{Addrs: []string{server.Addr}})
	got, err := bad.Check(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatalf("%q, %v", got, err)
	}
	for i, want := range []string{"set it to noeviction", "maxmemory is not set", "set appendonly yes"} {
		if !strings.Contains(got[i], want) {
			t.Errorf("%q does not say %q", got[i], want)
		}
	}
	if got := advice(map[string]string{"redis_version": "6.2.1", "role": "slave", "maxmemory_policy": "noeviction"}); len(got) != 2 {
		t.Errorf("an old replica: %q", got)
	}
	server.Kill()
	if _, err := bad.Check(t.Context()); err == nil {
		t.Error("a dead server has nothing to complain")
	}
}

// Every server that a connection goes to is told, also those that only Sentinel or a
// Cluster has named.
func TestDialed(t *testing.T) {
	alone, watched, cluster := redistest.Start(t), redistest.StartSentinel(t), redistest.StartCluster(t, 2)
	for name, c := range map[string]struct {
		o    Options
		want []string
	}{
		"alone":    {Options{Addrs: []string{alone.Addr}}, []string{alone.Addr}},
		"Sentinel": {Options{Addrs: watched.Sentinels, Master: watched.Master}, []string{watched.Primary.Addr}},
		"Cluster":  {Options{Addrs: []string{cluster.Servers[0].Addr}, Cluster: true}, []string{cluster.Servers[0].Addr, cluster.Servers[1].Addr}},
	} {
		t.Run(name, func(t *testing.T) {
			var told sync.Map
			c.o.Dialed = func(at net.Addr) { told.Store(at.String(), true) }
			s := newStore(t, c.o)
			for i := range 50 { // keys in every slot
				if _, err := s.Usage(t.Context(), ratelimit.Account{Name: fmt.Sprint(i)}, []string{"d"}); err != nil {
					t.Fatal(err)
				}
			}
			for _, at := range c.want {
				if _, ok := told.Load(at); !ok {
					t.Errorf("nothing was told of %s", at)
				}
			}
			if s.Operations() < 50 {
				t.Errorf("%d operations were counted of 50", s.Operations())
			}
		})
	}
}

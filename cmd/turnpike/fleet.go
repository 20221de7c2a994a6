package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/pkg/metrics"
	"turnpike/ratelimit"
	"turnpike/ratelimit/memstore"
	"turnpike/ratelimit/redisstore"
)

// checkPatience is how long Redis may take to say how it is set up, and how soon it is
// asked again.
const checkPatience = 5 * time.Second

// maxServers bounds those of Redis that are remembered: a name may stand for others
// from day to day.
const maxServers = 256

// fleet is what this node has in common with others: accounts, who is there, and
// what is revoked. In memory it is the only one.
type fleet struct {
	*ratelimit.Shared
	store ratelimit.Store
	redis *redisstore.Store // nil: in memory
	away  atomic.Uint64     // how often the store could not be asked any more
	back  chan struct{}     // the store can be asked again
	met   chan struct{}     // a server of Redis that was not known

	mu      sync.Mutex // guards servers
	servers []netip.AddrPort
}

// newFleet opens no connection.
func newFleet(s *settings, ledger *ratelimit.Ledger, o ratelimit.SharedOptions, log *logs) (*fleet, error) {
	f := &fleet{back: make(chan struct{}, 1), met: make(chan struct{}, 1), servers: s.Store.servers()}
	o.Ledger, o.Now, o.Zone, o.Lease, o.Rules = ledger, time.Now, s.Store.Zone, s.Store.Lease, s.rules()
	o.OnTransition = func(err error) { f.tell(err, log) }
	if s.Store.Redis == nil {
		o.Node, o.Settling, o.OnRevocation = "memory", time.Nanosecond, nil
		f.store = memstore.New(time.Now)
	} else {
		redis := *s.Store.Redis
		redis.Dialed = f.dialed
		var err error
		if f.redis, err = redisstore.New(redis); err != nil {
			return nil, err
		}
		o.Node, f.store = s.Store.Node, f.redis
	}
	o.Store = f.store
	var err error
	f.Shared, err = ratelimit.NewShared(o)
	return f, err
}

// rules of the limits. A node alone is exact without asking, but for bytes: those
// of a month outlive what a user was granted. And its memory is never away.
func (s *settings) rules() ratelimit.Rules {
	rules := s.Limits.Rules
	if s.Store.Redis == nil {
		for i := range rules {
			rules[i].Strict, rules[i].OnStoreError = ratelimit.Limit(i) == ratelimit.LimitBytes, ratelimit.Local
		}
	}
	return rules
}

// join has run going until the function that it returns is called.
func (f *fleet) join(log *logs) (leave func()) {
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		f.run(ctx, log)
	}()
	return func() { cancel(); <-gone }
}

// run keeps this node in touch with the others. When it returns, what was spent is
// settled and what was held given back, as far as the store could be asked.
func (f *fleet) run(ctx context.Context, log *logs) {
	var wg sync.WaitGroup
	if f.redis != nil {
		wg.Go(func() { f.check(ctx, log) })
	}
	f.Shared.Run(ctx)
	wg.Wait()
	if err := f.store.Close(); err != nil {
		log.Warn("the connections to Redis did not end well", "error", err)
	}
}

// check tells what is wrong with how Redis is set up, once it can be asked.
func (f *fleet) check(ctx context.Context, log *logs) {
	for {
		limited, cancel := context.WithTimeout(ctx, checkPatience)
		warnings, err := f.redis.Check(limited)
		cancel()
		if err == nil {
			for _, w := range warnings {
				log.Warn("redis", "warning", w)
			}
			return
		}
		if errors.Is(err, redisstore.ErrCheckDenied) {
			log.Warn("redis", "warning", err.Error())
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-f.back:
		case <-time.After(checkPatience):
		}
	}
}

// tell is called by what it must not ask.
func (f *fleet) tell(err error, log *logs) {
	if err != nil {
		f.away.Add(1)
		log.Error("Redis can't be asked; limits hold as their on_store_error says, and what lives goes on", "error", err)
		return
	}
	log.Info("Redis can be asked again; what was spent meanwhile is settled")
	wake(f.back)
}

// dialed has the policy know a server: no client may reach it through a relay.
func (f *fleet) dialed(to net.Addr) {
	tcp, ok := to.(*net.TCPAddr)
	if !ok {
		return
	}
	at := netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port())
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.servers, at) {
		f.servers = append(f.servers[max(0, len(f.servers)-maxServers+1):], at)
		wake(f.met)
	}
}

// own are the servers that are known.
func (f *fleet) own() []netip.AddrPort {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.servers)
}

// servers are those that the configuration names by address.
func (s *storeSettings) servers() (all []netip.AddrPort) {
	if s.Redis == nil {
		return nil
	}
	for _, a := range s.Redis.Addrs {
		if at, err := netip.ParseAddrPort(a); err == nil {
			all = append(all, at)
		}
	}
	return all
}

// snapshot reads what limits have decided, and how the store is.
func (f *fleet) snapshot(m *metrics.Snapshot, begun time.Time) {
	st := f.Stats()
	m.Limits = map[[2]string]uint64{}
	for l := range ratelimit.NumLimits {
		name := ratelimit.Limit(l).String()
		m.Limits[[2]string{name, "refused"}] = st.Refused[l]
		m.Limits[[2]string{name, "shadowed"}] = st.Shadowed[l]
		m.Limits[[2]string{name, "unheard"}] = st.Unheard[l]
		m.Limits[[2]string{name, "over"}] = st.Over[l]
	}
	if st.Up {
		m.StoreUp = 1
	}
	if st.Heard.IsZero() {
		st.Heard = begun
	}
	m.StoreSilence = max(0, time.Since(st.Heard).Seconds())
	m.StoreAway, m.StoreErrors, m.StoreLost, m.StoreSettled = f.away.Load(), st.StoreErrors, st.Lost, st.Settled
	m.QuestionsWaiting, m.Nodes = st.Asking, len(f.Nodes())
	if f.redis != nil {
		m.StoreOperations = f.redis.Operations()
	}
}

package relay

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// session is one allocation: of one client, under one credential, with one
// relayed transport address.
type session struct {
	server    *Server
	engine    *engine.Engine
	leg       *engine.Leg
	id        string
	client    dataplane.Client
	transport gate.Transport
	identity  *auth.Identity
	start     time.Time
	limit     int64        // when MaxSession is over, see at; math.MaxInt64 for never
	inFlight  atomic.Int32 // requests queued for the engine

	// Set while the Allocate is served, never changed after.
	counted     bool // the refusal is counted, under its own name
	relay       *dataplane.Relay
	reserved    *reservation // the port above the relay's, until it is claimed
	flow        *dataplane.Flow
	reservation *ratelimit.Reservation
	meter       *ratelimit.Meter

	fresh ratelimit.Pace // peers it had nothing to do with before

	view    atomic.Pointer[gate.Session] // what the gate sees
	peers   atomic.Pointer[peers]
	expires atomic.Int64 // see at; math.MinInt64 once ended
	gone    atomic.Bool  // its connection is over
	faulty  atomic.Bool  // what pion made of its last request is unknown

	endOnce sync.Once

	// The reaper's memory of the last traffic, for the idle limit.
	moved   uint64
	movedAt time.Time
}

// live is the gauge that the session is counted in while it lives.
func (x *session) live() *atomic.Int64 {
	return &x.server.counts.live[x.transport][gate.FamilyOf(x.relay.Public.Addr())-gate.IPv4]
}

// at is a time on the session's own scale: nanoseconds since it began, by the
// monotonic clock.
func (x *session) at(t time.Time) int64 { return int64(t.Sub(x.start)) }

// ended reports whether a deadline is that of a session that has ended.
func ended(expires int64) bool { return expires == math.MinInt64 }

// ended reports whether the session has ended or its time is over.
func (x *session) ended() bool { return x.at(x.server.now()) >= x.expires.Load() }

func (s *Server) newSession(r *gate.Request, now time.Time) *session {
	x := &session{
		server: s, id: newID(), client: r.Client, transport: r.Transport, identity: r.Identity,
		start: now, movedAt: now, limit: math.MaxInt64,
		engine: s.engines[s.next.Add(1)%uint64(len(s.engines))],
	}
	if d := r.Identity.Role.MaxSession; d > 0 {
		x.limit = int64(max(d.Truncate(time.Second), time.Second))
	}
	x.fresh.Set(s.limits.Load().NewPeers)
	family, want := r.Family, r.Port // r itself must not live as long as the leg
	x.leg = x.engine.NewLeg(func() (netip.AddrPort, error) { return x.openRelay(family, want) }, x.closeRelay)
	x.peers.Store(new(peers))
	x.view.Store(&gate.Session{Pending: true, Identity: r.Identity, Tx: r.Tx})
	return x
}

func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// openRelay is called by pion, on its goroutine, while the Allocate is served.
func (x *session) openRelay(family gate.Family, want gate.Port) (netip.AddrPort, error) {
	s, now := x.server, x.server.now()
	if want.Token != nil {
		if x.relay = s.ports.reserved.claim(*want.Token, x.identity, now); x.relay == nil {
			x.counted = true
			return netip.AddrPort{}, errNoPort
		}
		return x.relay.Public, nil
	}
	r, next, err := s.ports.open(s.o.Plane, family, want)
	if err != nil {
		if !errors.Is(err, errNoPort) {
			s.counts.allocation.socket.Add(1)
			x.counted = true
		}
		return netip.AddrPort{}, err
	}
	x.relay = r
	if next != nil {
		x.reserved = s.ports.reserved.reserve(next, x.identity, now)
	}
	return r.Public, nil
}

// closeRelay is called when pion has forgotten the allocation. By then the
// socket is closed, but for the one way that is not ours: pion closing itself.
func (x *session) closeRelay() { x.server.ports.close(x.server.o.Plane, x.relay) }

// stopData closes the way of every datagram, and what the session has reserved.
// The counters stand still then.
func (x *session) stopData() {
	x.expires.Store(math.MinInt64)
	x.server.o.Plane.Remove(x.relay)
	x.unreserve()
}

// table is the sessions by five-tuple.
type table struct {
	seed   maphash.Seed
	shards [64]tableShard
}

type tableShard struct {
	mu       sync.RWMutex // guards sessions
	sessions map[dataplane.Client]*session
}

func (t *table) init() {
	t.seed = maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].sessions = make(map[dataplane.Client]*session)
	}
}

func (t *table) shard(c dataplane.Client) *tableShard {
	return &t.shards[maphash.Comparable(t.seed, c)%uint64(len(t.shards))]
}

func (t *table) get(c dataplane.Client) *session {
	sh := t.shard(c)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.sessions[c]
}

// view is what the gate asks.
func (t *table) view(c dataplane.Client) (gate.Session, bool) {
	if x := t.get(c); x != nil {
		return *x.view.Load(), true
	}
	return gate.Session{}, false
}

// add enters a session; false: its five-tuple has one.
func (t *table) add(x *session) bool {
	sh := t.shard(x.client)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.sessions[x.client] != nil {
		return false
	}
	sh.sessions[x.client] = x
	return true
}

func (t *table) remove(x *session) {
	sh := t.shard(x.client)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.sessions[x.client] == x {
		delete(sh.sessions, x.client)
	}
}

// filter appends the sessions that want says yes to. want must not wait.
func (t *table) filter(some []*session, want func(*session) bool) []*session {
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		for _, x := range sh.sessions {
			if want(x) {
				some = append(some, x)
			}
		}
		sh.mu.RUnlock()
	}
	return some
}

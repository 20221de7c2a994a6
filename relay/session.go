package relay

import (
	"crypto/rand"
	"encoding/hex"
	"hash/maphash"
	"math"
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
// relayed transport address, or one of each family.
type session struct {
	server    *Server
	engine    *engine.Engine
	halves    [2]half // the first alone, but for a dual allocation
	id        string
	client    dataplane.Client
	transport gate.Transport
	identity  *auth.Identity
	start     time.Time
	inFlight  atomic.Int32 // requests queued for the engine

	// Set while the Allocate is served, never changed after.
	counted     bool         // the refusal is counted, under its own name
	noSocket    bool         // the host gave none for a half
	reserved    *reservation // the port above the relay's, until it is claimed
	reservation *ratelimit.Reservation
	meter       *ratelimit.Meter

	fresh   ratelimit.Pace // peers it had nothing to do with before
	notices ratelimit.Pace // ICMP errors that its client is told of

	role  atomic.Pointer[auth.Role] // in force; the identity has the one it began with
	limit atomic.Pointer[limit]

	view   atomic.Pointer[gate.Session] // what the gate sees, of halves that have ended too
	peers  atomic.Pointer[peers]
	gone   atomic.Bool // its connection is over
	faulty atomic.Bool // what pion made of its last request is unknown

	endOnce sync.Once

	// The reaper's memory of the last traffic, for the idle limit.
	moved   uint64
	movedAt time.Time
}

// at is a time on the session's own scale: nanoseconds since it began, by the
// monotonic clock.
func (x *session) at(t time.Time) int64 { return int64(t.Sub(x.start)) }

// ended reports whether a deadline is that of a session that has ended.
func ended(expires int64) bool { return expires == math.MinInt64 }

func (s *Server) newSession(r *gate.Request, now time.Time) *session {
	x := &session{
		server: s, id: newID(), client: r.Client, transport: r.Transport, identity: r.Identity,
		start: now, movedAt: now,
		engine: s.engines[s.next.Add(1)%uint64(len(s.engines))],
	}
	x.setRole(r.Identity.Role)
	x.fresh.Set(s.limits.Load().NewPeers)
	x.notices.Set(ratelimit.Rate{PerSecond: noticesPerSecond, Burst: noticesAtOnce})
	x.begin(&x.halves[0], r.Family, r.Port)
	if r.Dual {
		x.begin(&x.halves[1], gate.IPv6, r.Port)
	} else {
		x.halves[1].expires.Store(math.MinInt64)
	}
	x.peers.Store(new(peers))
	x.view.Store(&gate.Session{Pending: true, Identity: r.Identity, Tx: r.Tx})
	return x
}

// limit is when a session's time is over whatever is refreshed, and what it is
// then.
type limit struct {
	at  int64 // see session.at; math.MaxInt64 for never
	end End
}

// setRole puts a role in force, and with it how long the session may live.
func (x *session) setRole(role *auth.Role) {
	l := limit{at: math.MaxInt64}
	if role.MaxSession > 0 {
		l.lower(role.MaxSession.Truncate(time.Second), EndMaxSession)
	}
	if x.server.o.EndExpired && !x.identity.IsStatic() {
		l.lower(x.identity.Expires.Sub(x.start), EndCredential)
	}
	x.role.Store(role)
	x.limit.Store(&l)
}

// lower has the session end after a time, a second at least, if it does not end
// before.
func (l *limit) lower(d time.Duration, why End) {
	if at := int64(max(d, time.Second)); at < l.at {
		l.at, l.end = at, why
	}
}

func newID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
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

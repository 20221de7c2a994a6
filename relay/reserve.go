package relay

import (
	"crypto/rand"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/auth"
	"turnpike/relay/dataplane"
	"turnpike/relay/gate"
)

// reservationLifetime is how long a reserved port waits for the Allocate with
// its token (RFC 8656 §7.2: at least 30 s).
const reservationLifetime = 30 * time.Second

// reservation is the relay port above a session's own, kept for another session
// of the same user (RFC 8656 §7.2). Its socket is bound, so that the port can't
// be lost, and has no flow: what comes there is dropped as NoFlow. A peer may
// be bound to it as to any open relay of ours, and sends into nothing until it
// is claimed.
//
// It ends with the session that made it. That is earlier than the RFC allows,
// and is what bounds them: a user has no more reservations than allocations.
type reservation struct {
	token gate.Token
	relay *dataplane.Relay
	owner *auth.Identity
	until time.Time
}

// reservations are those that nobody has claimed yet. Who takes one out of the
// table has its socket to use or to close, and nobody else has.
type reservations struct {
	mu      sync.Mutex // guards byToken
	byToken map[gate.Token]*reservation
	refused atomic.Uint64 // tokens that were unknown, lapsed or another user's
}

// reserve enters a relay that was opened for it.
func (t *reservations) reserve(r *dataplane.Relay, owner *auth.Identity, now time.Time) *reservation {
	v := &reservation{relay: r, owner: owner, until: now.Add(reservationLifetime)}
	rand.Read(v.token[:]) // never fails
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byToken == nil {
		t.byToken = make(map[gate.Token]*reservation)
	}
	t.byToken[v.token] = v
	return v
}

// claim takes the relay that is reserved under a token, or nil. A stranger's
// try leaves it to its owner.
func (t *reservations) claim(token gate.Token, who *auth.Identity, now time.Time) *dataplane.Relay {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.byToken[token]
	if v == nil || !now.Before(v.until) || !sameUser(v.owner, who) {
		t.refused.Add(1)
		return nil
	}
	delete(t.byToken, token)
	return v.relay
}

// sameUser reports whether two credentials are of one user. Where they name
// none, it must be the same credential.
func sameUser(a, b *auth.Identity) bool {
	return a.Tenant == b.Tenant && a.User == b.User && (a.User != "" || a.Username == b.Username)
}

// withdraw takes a reservation out; false: it is claimed or has lapsed.
func (t *reservations) withdraw(v *reservation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byToken[v.token] != v {
		return false
	}
	delete(t.byToken, v.token)
	return true
}

// lapsed takes out those whose time is over.
func (t *reservations) lapsed(now time.Time) []*reservation {
	t.mu.Lock()
	defer t.mu.Unlock()
	var over []*reservation
	for token, v := range t.byToken {
		if !now.Before(v.until) {
			delete(t.byToken, token)
			over = append(over, v)
		}
	}
	return over
}

// reapReservations frees the ports of reservations that have lapsed. Only the
// reaper calls it.
func (s *Server) reapReservations(now time.Time) {
	for _, v := range s.ports.reserved.lapsed(now) {
		s.ports.close(s.o.Plane, v.relay)
	}
}

// unreserve frees the port that the session has reserved, unless it is claimed.
// pion has never heard of it, so that it can be handed out at once.
func (x *session) unreserve() {
	if p := x.server.ports; x.reserved != nil && p.reserved.withdraw(x.reserved) {
		p.close(x.server.o.Plane, x.reserved.relay)
	}
}

// token is what the session's client is told of its reservation.
func (x *session) token() *gate.Token {
	if x.reserved == nil {
		return nil
	}
	return &x.reserved.token
}

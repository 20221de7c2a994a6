package relay

import (
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

func (x *session) startAllocate(r *gate.Request) (engine.Request, bool) {
	s, now := x.server, x.server.now()
	var refusal ratelimit.Refusal
	x.reservation, refusal = s.o.Ledger.Reserve(
		ratelimit.Subject{Tenant: x.identity.Tenant, User: x.identity.User}, s.allowance(x.identity.Role), now)
	if refusal != ratelimit.None {
		s.drop(x)
		s.counts.allocated(codeQuotaReached)
		s.counts.quota[refusal].Add(1)
		return x.refuse(r, codeQuotaReached)
	}
	return engine.Request{Leg: x.leg, Method: engine.Allocate, Lifetime: x.grant(r.Lifetime, x.start)}, true
}

// allowance is what a role allows one of its users.
func (s *Server) allowance(role *auth.Role) ratelimit.Limits {
	return ratelimit.Limits{
		UserAllocations: role.Allocations, TenantAllocations: s.limits.Load().TenantAllocations,
		SessionBits: role.SessionBits, UserBits: role.UserBits, UserBytesPerDay: role.BytesPerDay,
	}
}

// grant is the lifetime a client gets that asks for want: no more than is left
// of the session, in whole seconds (RFC 8656 §18.2) rounded up.
func (x *session) grant(want time.Duration, now time.Time) time.Duration {
	left := time.Duration(x.limit - x.at(now))
	if left >= want { // no limit: left is too large to round
		return want
	}
	return (left + time.Second - 1).Truncate(time.Second)
}

// extend moves the deadline to a lifetime after now, but never past the
// session's limit. false: the session has ended meanwhile.
func (x *session) extend(now time.Time, lifetime time.Duration) bool {
	old := x.expires.Load()
	return !ended(old) && x.expires.CompareAndSwap(old, min(x.at(now.Add(lifetime)), x.limit))
}

func (x *session) finishAllocate(r *gate.Request, res engine.Result) {
	s, now := x.server, x.server.now()
	code := x.outcome(res)
	if code == 0 {
		code = x.install()
	}
	if code != 0 {
		if x.relay != nil { // pion has made the allocation all the same
			s.o.Plane.Remove(x.relay)
			x.unreserve()
			s.forget(x)
		}
		x.reservation.Release(now)
		s.drop(x)
		if !x.counted { // that is counted already
			s.counts.allocated(code)
		}
		s.answer(r, gate.Answer{Code: code})
		return
	}
	x.reservation.Confirm()
	x.expires.Store(min(x.at(now.Add(res.Lifetime)), x.limit))
	s.counts.allocated(0)
	x.live().Add(1)
	answer := s.gate.Answer(make([]byte, 0, 256), r, gate.Answer{Lifetime: res.Lifetime, Relayed: x.relay.Public, Token: x.token()})
	x.hold() // before anyone can end it
	x.view.Store(&gate.Session{Identity: x.identity, Tx: r.Tx, Answer: answer, Relayed: x.relay.Public})
	s.o.Plane.Send(r.Client, answer)
	switch {
	case x.gone.Load():
		s.end(x, EndDisconnected)
	case !s.admits(r.Client.Addr.Addr()): // SetClients has not seen it
		s.end(x, EndDenied)
	}
}

// install lets the flow pass. It can fail only while the plane is closing.
func (x *session) install() int {
	x.meter = x.reservation.Meter()
	x.flow = &dataplane.Flow{Client: x.client, Relay: x.relay, Pass: x, Class: uint8(x.transport)}
	if x.server.o.Plane.Install(x.flow) != nil {
		return codeInsufficientCapacity
	}
	return 0
}

func (x *session) startRefresh(r *gate.Request) (engine.Request, bool) {
	if x.ended() {
		return x.refuse(r, codeAllocationMismatch)
	}
	if r.Lifetime == 0 {
		x.stopData()
		return engine.Request{Leg: x.leg, Method: engine.Refresh}, true
	}
	return engine.Request{Leg: x.leg, Method: engine.Refresh, Lifetime: x.grant(r.Lifetime, x.server.now())}, true
}

func (x *session) finishRefresh(r *gate.Request, res engine.Result) {
	if r.Lifetime == 0 {
		x.finish(EndClient)
		x.server.answer(r, gate.Answer{})
		return
	}
	code := x.outcome(res)
	if code == 0 && !x.extend(x.server.now(), res.Lifetime) {
		code = codeAllocationMismatch
	}
	x.server.answer(r, gate.Answer{Code: code, Lifetime: res.Lifetime})
}

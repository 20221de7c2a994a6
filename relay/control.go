package relay

import (
	"errors"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// control is the plane's Control function: it runs in a listener's worker
// loop.
func (s *Server) control(c dataplane.Client, b []byte, now time.Time, out []byte) []byte {
	if !s.serving.Load() {
		s.counts.notServing.Add(1)
		return nil
	}
	v := s.gate.Judge(gate.Packet{Client: c, Transport: gate.UDP, Data: b}, now, out)
	switch v.Action {
	case gate.Reply:
		return v.Reply
	case gate.Forward:
		s.forward(v.Request, now)
	}
	return nil
}

// forward queues a judged request for its session's engine. A full queue drops
// it: the client sends it again (RFC 8489 §6.2.1).
func (s *Server) forward(r *gate.Request, now time.Time) {
	x := s.sessions.get(r.Client)
	if r.Method == gate.Allocate {
		if x = s.newSession(r, now); !s.sessions.add(x) {
			s.counts.raced.Add(1) // another worker was quicker with the same five-tuple
			return
		}
	}
	if x == nil {
		s.answer(r, gate.Answer{Code: codeAllocationMismatch}) // ended since it was judged
		return
	}
	if x.submit(r) {
		return
	}
	s.counts.queueFull.Add(1)
	if r.Method == gate.Allocate {
		s.sessions.remove(x)
	}
}

// submit hands a request to the engine. What follows runs on the engine's
// goroutine: start just before pion sees it, finish just after.
func (x *session) submit(r *gate.Request) bool {
	switch r.Method {
	case gate.Allocate:
		return x.engine.Submit(
			func() (engine.Request, bool) { return x.startAllocate(r) },
			func(res engine.Result) { x.finishAllocate(r, res) })
	case gate.Refresh:
		return x.engine.Submit(
			func() (engine.Request, bool) { return x.startRefresh(r) },
			func(res engine.Result) { x.finishRefresh(r, res) })
	case gate.CreatePermission:
		return x.engine.Submit(
			func() (engine.Request, bool) { return x.startPermission(r) },
			func(res engine.Result) { x.finishPermission(r, res) })
	default: // ChannelBind
		return x.engine.Submit(
			func() (engine.Request, bool) { return x.startChannel(r) },
			func(res engine.Result) { x.finishChannel(r, res) })
	}
}

// STUN error codes that are decided here (RFC 8656 §19).
const (
	codeBadRequest           = 400
	codeAllocationMismatch   = 437
	codeQuotaReached         = 486
	codeServerError          = 500
	codeInsufficientCapacity = 508
)

// answer builds and sends the answer to a request.
func (s *Server) answer(r *gate.Request, a gate.Answer) []byte {
	b := s.gate.Answer(make([]byte, 0, 256), r, a)
	s.o.Plane.Send(r.Client, b)
	return b
}

// refuse answers a request with an error code before pion has seen it.
func (x *session) refuse(r *gate.Request, code int) (engine.Request, bool) {
	x.server.answer(r, gate.Answer{Code: code})
	return engine.Request{}, false
}

// outcome turns the engine's result into an error code; 0 is success.
func outcome(res engine.Result) int {
	switch {
	case res.Unanswered, errors.Is(res.Err, engine.ErrLeg):
		return codeAllocationMismatch
	case res.Err != nil:
		return codeServerError // a fault of ours: the engine counts it
	}
	return res.Code
}

func (x *session) startAllocate(r *gate.Request) (engine.Request, bool) {
	s, now := x.server, x.server.now()
	var refusal ratelimit.Refusal
	x.reservation, refusal = s.o.Ledger.Reserve(
		ratelimit.Subject{Tenant: x.identity.Tenant, User: x.identity.User}, s.limits(x.identity.Role), now)
	if refusal != ratelimit.None {
		s.sessions.remove(x)
		s.counts.allocated(codeQuotaReached)
		s.counts.quota[refusal].Add(1)
		return x.refuse(r, codeQuotaReached)
	}
	return engine.Request{Leg: x.leg, Method: engine.Allocate, Lifetime: x.grant(r.Lifetime, now)}, true
}

// limits are what a role allows one of its users.
func (s *Server) limits(role *auth.Role) ratelimit.Limits {
	return ratelimit.Limits{
		UserAllocations: role.Allocations, TenantAllocations: s.o.TenantAllocations,
		SessionBits: role.SessionBits, UserBits: role.UserBits, UserBytesPerDay: role.BytesPerDay,
	}
}

// grant is the lifetime a client gets that asks for want: no more than is left
// of the session.
func (x *session) grant(want time.Duration, now time.Time) time.Duration {
	if limit := x.identity.Role.MaxSession; limit > 0 {
		want = min(want, max(x.start.Add(limit).Sub(now), time.Second))
	}
	return want.Truncate(time.Second) // LIFETIME is in seconds (RFC 8656 §18.2)
}

func (x *session) finishAllocate(r *gate.Request, res engine.Result) {
	s, now := x.server, x.server.now()
	code := outcome(res)
	if code == 0 {
		code = x.install()
	}
	if code != 0 {
		x.reservation.Release(now)
		s.sessions.remove(x)
		s.counts.allocated(code)
		s.answer(r, gate.Answer{Code: code})
		return
	}
	x.reservation.Confirm()
	x.expires.Store(x.at(now.Add(res.Lifetime)))
	s.counts.allocated(0)
	s.counts.live[x.transport].Add(1)
	answer := s.gate.Answer(make([]byte, 0, 256), r, gate.Answer{Lifetime: res.Lifetime, Relayed: x.relay.Public})
	x.view.Store(&gate.Session{Identity: x.identity, Tx: r.Tx, Answer: answer, Relayed: x.relay.Public})
	s.o.Plane.Send(r.Client, answer)
}

// install lets the flow pass. It can fail only while the plane is closing;
// then pion is told to forget the allocation.
func (x *session) install() int {
	x.meter = x.reservation.Meter()
	x.flow = &dataplane.Flow{Client: x.client, Relay: x.relay, Pass: x}
	if x.server.o.Plane.Install(x.flow) != nil {
		x.engine.Submit(
			func() (engine.Request, bool) { return engine.Request{Leg: x.leg, Method: engine.Refresh}, true },
			func(engine.Result) {})
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
	code := outcome(res)
	if code == 0 {
		x.extend(x.server.now().Add(res.Lifetime))
	}
	x.server.answer(r, gate.Answer{Code: code, Lifetime: res.Lifetime})
}

// extend moves the deadline, unless the session has ended meanwhile.
func (x *session) extend(until time.Time) {
	if old := x.expires.Load(); !ended(old) {
		x.expires.CompareAndSwap(old, x.at(until))
	}
}

func (x *session) startPermission(r *gate.Request) (engine.Request, bool) {
	if x.ended() {
		return x.refuse(r, codeAllocationMismatch)
	}
	table, at := x.peers.Load(), x.at(x.server.now())
	count, _ := table.live(at)
	for i, peer := range r.Peers {
		if p := table.permission(peer.Addr()); (p == nil || at >= p.until.Load()) && !repeated(r.Peers[:i], peer) {
			count++
		}
	}
	if count > x.server.o.Permissions {
		return x.refuse(r, codeInsufficientCapacity)
	}
	return engine.Request{Leg: x.leg, Method: engine.CreatePermission, Peers: r.Peers}, true
}

func (x *session) finishPermission(r *gate.Request, res engine.Result) {
	code := outcome(res)
	if code == 0 {
		x.permit(x.at(x.server.now()), r.Peers, nil)
	}
	x.server.answer(r, gate.Answer{Code: code})
}

func (x *session) startChannel(r *gate.Request) (engine.Request, bool) {
	if x.ended() {
		return x.refuse(r, codeAllocationMismatch)
	}
	table, at, peer := x.peers.Load(), x.at(x.server.now()), r.Peers[0]
	permissions, channels := table.live(at)
	byNumber, byPeer := table.channel(r.Channel), table.bound(peer)
	if byNumber != nil && at >= byNumber.until.Load() {
		byNumber = nil
	}
	if byPeer != nil && at >= byPeer.until.Load() {
		byPeer = nil
	}
	if byNumber != byPeer { // one number, one peer (RFC 8656 §12.2)
		return x.refuse(r, codeBadRequest)
	}
	if byNumber == nil {
		channels++
	}
	if p := table.permission(peer.Addr()); p == nil || at >= p.until.Load() {
		permissions++
	}
	if channels > x.server.o.Channels || permissions > x.server.o.Permissions {
		return x.refuse(r, codeInsufficientCapacity)
	}
	return engine.Request{Leg: x.leg, Method: engine.ChannelBind, Channel: r.Channel, Peer: peer}, true
}

func (x *session) finishChannel(r *gate.Request, res engine.Result) {
	code := outcome(res)
	if code == 0 {
		now := x.at(x.server.now())
		b := x.peers.Load().channel(r.Channel)
		if b == nil || b.peer != r.Peers[0] || now >= b.until.Load() {
			b = &binding{number: r.Channel, peer: r.Peers[0]}
		}
		x.permit(now, r.Peers, b)
	}
	x.server.answer(r, gate.Answer{Code: code})
}

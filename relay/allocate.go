package relay

import (
	"time"

	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

func (x *session) startAllocate(r *gate.Request) (parts []part) {
	for i := range x.halves {
		if h := &x.halves[i]; h.leg != nil {
			parts = append(parts, part{half: h, ask: engine.Request{Leg: h.leg, Method: engine.Allocate, Lifetime: x.grant(r.Lifetime, x.start)}})
		}
	}
	return parts
}

// grant is the lifetime a client gets that asks for want: no more than is left
// of the session, in whole seconds (RFC 8656 §18.2) rounded up.
func (x *session) grant(want time.Duration, now time.Time) time.Duration {
	left := time.Duration(x.limit.Load().at - x.at(now))
	if left >= want { // no limit: left is too large to round
		return want
	}
	return (left + time.Second - 1).Truncate(time.Second)
}

func (x *session) finishAllocate(r *gate.Request, parts []part) {
	s, now := x.server, x.server.now()
	x.meter = x.reservation.Meter()
	answer, code := x.given(parts)
	if !answer.Relayed.IsValid() {
		x.reservation.Release(now)
		s.drop(x)
		refusal := s.refusal(r, code)
		switch {
		case x.counted:
		case x.noSocket && refusal.Code == codeInsufficientCapacity:
			s.counts.allocation.socket.Add(1)
		default:
			s.counts.allocated(refusal.Code)
		}
		s.answer(r, refusal)
		return
	}
	x.reservation.Confirm()
	for i := range x.halves {
		if h := &x.halves[i]; h.flow != nil {
			h.expires.Store(min(x.at(now.Add(answer.Lifetime)), x.limit.Load().at))
			x.live(h).Add(1)
		}
	}
	s.counts.allocated(0)
	b := s.gate.Answer(make([]byte, 0, 256), r, answer)
	x.hold() // before anyone can end it
	x.view.Store(&gate.Session{Identity: x.identity, Tx: r.Tx, Answer: b, Relayed: answer.Relayed, Additional: answer.Additional})
	s.o.Plane.Send(r.Client, b)
	x.obey() // SetAccess has not seen it
	switch {
	case x.gone.Load():
		s.end(x, EndDisconnected)
	case !s.admits(r.Client.Addr.Addr()): // SetClients has not seen it
		s.end(x, EndDenied)
	case s.o.Revocations.Revoked(x.identity) || !s.verifier.Load().Holds(x.identity): // nor Revoke, nor SetAccess
		s.end(x, EndRevoked)
	}
}

// given is the answer for what there is of an Allocate's halves; without an address,
// code says why.
func (x *session) given(parts []part) (a gate.Answer, code int) {
	a.Token = x.token()
	for i := range parts {
		h := parts[i].half
		c := x.complete(h, parts[i].result)
		switch {
		case c != 0:
			code = max(code, c) // 508 says more than 440
			a.Missing, a.MissingCode = h.family, codeInsufficientCapacity
			if c == codeFamilyNotSupported {
				a.MissingCode = c
			}
		case a.Relayed.IsValid():
			a.Additional = h.relay.Public
		default:
			a.Relayed, a.Lifetime = h.relay.Public, parts[i].result.Lifetime
		}
	}
	return a, code
}

// complete lets a half pass that pion has agreed to. Of one that is not to be had
// nothing is left; the code says why.
func (x *session) complete(h *half, res engine.Result) int {
	code := h.refused
	if code == 0 {
		code = codeOf(res)
	}
	if code == 0 {
		code = x.install(h)
	}
	if code != 0 {
		x.stop(h)
		if h.relay != nil { // pion has made the allocation all the same
			x.unreserve()
			x.server.forget(x, h)
		}
	}
	return code
}

func (x *session) startRefresh(r *gate.Request) (parts []part) {
	at := x.at(x.server.now())
	for i := range x.halves {
		h := &x.halves[i]
		if h.lives(at) && (r.Family == 0 || r.Family == h.family) {
			parts = append(parts, part{half: h, ask: engine.Request{Leg: h.leg, Method: engine.Refresh}})
		}
	}
	if len(parts) == 0 {
		return x.refuse(r, x.mismatch())
	}
	for i := range parts {
		if r.Lifetime == 0 {
			x.stop(parts[i].half)
		} else {
			parts[i].ask.Lifetime = x.grant(r.Lifetime, x.server.now())
		}
	}
	return parts
}

func (x *session) finishRefresh(r *gate.Request, parts []part) {
	if r.Lifetime == 0 {
		for _, p := range parts {
			x.left(p.half)
		}
		if x.over() {
			x.stopData() // the reaper may be about to stop the other half
			x.finish(EndClient)
		}
		x.server.answer(r, gate.Answer{})
		return
	}
	x.server.answer(r, x.extended(parts))
}

// extended moves the deadlines of the halves that pion has refreshed. Of two it is
// enough that one is left: the other is not meant any more (RFC 8656 §8.1).
func (x *session) extended(parts []part) (a gate.Answer) {
	now := x.server.now()
	a.Code = x.outcome(parts)
	for _, p := range parts {
		if a.Code != codeServerError && codeOf(p.result) == 0 && x.extend(p.half, now, p.result.Lifetime) {
			a = gate.Answer{Lifetime: p.result.Lifetime}
		}
	}
	return a
}

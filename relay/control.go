package relay

import (
	"errors"
	"time"

	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// control makes a listener's Control function. It runs in the listener's
// worker loop.
func (s *Server) control(over gate.Transport) dataplane.Control {
	return func(c dataplane.Client, b []byte, now time.Time, out []byte) []byte {
		if !s.serving.Load() {
			s.counts.notServing.Add(1)
			return nil
		}
		v := s.gate.Judge(gate.Packet{Client: c, Transport: over, Data: b}, now, out)
		switch v.Action {
		case gate.Reply:
			return v.Reply
		case gate.Forward:
			s.forward(v.Request, now)
		}
		return nil
	}
}

// forward queues a judged request for its session's engine. A full queue drops
// it: the client sends it again (RFC 8489 §6.2.1).
func (s *Server) forward(r *gate.Request, now time.Time) {
	x := s.sessions.get(r.Client)
	if r.Method == gate.Allocate {
		if s.draining.Load() {
			s.counts.allocated(codeForbidden)
			s.answer(r, gate.Answer{Code: codeForbidden})
			return
		}
		if x = s.newSession(r, now); !s.sessions.add(x) {
			s.counts.raced.Add(1) // another worker was quicker with the same five-tuple
			return
		}
	}
	if x == nil || x.identity != r.Identity { // ended since it was judged
		s.answer(r, gate.Answer{Code: codeAllocationMismatch})
		return
	}
	if x.inFlight.Add(1) > maxInFlight {
		x.inFlight.Add(-1)
		s.counts.busy.Add(1)
		return
	}
	if x.submit(r) {
		return
	}
	x.inFlight.Add(-1)
	s.counts.queueFull.Add(1)
	if r.Method == gate.Allocate {
		s.drop(x)
	}
}

// maxInFlight is the most requests that one session may have queued, so that
// one client can't fill the queue of all. A browser sends a handful at once.
const maxInFlight = 16

// submit hands a request to the engine. start and finish run on the engine's
// goroutine: start just before pion sees the request, finish just after.
func (x *session) submit(r *gate.Request) bool {
	start, finish := x.startChannel, x.finishChannel
	switch r.Method {
	case gate.Allocate:
		start, finish = x.startAllocate, x.finishAllocate
	case gate.Refresh:
		start, finish = x.startRefresh, x.finishRefresh
	case gate.CreatePermission:
		start, finish = x.startPermission, x.finishPermission
	}
	return x.engine.Submit(func() (engine.Request, bool) {
		x.inFlight.Add(-1)
		return start(r)
	}, func(res engine.Result) { finish(r, res) })
}

// STUN error codes that are decided here (RFC 8656 §19).
const (
	codeBadRequest           = 400
	codeForbidden            = 403
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
func (x *session) outcome(res engine.Result) int {
	switch {
	case res.Unanswered, errors.Is(res.Err, engine.ErrLeg), ended(x.expires.Load()):
		return codeAllocationMismatch
	case res.Err != nil: // a fault of ours or pion's, which the engine counts
		x.faulty.Store(true)
		return codeServerError
	}
	return res.Code
}

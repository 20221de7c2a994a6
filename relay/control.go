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
		if x = s.newSession(r, now); !s.sessions.add(x) {
			s.counts.raced.Add(1) // another worker was quicker with the same five-tuple
			return
		}
	}
	if x == nil || x.identity != r.Identity { // ended since it was judged
		s.answer(r, gate.Answer{Code: codeAllocationMismatch})
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

package relay

import (
	"errors"
	"time"

	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// control makes a listener's Control function. It runs in the listener's
// worker loop; that of TCP and TLS on the connection's own goroutine, which may
// wait.
func (s *Server) control(over gate.Transport) dataplane.Control {
	return func(c dataplane.Client, b []byte, now time.Time, out []byte) []byte {
		if !s.serving.Load() {
			s.counts.notServing.Add(1)
			return nil
		}
		if !s.admits(c.Addr.Addr()) {
			s.counts.denied.Add(1)
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

// forward queues a judged request for its session's engine. Over a stream it
// waits until it is served.
func (s *Server) forward(r *gate.Request, now time.Time) {
	x := s.sessions.get(r.Client)
	if r.Method == gate.Allocate {
		if s.redirects(r) {
			return
		}
		if x = s.newSession(r, now); !s.sessions.add(x) {
			s.counts.raced.Add(1) // another worker was quicker with the same five-tuple
			return
		}
		if s.draining.Load() { // asked when Drain counts the session
			s.drop(x)
			refusal := s.refusal(r, codeForbidden)
			s.counts.allocated(refusal.Code)
			s.answer(r, refusal)
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
		s.overloaded(r)
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
	s.overloaded(r)
}

// overloaded is for a request that can't be queued. Over UDP the client sends
// it again (RFC 8489 §6.2.1); over a stream it does not, and would wait 39.5 s
// for an answer (§6.2.2).
func (s *Server) overloaded(r *gate.Request) {
	if r.Client.Stream != nil {
		s.answer(r, gate.Answer{Code: codeServerError})
	}
}

// maxInFlight is the most requests that one session may have queued, so that
// one client can't fill the queue of all. A browser sends a handful at once.
const maxInFlight = 16

// patience is how long a stream is not read because of a request being served.
// That is far more than a full queue takes, and no longer than a call can do
// without data while pion is stuck.
const patience = 500 * time.Millisecond

// submit hands a request to the engine. start and finish run on the engine's
// goroutine: start just before pion sees the request, finish just after.
//
// What comes over a stream comes in order, and a client may count on it: the
// data behind a CreatePermission finds the permission, requests sent at once
// are served one by one and none is dropped. So a stream's goroutine waits here.
func (x *session) submit(r *gate.Request) bool {
	served := make(chan struct{})
	queued := false
	if r.Method == gate.Allocate {
		queued = x.submitAllocate(r, served)
	} else {
		queued = x.submitChange(r, served)
	}
	if queued && r.Client.Stream != nil {
		await(served)
	}
	return queued
}

// submitChange has a request about a live session served.
func (x *session) submitChange(r *gate.Request, served chan struct{}) bool {
	start, finish := x.startChannel, x.finishChannel
	switch r.Method {
	case gate.Refresh:
		start, finish = x.startRefresh, x.finishRefresh
	case gate.CreatePermission:
		start, finish = x.startPermission, x.finishPermission
	}
	return x.serve(func() []part {
		x.inFlight.Add(-1)
		parts := start(r)
		if len(parts) == 0 {
			close(served)
		}
		return parts
	}, func(parts []part) {
		finish(r, parts)
		close(served)
	})
}

// part is what one half's leg is asked for a request, and what became of it.
type part struct {
	half   *half
	ask    engine.Request
	result engine.Result
}

// serve has the engine serve the parts of a request one after the other, and
// nothing of the session in between. Without parts finish is not called.
func (x *session) serve(start func() []part, finish func([]part)) bool {
	var parts []part
	var done func(engine.Result)
	at := 0
	done = func(res engine.Result) {
		parts[at].result = res
		if at++; at == len(parts) {
			finish(parts)
			return
		}
		x.engine.Next(func() (engine.Request, bool) { return parts[at].ask, true }, done)
	}
	return x.engine.Submit(func() (engine.Request, bool) {
		if parts = start(); len(parts) == 0 {
			return engine.Request{}, false
		}
		return parts[0].ask, true
	}, done)
}

func await(served <-chan struct{}) {
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-served:
	case <-late.C:
	}
}

// STUN error codes that are decided here (RFC 8656 §19).
const (
	codeTryAlternate         = 300
	codeBadRequest           = 400
	codeForbidden            = 403
	codeAllocationMismatch   = 437
	codeFamilyNotSupported   = 440
	codeFamilyMismatch       = 443
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
func (x *session) refuse(r *gate.Request, code int) []part {
	x.server.answer(r, gate.Answer{Code: code})
	return nil
}

// outcome turns the engine's results on a live session into an error code; 0 is
// success of all. Where pion has agreed to one part and not to another nothing is
// granted: what it keeps of that lets no datagram pass, and lapses by itself.
func (x *session) outcome(parts []part) (code int) {
	for _, p := range parts {
		c := codeOf(p.result)
		switch {
		case p.half.ended():
			c = x.mismatch()
		case c == codeServerError:
			x.faulty.Store(true)
		}
		code = max(code, c)
	}
	return code
}

// codeOf turns the engine's result into an error code; 0 is success.
func codeOf(res engine.Result) int {
	switch {
	case res.Unanswered, errors.Is(res.Err, engine.ErrLeg):
		return codeAllocationMismatch
	case res.Err != nil: // a fault of ours or pion's, which the engine counts
		return codeServerError
	}
	return res.Code
}

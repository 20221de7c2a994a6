package relay

import (
	"context"
	"net/netip"
	"time"

	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
)

// End says why a session ended.
type End uint8

const (
	EndClient       End = iota // the client's Refresh with LIFETIME 0
	EndExpired                 // the allocation was not refreshed in time
	EndMaxSession              // the role's MaxSession was over
	EndIdle                    // no traffic for the role's Idle
	EndDisconnected            // its TCP or TLS connection is over
	EndShutdown                // the server stopped
	EndFault                   // pion's answer to a request made no sense
	EndCredential              // its credential expired, and Options.EndExpired
	EndDenied                  // its client may not come any more
	EndRevoked                 // its credential, user or key was revoked
	NumEnds         int = iota
)

var endNames = [NumEnds]string{
	EndClient: "client", EndExpired: "expired", EndMaxSession: "max_session", EndIdle: "idle",
	EndDisconnected: "disconnected", EndShutdown: "shutdown", EndFault: "fault", EndCredential: "credential_expired",
	EndDenied: "client_denied", EndRevoked: "revoked",
}

// String is the reason's name in records.
func (e End) String() string { return endNames[e] }

// Record is what is known of a session that has ended. Bytes are payload:
// neither STUN nor ChannelData framing counts.
type Record struct {
	ID           string
	Why          End
	User, Tenant string
	Role         string
	CredentialID string
	Transport    string
	Client       netip.AddrPort
	Relayed      netip.AddrPort
	Additional   netip.AddrPort // of the other family, for a dual allocation that got both
	Start, End   time.Time

	PacketsToPeer, BytesToPeer     uint64
	PacketsToClient, BytesToClient uint64
	Dropped                        uint64
}

// reapEvery is how often lapsed sessions are looked for. They relay nothing
// from the moment they lapse; this only frees what they hold.
const reapEvery = time.Second

// runReaper ends sessions whose time is over, until ctx ends.
func (s *Server) runReaper(ctx context.Context) {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.reap(s.now())
		}
	}
}

// reap ends what is over. What each session holds is given back at once; only
// then is pion told, since its queue may be long.
func (s *Server) reap(now time.Time) {
	s.lapsing = s.sessions.filter(s.lapsing[:0], func(x *session) bool { return x.due(now) })
	for _, x := range s.lapsing {
		if x.over() { // by the client, just now
			continue
		}
		why, last := x.lapse(now)
		switch {
		case last:
			s.end(x, why)
		case x.faulty.Load():
			s.end(x, EndFault)
		case x.idle(now):
			s.end(x, EndIdle)
		}
	}
	clear(s.lapsing)
	s.reapReservations(now)
	s.tellPion()
}

// due reports whether the reaper has to look at the session. It is asked of all
// of them every second, so it makes no garbage.
func (x *session) due(now time.Time) bool {
	if x.view.Load().Pending {
		return false
	}
	at := x.at(now)
	return x.halves[0].due(at) || x.halves[1].due(at) || x.faulty.Load() || x.idle(now)
}

// due reports whether the half's time is over and it has not ended.
func (h *half) due(at int64) bool {
	deadline := h.expires.Load()
	return !ended(deadline) && at >= deadline
}

// lapsed tells the two ways of running out of time apart.
func (x *session) lapsed(deadline int64) End {
	if l := x.limit.Load(); deadline == l.at {
		return l.end
	}
	return EndExpired
}

// idle reports whether nothing was relayed for as long as the role allows.
// Only the reaper calls it.
func (x *session) idle(now time.Time) bool {
	limit := x.role.Load().Idle
	if limit == 0 {
		return false
	}
	var n uint64
	for i := range x.halves {
		if f := x.halves[i].flow; f != nil {
			n += f.Count.ToPeer.Packets() + f.Count.ToClient.Packets()
		}
	}
	if n != x.moved {
		x.moved, x.movedAt = n, now
	}
	return now.Sub(x.movedAt) >= limit
}

// end ends a session but for pion's part in it, which is left to tellPion.
func (s *Server) end(x *session, why End) {
	if x.view.Load().Pending {
		return // at shutdown only: the engine's Close closes its relay
	}
	x.stopData()
	x.finish(why)
	for i := range x.halves {
		if h := &x.halves[i]; h.flow != nil {
			s.forget(x, h)
		}
	}
}

// forget leaves a half whose data has stopped to tellPion.
func (s *Server) forget(x *session, h *half) {
	s.overMu.Lock()
	s.over = append(s.over, overLeg{x.engine, h.leg})
	s.overMu.Unlock()
}

// overLeg is a leg that pion takes for alive, or has been told of before.
type overLeg struct {
	engine *engine.Engine
	leg    *engine.Leg
}

// tellPion ends the legs of halves that are over; their relay ports are free
// then. It waits for pion, so only the reaper calls it.
func (s *Server) tellPion() {
	s.overMu.Lock()
	over := s.over
	s.over = nil
	s.overMu.Unlock()
	for _, x := range over {
		// The only error is that the engine is closed, and then the leg is too.
		_, _ = x.engine.Do(engine.Request{Leg: x.leg, Method: engine.Refresh})
	}
}

// finish gives back what a session holds, once, and tells of it. Its data has
// been stopped, so the counters stand still.
func (x *session) finish(why End) {
	x.endOnce.Do(func() {
		s, now := x.server, x.server.now()
		x.reservation.Release(now)
		s.drop(x)
		x.release()
		x.left(&x.halves[0])
		x.left(&x.halves[1])
		s.counts.ended[why].Add(1)
		s.tell(x.record(why, now))
	})
}

// maxRecords is how many records may wait for Options.Ended.
const maxRecords = 4096

// tell queues a record. It waits only while the server stops, and then not on
// an engine's goroutine and not for ever.
func (s *Server) tell(r Record) {
	if r.Why == EndShutdown {
		select {
		case s.records <- r:
			return
		case <-s.stopped:
		}
	}
	select {
	case s.records <- r:
	default:
		s.counts.recordsLost.Add(1)
	}
}

// runRecords hands records out until the queue is closed. Whoever takes them
// may be slow (a log on a full pipe): only records are lost by it.
func (s *Server) runRecords() {
	defer close(s.told)
	for r := range s.records {
		s.o.Ended(r)
	}
}

func (x *session) record(why End, now time.Time) Record {
	v := x.view.Load()
	r := Record{
		ID: x.id, Why: why, User: x.identity.User, Tenant: x.identity.Tenant, Role: x.identity.Role.Name,
		CredentialID: x.identity.CredentialID, Transport: x.transport.String(),
		Client: x.client.Addr, Relayed: v.Relayed, Additional: v.Additional, Start: x.start, End: now,
	}
	for i := range x.halves {
		if f := x.halves[i].flow; f != nil {
			r.add(&f.Count)
		}
	}
	return r
}

func (r *Record) add(c *dataplane.FlowCount) {
	r.PacketsToPeer += c.ToPeer.Packets()
	r.BytesToPeer += c.ToPeer.Bytes()
	r.PacketsToClient += c.ToClient.Packets()
	r.BytesToClient += c.ToClient.Bytes()
	r.Dropped += c.Dropped()
}

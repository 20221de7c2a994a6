package relay

import (
	"context"
	"math"
	"net/netip"
	"time"

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
	EndDenied                  // its client may not come any more
)

var endNames = [...]string{
	EndClient: "client", EndExpired: "expired", EndMaxSession: "max_session", EndIdle: "idle",
	EndDisconnected: "disconnected", EndShutdown: "shutdown", EndFault: "fault", EndDenied: "client_denied",
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
		deadline := x.expires.Load()
		switch {
		case ended(deadline): // by the client, just now
		case x.at(now) >= deadline:
			// A Refresh may be moving the deadline at this instant; then it lives.
			if x.expires.CompareAndSwap(deadline, math.MinInt64) {
				s.end(x, x.lapsed(deadline))
			}
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
	return !x.view.Load().Pending && (x.at(now) >= x.expires.Load() || x.faulty.Load() || x.idle(now))
}

// lapsed tells the two ways of running out of time apart.
func (x *session) lapsed(deadline int64) End {
	if deadline == x.limit {
		return EndMaxSession
	}
	return EndExpired
}

// idle reports whether nothing was relayed for as long as the role allows.
// Only the reaper calls it.
func (x *session) idle(now time.Time) bool {
	limit := x.identity.Role.Idle
	if limit == 0 {
		return false
	}
	if n := x.flow.Count.ToPeer.Packets() + x.flow.Count.ToClient.Packets(); n != x.moved {
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
	s.forget(x)
}

// forget leaves a session whose data has stopped to tellPion.
func (s *Server) forget(x *session) {
	s.overMu.Lock()
	s.over = append(s.over, x)
	s.overMu.Unlock()
}

// tellPion ends the legs of sessions that are over; their relay ports are free
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
		x.live().Add(-1)
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
	c := &x.flow.Count
	return Record{
		ID: x.id, Why: why, User: x.identity.User, Tenant: x.identity.Tenant, Role: x.identity.Role.Name,
		CredentialID: x.identity.CredentialID, Transport: x.transport.String(),
		Client: x.client.Addr, Relayed: x.relay.Public, Start: x.start, End: now,
		PacketsToPeer: c.ToPeer.Packets(), BytesToPeer: c.ToPeer.Bytes(),
		PacketsToClient: c.ToClient.Packets(), BytesToClient: c.ToClient.Bytes(),
		Dropped: c.Dropped(),
	}
}

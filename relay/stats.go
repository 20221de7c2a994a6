package relay

import (
	"sync/atomic"
	"time"

	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// counts is what the server itself counts; gate, plane and ledger count the
// rest.
type counts struct {
	live       [gate.NumTransports][2]atomic.Int64 // by transport and family
	allocation struct{ ok, quota, capacity, draining, redirected, socket, store, other atomic.Uint64 }
	quota      [ratelimit.NumRefusals]atomic.Uint64
	parked     atomic.Uint64
	queueFull  atomic.Uint64
	busy       atomic.Uint64
	raced      atomic.Uint64
	notServing atomic.Uint64
	denied     atomic.Uint64
	ended      [NumEnds]atomic.Uint64

	recordsLost atomic.Uint64
}

// allocated counts the outcome of an Allocate that reached an engine.
func (c *counts) allocated(code int) {
	switch code {
	case 0:
		c.allocation.ok.Add(1)
	case codeQuotaReached:
		c.allocation.quota.Add(1)
	case codeTryAlternate:
		c.allocation.redirected.Add(1)
	case codeForbidden:
		c.allocation.draining.Add(1)
	case codeInsufficientCapacity:
		c.allocation.capacity.Add(1)
	default:
		c.allocation.other.Add(1)
	}
}

// Stats is a view of a running server for metrics: plain numbers, closed sets.
type Stats struct {
	// Allocations alive, by transport of the client and family of the relayed
	// address. A dual one counts in both.
	Allocations map[[2]string]int
	// AllocationsTotal by result: "success", "quota" (486), "capacity" (508: no
	// port is free), "draining" (403), "redirected" (300), "token" (508:
	// RESERVATION-TOKEN unknown, lapsed or another user's), "socket" (508: this
	// host gave no socket, often for want of file descriptors), "store" (508: what nodes
	// share can't be asked, and a limit says deny), "transport" (403: none
	// of the client's role), "other".
	AllocationsTotal map[string]uint64
	// Parked Allocates waited for an answer of what nodes share.
	Parked uint64
	// Ended sessions by End.
	Ended map[string]uint64
	// QuotaRefused by the limit that refused an allocation.
	QuotaRefused map[string]uint64
	// Dropped requests that were judged well but not served: "queue_full",
	// "session_busy", "raced", "not_serving"; or not judged: "client_denied".
	Dropped map[string]uint64
	// RecordsLost counts records that nobody took in time.
	RecordsLost uint64

	RelayPortsFree int
	EngineQueue    int           // requests waiting for pion
	EngineStall    time.Duration // the longest present request
	// EngineFaults counts what pion should never do, by engine.Fault.
	EngineFaults map[string]uint64

	Gate  *gate.Counters
	Plane *dataplane.Counters
	// Streams counts TCP and TLS connections; nil without such listeners.
	Streams *stream.Counters
	// Draining: see Drain.
	Draining bool
	// PlaneCaps is the plane's name and what it uses; Listeners, its sockets for
	// clients over UDP.
	PlaneCaps dataplane.Caps
	Listeners []dataplane.ListenerStats
}

// Stats reads the counters.
func (s *Server) Stats() Stats {
	c := &s.counts
	st := Stats{
		Allocations: map[[2]string]int{}, Ended: map[string]uint64{}, QuotaRefused: map[string]uint64{}, EngineFaults: map[string]uint64{},
		AllocationsTotal: map[string]uint64{
			"success": c.allocation.ok.Load(), "quota": c.allocation.quota.Load(),
			"capacity": c.allocation.capacity.Load(), "draining": c.allocation.draining.Load(), "token": s.ports.reserved.refused.Load(),
			"redirected": c.allocation.redirected.Load(), "socket": c.allocation.socket.Load(), "store": c.allocation.store.Load(),
			"other": c.allocation.other.Load(),
		},
		Dropped: map[string]uint64{
			"queue_full": c.queueFull.Load(), "session_busy": c.busy.Load(),
			"raced": c.raced.Load(), "not_serving": c.notServing.Load(), "client_denied": c.denied.Load(),
		},
		RelayPortsFree: s.ports.left(), RecordsLost: c.recordsLost.Load(), Parked: c.parked.Load(),
		Gate: s.gate.Counters(), Plane: s.o.Plane.Counters(), PlaneCaps: s.o.Plane.Caps(), Listeners: s.o.Plane.Listeners(),
	}
	st.Draining = s.draining.Load()
	if s.streams != nil {
		st.Streams = s.streams.Counters()
	}
	for t := range c.live {
		for i := range c.live[t] {
			st.Allocations[[2]string{gate.Transport(t).String(), (gate.IPv4 + gate.Family(i)).String()}] = int(c.live[t][i].Load())
		}
	}
	for t := range gate.NumTransports {
		st.AllocationsTotal["transport"] += st.Gate.TransportForbidden(gate.Transport(t))
	}
	for e := range c.ended {
		st.Ended[End(e).String()] = c.ended[e].Load()
	}
	for r := range c.quota {
		if r != int(ratelimit.None) {
			st.QuotaRefused[ratelimit.Refusal(r).String()] = c.quota[r].Load()
		}
	}
	if !s.serving.Load() {
		return st // the engines are not there yet, or no more
	}
	for _, e := range s.engines {
		st.EngineQueue += e.Depth()
		st.EngineStall = max(st.EngineStall, e.Stalled(s.now()))
		for f := range engine.NumFaults {
			st.EngineFaults[engine.Fault(f).String()] += e.Faults(engine.Fault(f))
		}
	}
	return st
}

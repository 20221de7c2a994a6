package relay

import (
	"errors"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/relay/dataplane"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// half is one relayed transport address of a session: with a leg, a flow and an
// end of its own (RFC 8656 §8.2).
type half struct {
	leg     *engine.Leg  // nil: not asked for
	expires atomic.Int64 // see session.at; math.MinInt64 once ended, or if there is none

	// Set while the Allocate is served, never changed after.
	family  gate.Family
	relay   *dataplane.Relay
	flow    *dataplane.Flow // nil: not to be had
	refused int             // why there is no relay, if pion's word does not say it

	goneOnce sync.Once
}

// begin prepares a half of an Allocate.
func (x *session) begin(h *half, family gate.Family, want gate.Port) {
	h.family = family
	h.leg = x.engine.NewLeg(
		func() (netip.AddrPort, error) { return x.openRelay(h, want) },
		func() { x.closeRelay(h) })
}

// of is the half for peers of an address' family, which may not be there.
func (x *session) of(addr netip.Addr) *half {
	if h := &x.halves[0]; h.family == gate.FamilyOf(addr) {
		return h
	}
	return &x.halves[1]
}

func (h *half) ended() bool { return ended(h.expires.Load()) }

// lives reports whether the half has not ended and its time is not over.
func (h *half) lives(at int64) bool { return at < h.expires.Load() }

// ended reports whether the session has ended or its time is over.
func (x *session) ended() bool {
	at := x.at(x.server.now())
	return !x.halves[0].lives(at) && !x.halves[1].lives(at)
}

// over reports whether the session has ended.
func (x *session) over() bool { return x.halves[0].ended() && x.halves[1].ended() }

// mismatch is the error code for what asks for a half that does not live.
func (x *session) mismatch() int {
	if x.ended() {
		return codeAllocationMismatch
	}
	return codeFamilyMismatch
}

// openRelay is called by pion, on its goroutine, while the Allocate is served.
func (x *session) openRelay(h *half, want gate.Port) (netip.AddrPort, error) {
	s, now := x.server, x.server.now()
	if want.Token != nil {
		if h.relay = s.ports.reserved.claim(*want.Token, x.identity, now); h.relay == nil {
			x.counted = true
			return netip.AddrPort{}, errNoPort
		}
		h.family = gate.FamilyOf(h.relay.Public.Addr())
		return h.relay.Public, nil
	}
	r, next, err := s.ports.open(s.o.Plane, h.family, want)
	switch {
	case errors.Is(err, errNoFamily):
		h.refused = codeFamilyNotSupported
		return netip.AddrPort{}, err
	case err != nil && !errors.Is(err, errNoPort):
		x.noSocket = true
		return netip.AddrPort{}, err
	case err != nil:
		return netip.AddrPort{}, err
	}
	h.relay = r
	if next != nil {
		x.reserved = s.ports.reserved.reserve(next, x.identity, now)
	}
	return r.Public, nil
}

// closeRelay is called when pion has forgotten the allocation. By then the
// socket is closed, but for the one way that is not ours: pion closing itself. What
// the peers of the other half have is left alone (RFC 8656 §8.1).
func (x *session) closeRelay(h *half) {
	x.server.ports.close(x.server.o.Plane, h.relay)
	x.peers.Store(x.peers.Load().without(h))
}

// install lets the flow pass. It can fail only while the plane is closing.
func (x *session) install(h *half) int {
	f := &dataplane.Flow{Client: x.client, Relay: h.relay, Pass: x, Class: uint8(x.transport)}
	if x.server.o.Plane.Install(f) != nil {
		return codeInsufficientCapacity
	}
	h.flow = f
	return 0
}

// extend moves the deadline to a lifetime after now, but never past the
// session's limit. false: the half has ended meanwhile.
func (x *session) extend(h *half, now time.Time, lifetime time.Duration) bool {
	old := h.expires.Load()
	if ended(old) || !h.expires.CompareAndSwap(old, min(x.at(now.Add(lifetime)), x.limit.Load().at)) {
		return false
	}
	x.cap(h) // the limit may have become another meanwhile
	return true
}

// cap moves the deadline of a half to the session's limit, if that is before it.
func (x *session) cap(h *half) {
	for limit := x.limit.Load().at; ; {
		old := h.expires.Load()
		if old <= limit || h.expires.CompareAndSwap(old, limit) {
			return
		}
	}
}

// live is the gauge that a half is counted in while it lives.
func (x *session) live(h *half) *atomic.Int64 {
	return &x.server.counts.live[x.transport][h.family-gate.IPv4]
}

// stop closes the way of every datagram of a half. Its counters stand still then.
func (x *session) stop(h *half) {
	h.expires.Store(math.MinInt64)
	if h.relay != nil {
		x.server.o.Plane.Remove(h.relay)
	}
}

// left counts a half out that was counted in.
func (x *session) left(h *half) {
	if h.flow != nil {
		h.goneOnce.Do(func() { x.live(h).Add(-1) })
	}
}

// stopData stops both halves, and frees what the session has reserved.
func (x *session) stopData() {
	x.stop(&x.halves[0])
	x.stop(&x.halves[1])
	x.unreserve()
}

// lapse ends the halves whose time is over. true: they were the last, and ended as
// why says.
func (x *session) lapse(now time.Time) (why End, last bool) {
	at := x.at(now)
	var over []*half
	for i := range x.halves {
		h := &x.halves[i]
		deadline := h.expires.Load()
		// A Refresh may be moving the deadline at this instant; then it lives.
		if !ended(deadline) && at >= deadline && h.expires.CompareAndSwap(deadline, math.MinInt64) {
			over, why = append(over, h), x.lapsed(deadline)
		}
	}
	if len(over) > 0 && x.over() {
		return why, true
	}
	for _, h := range over {
		x.stop(h)
		x.left(h)
		x.server.forget(x, h)
	}
	return why, false
}

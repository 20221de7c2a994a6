package planetest

import (
	"net/netip"
	"sync/atomic"
	"time"

	"turnpike/relay/dataplane"
)

// judge is a Pass that lets everything through between a channel and a peer,
// until it is told otherwise.
type judge struct {
	channel uint16
	pair    atomic.Pointer[pair]
	// refuse, when not zero, is the answer to everything.
	refuse atomic.Uint32
	asked  atomic.Int64
	// park, once, holds a judgement up until it is released.
	park atomic.Pointer[parking]
}

// parking is a worker that the scheduler has put aside.
type parking struct{ parked, release chan struct{} }

func (j *judge) maybePark() {
	if p := j.park.Swap(nil); p != nil {
		close(p.parked)
		<-p.release
	}
}

// pair is the peer bound to the channel, and another without one.
type pair struct{ bound, other netip.AddrPort }

func newJudge(channel uint16, bound, other netip.AddrPort) *judge {
	j := &judge{channel: channel}
	j.set(bound, other)
	return j
}

func (j *judge) set(bound, other netip.AddrPort) { j.pair.Store(&pair{bound, other}) }

func (j *judge) ToPeer(channel uint16, peer netip.AddrPort, _ int, _ time.Time) (netip.AddrPort, dataplane.Verdict) {
	j.asked.Add(1)
	j.maybePark()
	p := j.pair.Load()
	switch {
	case j.refuse.Load() != 0:
		return netip.AddrPort{}, dataplane.Verdict(j.refuse.Load())
	case channel != 0 && channel != j.channel:
		return netip.AddrPort{}, dataplane.NoChannel
	case channel != 0:
		return p.bound, dataplane.Allow
	case peer == p.bound || peer == p.other:
		return peer, dataplane.Allow
	}
	return netip.AddrPort{}, dataplane.NoPermission
}

func (j *judge) ICMP(netip.AddrPort, time.Time) dataplane.Notice { return dataplane.NoticeSent }

func (j *judge) ToClient(peer netip.AddrPort, _ int, _ time.Time) (uint16, dataplane.Verdict) {
	j.asked.Add(1)
	p := j.pair.Load()
	switch {
	case j.refuse.Load() != 0:
		return 0, dataplane.Verdict(j.refuse.Load())
	case peer == p.bound:
		return j.channel, dataplane.Allow
	case peer == p.other:
		return 0, dataplane.Allow
	}
	return 0, dataplane.NoPermission
}

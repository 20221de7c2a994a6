package dataplane

import "sync/atomic"

// Tally counts datagrams handed on, and their payload bytes without framing.
type Tally struct {
	packets, bytes atomic.Uint64
}

// Add counts one datagram of n payload bytes.
func (t *Tally) Add(n int) {
	t.packets.Add(1)
	t.bytes.Add(uint64(n))
}

// Packets and Bytes read the tally.
func (t *Tally) Packets() uint64 { return t.packets.Load() }
func (t *Tally) Bytes() uint64   { return t.bytes.Load() }

// FlowCount is what a flow carried in each direction, and what it did not.
type FlowCount struct {
	ToPeer, ToClient Tally
	dropped          atomic.Uint64
}

// Dropped is the number of datagrams of the flow that went nowhere.
func (c *FlowCount) Dropped() uint64 { return c.dropped.Load() }

// Counters is what a plane carried in all.
type Counters struct {
	ToPeer, ToClient Tally
	// HandedOver counts datagrams that went from one of our relays to another
	// inside the process. Each is also counted in ToPeer, and in ToClient if
	// the other session took it.
	HandedOver Tally
	// Control counts datagrams handed up.
	Control Tally
	dropped [NumVerdicts]atomic.Uint64
}

// Dropped is the number of datagrams stopped by v.
func (c *Counters) Dropped(v Verdict) uint64 { return c.dropped[v].Load() }

// Drop counts a datagram stopped by v. f is its flow, or nil.
func (c *Counters) Drop(f *Flow, v Verdict) {
	c.dropped[v].Add(1)
	if f != nil {
		f.Count.dropped.Add(1)
	}
}

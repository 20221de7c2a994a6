package dataplane

import "sync/atomic"

// Tally counts datagrams handed on, and their payload bytes without framing.
type Tally struct {
	packets, bytes atomic.Uint64
}

// Add counts one datagram of n payload bytes.
func (t *Tally) Add(n int) { t.AddMany(1, n) }

// AddMany counts several datagrams of n payload bytes together.
func (t *Tally) AddMany(packets, n int) {
	t.packets.Add(uint64(packets))
	t.bytes.Add(uint64(n))
}

func (t *Tally) join(u *Tally) {
	t.packets.Add(u.packets.Load())
	t.bytes.Add(u.bytes.Load())
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

// NumClasses is how many classes of flows are counted apart, see Flow.Class.
const NumClasses = 4

// Classes is a tally for each class of flows.
type Classes [NumClasses]Tally

// Packets and Bytes read the tallies of all classes.
func (c *Classes) Packets() uint64 { return c.sum((*Tally).Packets) }
func (c *Classes) Bytes() uint64   { return c.sum((*Tally).Bytes) }

func (c *Classes) sum(read func(*Tally) uint64) (n uint64) {
	for i := range c {
		n += read(&c[i])
	}
	return n
}

// Counters is what a plane carried in all.
type Counters struct {
	ToPeer, ToClient Classes
	// HandedOver counts datagrams that went from one of our relays to another
	// inside the process. Each is also counted in ToPeer, and in ToClient if
	// the other session took it.
	HandedOver Tally
	// Control counts datagrams handed up.
	Control Tally
	dropped [NumVerdicts]atomic.Uint64
	notices [NumNotices]atomic.Uint64
}

// Notices is the number of ICMP errors that n became of.
func (c *Counters) Notices(n Notice) uint64 { return c.notices[n].Load() }

// Notice counts an ICMP error.
func (c *Counters) Notice(n Notice) { c.notices[n].Add(1) }

// Dropped is the number of datagrams stopped by v.
func (c *Counters) Dropped(v Verdict) uint64 { return c.dropped[v].Load() }

// Drop counts a datagram stopped by v. f is its flow, or nil.
func (c *Counters) Drop(f *Flow, v Verdict) { c.DropMany(f, v, 1) }

// DropMany counts several datagrams stopped by v.
func (c *Counters) DropMany(f *Flow, v Verdict, n int) {
	c.dropped[v].Add(uint64(n))
	if f != nil {
		f.Count.dropped.Add(uint64(n))
	}
}

// Join adds what another counted.
func (c *Counters) Join(o *Counters) {
	for i := range c.ToPeer {
		c.ToPeer[i].join(&o.ToPeer[i])
		c.ToClient[i].join(&o.ToClient[i])
	}
	c.HandedOver.join(&o.HandedOver)
	c.Control.join(&o.Control)
	for v := range c.dropped {
		c.dropped[v].Add(o.dropped[v].Load())
	}
	for n := range c.notices {
		c.notices[n].Add(o.notices[n].Load())
	}
}

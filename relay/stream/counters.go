package stream

import "sync/atomic"

// Counters counts connections. Accepted is always what is open and what is
// over, by reason; one that was refused was open for a moment.
type Counters struct {
	accepted, acceptErrors atomic.Uint64
	open                   [NumStates]atomic.Int64
	over                   [NumReasons]atomic.Uint64
}

// Accepted is the number of connections that the kernel handed over.
func (c *Counters) Accepted() uint64 { return c.accepted.Load() }

// AcceptErrors is the number of accepts that failed, often for want of file
// descriptors.
func (c *Counters) AcceptErrors() uint64 { return c.acceptErrors.Load() }

// Open is the number of connections in a state now.
func (c *Counters) Open(s State) int64 { return c.open[s].Load() }

// Over is the number of connections that ended for a reason.
func (c *Counters) Over(r Reason) uint64 { return c.over[r].Load() }

package dataplane

import (
	"runtime"
	"sync/atomic"
)

// Flow is one allocation as the plane sees it: a client, its relay and the
// judge between them. The exported fields are set before Install and never
// changed.
type Flow struct {
	Client Client
	Relay  *Relay
	Pass   Pass
	// Class, less than NumClasses, is which of the plane's tallies it adds to:
	// the caller's own division, such as the client's transport.
	Class uint8
	Count FlowCount

	// users counts the moves under way, with closedBit set once the flow has
	// ended. A lock would not do: a datagram handed over holds two flows, and
	// two of them in opposite directions beside two Removes would deadlock.
	users atomic.Int64
}

const closedBit = 1 << 62

// Enter keeps the flow from ending until Leave; false: it has ended. A plane
// enters before it judges a datagram and leaves when that has been sent and
// counted, or dropped; one that works in batches does so once for several.
func (f *Flow) Enter() bool {
	if f.users.Add(1)&closedBit != 0 {
		f.users.Add(-1)
		return false
	}
	return true
}

// Leave undoes an Enter.
func (f *Flow) Leave() { f.users.Add(-1) }

// Close ends the flow and waits for those who have entered. They never block,
// so this is short.
func (f *Flow) Close() {
	f.users.Or(closedBit)
	for f.users.Load() != closedBit {
		runtime.Gosched()
	}
}

//go:build !race

package stream

import (
	"testing"

	"turnpike/relay/dataplane"
)

// A message in and an answer out allocate nothing, over real sockets.
func TestRoundTripAllocatesNothing(t *testing.T) {
	for _, secure := range []bool{false, true} {
		roundTrip := echo(t, secure)
		for range 1000 { // the pools fill
			roundTrip()
		}
		limit := 0.0
		if secure {
			limit = 2 // crypto/tls allocates, on the client's side too
		}
		if n := testing.AllocsPerRun(2000, roundTrip); n > limit {
			t.Errorf("secure %v: %v allocations", secure, n)
		}
	}
}

func TestFramesAllocatesNothing(t *testing.T) {
	c, in := framer(t)
	if n := testing.AllocsPerRun(2000, func() { feed(c, in) }); n != 0 {
		t.Errorf("%v allocations for %d messages", n, framesAtOnce)
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	c := unread(t)
	m := channelData(1200)
	if n := testing.AllocsPerRun(2000, func() { c.Send(m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDropAllocatesNothing(t *testing.T) {
	c := unread(t)
	c.writing = true // and never writes
	m := channelData(1200)
	for c.Send(m) == dataplane.Allow {
	}
	if n := testing.AllocsPerRun(2000, func() { c.Send(m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	c.discard()
}

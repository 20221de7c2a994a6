package stream

import (
	"sync"
	"time"
)

// clock is one of a connection's deadlines.
type clock uint8

const (
	clockHandshake clock = iota
	clockFirstFrame
	clockFrame
	clockAuthenticate
	clockIdle
	clockFlush    // all that was queued
	clockWrite    // what TLS writes, also by itself
	clockFarewell // what is queued when the server closes
	numClocks
)

var clockReasons = [numClocks]Reason{
	HandshakeTimeout, FirstFrame, FrameTimeout, Unauthenticated, Idle, WriteTimeout, WriteTimeout, WriteTimeout,
}

// watch is a connection's deadlines. They change with every message and hardly
// ever pass, so one timer serves all, and a deadline that is put off or taken
// away leaves it alone: it goes off, finds what is due next, and is set again.
//
// The deadlines of the socket would not do: each change would cost a timer,
// and one that passes doesn't say which it was.
type watch struct {
	epoch time.Time
	due   func(Reason) // called when a deadline has passed

	mu     sync.Mutex               // guards the following fields
	by     [numClocks]time.Duration // since epoch; 0: not running
	armed  time.Duration            // when the timer goes off, since epoch; 0: never
	timer  *time.Timer
	closed bool
}

// start sets a deadline d from now, instead of the one it may have had.
func (w *watch) start(k clock, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	now := time.Since(w.epoch)
	w.by[k] = now + d
	if w.armed == 0 || w.by[k] < w.armed {
		w.armLocked(w.by[k], now)
	}
}

// stop takes a deadline away.
func (w *watch) stop(k clock) {
	w.mu.Lock()
	w.by[k] = 0
	w.mu.Unlock()
}

func (w *watch) armLocked(at, now time.Duration) {
	w.armed = at
	if w.timer == nil {
		w.timer = time.AfterFunc(at-now, w.runDue)
		return
	}
	w.timer.Reset(at - now)
}

// runDue runs when the timer goes off.
func (w *watch) runDue() {
	if r := w.pass(); r != Alive {
		w.due(r)
	}
}

// pass takes away the deadlines that have passed, of which it names the first,
// and sets the timer for the others.
func (w *watch) pass() Reason {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return Alive
	}
	now, next, passed := time.Since(w.epoch), time.Duration(0), Alive
	for k, by := range w.by {
		switch {
		case by == 0:
		case by <= now:
			w.by[k] = 0
			if passed == Alive {
				passed = clockReasons[k]
			}
		case next == 0 || by < next:
			next = by
		}
	}
	w.armed = 0
	if next != 0 {
		w.armLocked(next, now)
	}
	return passed
}

// close stops everything.
func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

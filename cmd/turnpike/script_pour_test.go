package main

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pour sends from one client's allocation to another's for two seconds, more than a
// rate in bytes a second lets through. What arrives has to be what the rate carries
// in the time that it took, and its burst of half a second; or what was sent, on a
// machine too busy to send as much.
func scriptPour(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 3, "pour FROM TO RATE")
	const length, size = 2 * time.Second, 1200
	rate, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	from, to := scriptBedOf(ts).clients[args[0]], scriptBedOf(ts).clients[args[1]]
	at := netip.MustParseAddrPort(ts.Getenv(args[1]))

	to.Timeout = length / 4 // of silence: it is over
	defer func() { to.Timeout = patience }()
	arrived := make(chan float64, 1)
	go func() {
		n := 0.0
		for d, err := to.Receive(); err == nil; d, err = to.Receive() {
			n += float64(len(d.Payload))
		}
		arrived <- n
	}()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	begun, sent := time.Now(), 0.0
	for payload := make([]byte, size); time.Since(begun) < length; <-tick.C {
		for range 4 {
			ts.Check(from.Send(at, payload))
			sent += size
		}
	}
	carried := rate * time.Since(begun).Seconds()
	got := <-arrived
	ts.Logf("%.0f bytes arrived of %.0f that %s poured; the rate carries %.0f", got, sent, args[0], carried)
	if got < 0.75*min(sent, carried) || got > 1.1*(carried+rate/2) {
		ts.Fatalf("%.0f bytes arrived of %.0f, and a rate of %s carries %.0f, and half a second of it at once", got, sent, args[2], carried)
	}
}

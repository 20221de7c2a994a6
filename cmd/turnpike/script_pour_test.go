package main

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pour sends from one client's allocation to another's for two seconds, far more
// than a rate lets through: what arrives has to be within a range, in bytes a second.
func scriptPour(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 4, "pour FROM TO LEAST MOST")
	const length, size = 2 * time.Second, 1200
	least, err := strconv.Atoi(args[2])
	ts.Check(err)
	most, err := strconv.Atoi(args[3])
	ts.Check(err)
	from, to := scriptBedOf(ts).clients[args[0]], scriptBedOf(ts).clients[args[1]]
	at := netip.MustParseAddrPort(ts.Getenv(args[1]))

	to.Timeout = length / 4 // of silence: it is over
	defer func() { to.Timeout = patience }()
	arrived := make(chan int, 1)
	go func() {
		n := 0
		for d, err := to.Receive(); err == nil; d, err = to.Receive() {
			n += len(d.Payload)
		}
		arrived <- n
	}()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for payload := make([]byte, size); time.Since(begun) < length; <-tick.C {
		for range 4 {
			ts.Check(from.Send(at, payload))
		}
	}
	took := time.Since(begun)
	got := int(float64(<-arrived) / took.Seconds())
	ts.Logf("%d bytes a second arrived of what %s poured", got, args[0])
	if got < least || got > most {
		ts.Fatalf("%d bytes a second arrived, want %d to %d", got, least, most)
	}
}

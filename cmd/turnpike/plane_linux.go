package main

import (
	"os"
	"runtime"
	"sync"

	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mmsg"
)

const haveMMSG = true

func newMMSG(s planeSettings) (dataplane.Plane, error) {
	o := mmsg.Options{
		Workers: s.Workers, Coalesce: s.Coalesce, NoGSO: s.NoGSO, NoGRO: s.NoGRO, NoICMP: s.NoICMP,
		SocketBuffer: s.ListenerBuffer, RelayBuffer: s.RelayBuffer,
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	makePlaces(o.Workers)
	return mmsg.New(o)
}

var placesMade sync.Once

// makePlaces gives the workers places of their own in the runtime, beside those
// that there are. A worker that waits in the kernel keeps its place until the
// runtime's monitor takes it, which looks every 20 us then, or is late by up to
// 10 ms: all others, those of TCP clients among them, would wait so long, and the
// worker afterwards for its place. With places to spare nobody takes any.
func makePlaces(workers int) {
	if os.Getenv("GOMAXPROCS") != "" {
		return // the operator's word
	}
	placesMade.Do(func() { runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + workers) })
}

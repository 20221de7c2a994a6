package main

import (
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mmsg"
)

const haveMMSG = true

func newMMSG(s planeSettings) (dataplane.Plane, error) {
	return mmsg.New(mmsg.Options{
		Workers: s.Workers, Coalesce: s.Coalesce, NoGSO: s.NoGSO, NoGRO: s.NoGRO,
		SocketBuffer: s.ListenerBuffer, RelayBuffer: s.RelayBuffer,
	})
}

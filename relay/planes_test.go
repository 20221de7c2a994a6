package relay_test

import (
	"testing"

	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/std"
)

// socketPlane is a data plane with sockets.
type socketPlane struct {
	name string
	open func() (dataplane.Plane, error)
}

func openStd() (dataplane.Plane, error) { return std.New(std.Options{}) }

// onSockets runs a test on each plane that this system has.
func onSockets(t *testing.T, run func(*testing.T, func(testing.TB, setup) *bed)) {
	for _, p := range socketPlanes {
		t.Run(p.name, func(t *testing.T) {
			run(t, func(t testing.TB, s setup) *bed { return planeBed(t, p, s) })
		})
	}
}

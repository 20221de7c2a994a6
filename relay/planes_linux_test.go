package relay_test

import (
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mmsg"
)

// socketPlanes are those of this system, first the one that is used if nobody
// chooses.
var socketPlanes = []socketPlane{
	{"mmsg", func() (dataplane.Plane, error) { return mmsg.New(mmsg.Options{}) }},
	{"std", openStd},
}

//go:build !race

package mmsg_test

import (
	"testing"

	"turnpike/relay/dataplane/planetest"
)

func TestRelayAllocatesNothing(t *testing.T) {
	for _, name := range []string{"all", "neither", "8 workers"} {
		t.Run(name, func(t *testing.T) { planetest.NoAllocs(t, network(false, contracts[name])) })
	}
}

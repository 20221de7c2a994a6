//go:build !race

package std_test

import (
	"testing"

	"turnpike/relay/dataplane/planetest"
)

func TestRelayAllocatesNothing(t *testing.T) {
	planetest.NoAllocs(t, network(false))
}

//go:build !race

package std_test

import (
	"testing"

	"turnpike/relay/dataplane/planetest"
)

func TestRelayAllocatesNothing(t *testing.T) {
	planetest.NoAllocs(t, network("127.0.0.1", "192.0.2.1"))
}

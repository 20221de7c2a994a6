//go:build !race

package auth

import (
	"strings"
	"testing"
	"time"
)

// Not under the race detector, where sync.Pool forgets at random.
func TestVerifyAllocatesNothing(t *testing.T) {
	v := mustVerifier(t, valid(t), SHA256, MD5)
	for _, name := range []string{
		at(time.Hour) + ":alice",
		at(time.Hour) + ":~k1.default.c:alice",
		at(time.Hour) + ":~k9.default.c:alice",
		strings.Repeat("x", MaxUsername), // also fills the buffer of a derivation
		strings.Repeat("x", MaxUsername+1),
	} {
		for _, a := range v.Algorithms() {
			if n := testing.AllocsPerRun(100, func() { v.Verify(name, now, a, func([]byte) bool { return false }) }); n != 0 {
				t.Errorf("%.40q, algorithm %d: %v allocations", name, a, n)
			}
		}
	}
}

//go:build !race

package auth

import (
	"strings"
	"testing"
	"time"
)

// It is asked for every credential that is right.
func TestRevokedAllocatesNothing(t *testing.T) {
	r := NewRevocations()
	mustAdd(t, r, Revocation{Kind: RevokeUser, User: "bob"})
	id := &Identity{User: "alice", KeyID: "k", CredentialID: "c"}
	if n := testing.AllocsPerRun(100, func() { r.Revoked(id) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Not under the race detector, where sync.Pool forgets at random.
func TestVerifyAllocatesNothing(t *testing.T) {
	o := withStatic(t)
	o.Shared[0].IDRule = mustFind(t, `^@([^:]+):`)
	v := mustVerifier(t, o, SHA256, MD5)
	for _, name := range []string{
		"alice",
		"mallory",
		at(time.Hour) + ":@alice:example.org",
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
	if n := testing.AllocsPerRun(100, func() { v.Verify("alice", now, MD5, func([]byte) bool { return true }) }); n != 0 {
		t.Errorf("a static user let in: %v allocations", n)
	}
}

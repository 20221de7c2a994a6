//go:build !linux

package relaytest

import "testing"

// Network namespaces are Linux's own, so elsewhere the tests that need one
// fail: they are not skipped, because nothing would say that a guard was never
// tested.

func reportVerdict(*testing.T) {}

func (Namespace) setUp(*testing.T) {}

func (Namespace) runChild(t *testing.T) {
	t.Helper()
	t.Fatal("relaytest: this test needs a Linux network namespace: run it on Linux, or in a Linux container")
}

package relaytest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Namespace describes the network that a test wants to be alone in.
type Namespace struct {
	// Own lists the prefixes whose every address is local to the namespace
	// (AnyIP), IPv4 or IPv6. They should look public, as 93.184.216.0/24
	// does: documentation ranges are special-purpose and refused as peers.
	Own []netip.Prefix

	// SmallMTU is the MTU of lo, in bytes; 0 leaves it at 65,536.
	SmallMTU int

	// StockPion builds the server of [StockPion] before the namespace is
	// entered, since the build may have to download modules and the
	// namespace has no uplink.
	StockPion bool
}

// insideEnv carries the name of the test that the process was started to run.
const insideEnv = "TURNPIKE_TEST_NAMESPACE"

// InNamespace is the first call of a test that needs a network of its own. It
// reports whether the test runs inside one:
//
//	if !relaytest.InNamespace(t, ns) {
//		return
//	}
//
// Outside, it runs the test binary again in a new network namespace, for this
// test (or subtest) alone, logs what that wrote, takes over its verdict and
// returns false. Inside, lo is up, the addresses of ns are local, there is no
// route to anywhere else, and it returns true.
//
// Where namespaces can't be made the test fails and says what to do about it:
// a guard that was not tested must not look as if it had been.
func InNamespace(t *testing.T, ns Namespace) (inside bool) {
	t.Helper()
	switch os.Getenv(insideEnv) {
	case t.Name():
		reportVerdict(t)
		ns.setUp(t)
		return true
	case "":
		ns.runChild(t)
		return false
	}
	t.Fatalf("relaytest: %s asks for a namespace inside that of %s: call InNamespace once, in the outermost test",
		t.Name(), os.Getenv(insideEnv))
	return false
}

// childArgs makes the test binary run the test called name, alone and once.
// The child's time ends a little before the parent's does, so that a test that
// hangs is reported with the child's goroutines, not the parent's.
func childArgs(name string, deadline time.Time, hasDeadline bool, now time.Time) []string {
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	timeout := 10 * time.Minute // go test's own default
	if hasDeadline {
		timeout = max(deadline.Sub(now)*9/10, time.Second)
	}
	args := []string{
		"-test.run=" + strings.Join(parts, "/"),
		"-test.v", "-test.count=1",
		fmt.Sprintf("-test.timeout=%s", timeout),
	}
	if testing.Short() {
		args = append(args, "-test.short")
	}
	return args
}

// verdict is what a child tells its parent when its test is over. The exit
// code can't: it is 0 also when no test ran, or when the test was skipped.
type verdict string

const (
	passed  verdict = "passed"
	failed  verdict = "failed"
	skipped verdict = "skipped"
	ranNone verdict = ""
)

// judge tells what a child's end means for the parent: nil if its test passed.
// exit is how the process ended, nil for code 0: a race report, or a crash
// after the test, shows there only.
func judge(v verdict, exit error) error {
	switch {
	case v == ranNone:
		return fmt.Errorf("relaytest: the child ran no test, or died in it (exit: %v)", exit)
	case v == failed || exit != nil:
		return fmt.Errorf("relaytest: failed inside the namespace (exit: %v)", exit)
	case v == skipped:
		return errSkipped
	}
	return nil
}

var errSkipped = errors.New("relaytest: the test skipped itself inside the namespace")

// quote marks every line of a child's output, so that a reader (go test -json
// is one) does not take the child's "--- PASS" for the parent's.
func quote(out []byte) string {
	return "| " + strings.ReplaceAll(strings.TrimRight(string(out), "\n"), "\n", "\n| ")
}

//go:build unix

package redistest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// clockSource is loaded before the system's library. libfaketime, which does the
// same and more, does not go with Redis' allocator.
//
//go:embed testdata/clock.c
var clockSource []byte

// StartWithClock is [Start] of a server whose wall clock [Server.SetClock] changes.
func StartWithClock(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t)
	source, library := filepath.Join(s.dir, "clock.c"), filepath.Join(s.dir, "clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cc", "-O1", "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	s.clock = filepath.Join(s.dir, "clock")
	s.SetClock(0)
	s.env = []string{"LD_PRELOAD=" + library, "TURNPIKE_TEST_CLOCK=" + s.clock}
	s.start(args)
	return s
}

// SetClock puts the clock of a server of StartWithClock so far off the right time,
// in whole seconds. The server sees it at once.
func (s *Server) SetClock(off time.Duration) {
	s.t.Helper()
	f, err := os.OpenFile(s.clock, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(off/time.Second))), 0); err != nil {
		s.t.Fatal(err)
	}
}

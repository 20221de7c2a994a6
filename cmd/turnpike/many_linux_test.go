package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	turnload "turnpike/pkg/load"
)

const (
	// manyAllocations is what one node is to hold. A relayed address takes a
	// descriptor, so where the hard limit is lower it is as many as that lets.
	manyAllocations = 20000
	manySpare       = 500

	// manyMemory bounds what one more idle allocation adds to the memory of the
	// process, and manyGoroutines what all of them add to its goroutines.
	manyMemory     = 12 << 10
	manyGoroutines = 32
)

// One node holds 20,000 allocations, each without a goroutine or a buffer of its
// own. Who asks for more ports than there are is told 508, and gets one when
// others have ended.
func TestManyAllocations(t *testing.T) {
	if !inPublic(t, manyNet) {
		return
	}
	limit, err := fileLimit()
	badConfigCheck(t, err)
	n := min(manyAllocations, int(limit)-manySpare)
	if n < manyAllocations {
		t.Logf("%d file descriptors, so that it is %d allocations: raise the hard limit (ulimit -Hn %d) for %d", limit, n, manyAllocations+manySpare, manyAllocations)
	}
	const lowest = 5000 // below the ports that the system gives to clients
	s, secret := startPublicRelay(t, fmt.Sprintf("{addresses: [{bind: %s}], min_port: %d, max_port: %d}", publicTURN.Addr(), lowest, lowest+n-1),
		manyStrangers+"roles: [{id: default, allocations: 0}]\ndata_plane: mmsg\n")
	bed := &manyBed{t: t, secret: filepath.Join(t.TempDir(), "secret")}
	badConfigCheck(t, os.WriteFile(bed.secret, []byte(secret), 0o600))
	bed.allocate(100, 0) // what the first cost, the others don't
	before, goroutines := residentBytes(t, s), s.Metrics(t)["go_goroutines"]

	held := bed.start(n, 5*time.Second)
	for deadline := time.Now().Add(30 * time.Second); s.Metrics(t)[`turnpike_allocations{family="ipv4",transport="udp"}`] < float64(n); {
		if time.Now().After(deadline) {
			t.Fatalf("not %d allocations within 30 s", n)
		}
	}
	if more := s.Metrics(t)["go_goroutines"] - goroutines; more > manyGoroutines {
		t.Errorf("%v more goroutines for %d allocations", more, n)
	}
	each := (residentBytes(t, s) - before) / n
	t.Logf("%d bytes an allocation", each)
	if each > manyMemory {
		t.Errorf("%d bytes of memory an allocation, want %d at most", each, manyMemory)
	}
	none := bed.start(10, 0)
	if err := none.cmd.Wait(); err == nil || !strings.Contains(none.err.String(), "508") {
		t.Errorf("without a free port: %v, %s; want 508", err, &none.err)
	}
	if r := held.report(); r.Allocate.OK != n {
		t.Errorf("%d allocations of %d: %v", r.Allocate.OK, n, r.Allocate.Failed)
	}
	if r := bed.allocate(n, 0); r.Allocate.OK != n {
		t.Errorf("when they have ended: %d allocations of %d, %v", r.Allocate.OK, n, r.Allocate.Failed)
	}
}

// manyStrangers lets so many ask at once as no source and no network may.
const manyStrangers = "limits: {challenges_per_second: 1000000, challenges_burst: 1000000, " +
	"network_challenges_per_second: 1000000, network_challenges_burst: 1000000, " +
	"all_challenges_per_second: 1000000, all_challenges_burst: 1000000}\n"

// manyNet is where the clients are; each has an address of its own.
var manyNet = netip.MustParsePrefix("93.185.0.0/16")

// manyBed asks for allocations with the binary's own load client.
type manyBed struct {
	t      *testing.T
	secret string
}

type manyRun struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err bytes.Buffer
}

func (b *manyBed) start(n int, hold time.Duration) *manyRun {
	b.t.Helper()
	r := &manyRun{t: b.t, cmd: exec.Command(os.Getenv(binaryEnv), "load", "turn:"+publicTURN.String(), "--secret-file", b.secret,
		"--scenario", "allocate", "--clients", strconv.Itoa(n), "--client-net", manyNet.String(), "--hold", hold.String(), "--json")}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.err
	badConfigCheck(b.t, r.cmd.Start())
	b.t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
		}
	})
	return r
}

func (r *manyRun) report() (report turnload.Report) {
	r.t.Helper()
	if err := r.cmd.Wait(); err != nil {
		r.t.Fatalf("turnpike load: %v\n%s", err, &r.err)
	}
	badConfigCheck(r.t, json.Unmarshal(r.out.Bytes(), &report))
	return report
}

func (b *manyBed) allocate(n int, hold time.Duration) turnload.Report {
	return b.start(n, hold).report()
}

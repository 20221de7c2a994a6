package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processSample reads the run time of all threads from the scheduler, which
// counts nanoseconds where /proc/PID/stat counts ticks, and the resident memory.
func processSample(pid int) (s sample) {
	dir := fmt.Sprintf("/proc/%d", pid)
	tasks, err := os.ReadDir(dir + "/task")
	if err != nil {
		return s
	}
	for _, t := range tasks {
		text, err := os.ReadFile(dir + "/task/" + t.Name() + "/schedstat")
		if err != nil {
			continue // a thread that has just ended
		}
		run, _, _ := bytes.Cut(text, []byte(" "))
		ns, err := strconv.ParseInt(string(run), 10, 64)
		if err != nil {
			return s
		}
		s.cpu += time.Duration(ns)
		s.ok = true
	}
	status, _ := os.ReadFile(dir + "/status")
	s.rssKB = residentKB(status)
	return s
}

// residentKB reads VmRSS of /proc/PID/status.
func residentKB(status []byte) int64 {
	_, rest, found := bytes.Cut(status, []byte("\nVmRSS:"))
	if !found {
		return 0
	}
	fields := bytes.Fields(rest[:min(len(rest), 64)])
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kb
}

// ownSample is of this process.
func ownSample() (s sample) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return s
	}
	return sample{ok: true, cpu: time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}

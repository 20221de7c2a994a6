package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/stat: USER_HZ is 100 on every Linux that Go runs on.
const tick = time.Second / 100

// machineCPU is what all processors have done since the machine started.
type machineCPU struct {
	idle   time.Duration // waiting for a device is idle too
	stolen time.Duration // what the hypervisor gave to others
	cpus   int
}

// parseStat reads /proc/stat. Idle time is kept exactly there, while user and
// system time are sampled at the tick: busy is the time that passed without it.
func parseStat(text string) (machineCPU, error) {
	var m machineCPU
	found := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || !strings.HasPrefix(f[0], "cpu"):
		case f[0] != "cpu":
			m.cpus++
		case len(f) < 9:
			return m, fmt.Errorf("/proc/stat: %d fields for all processors, want 8 times or more", len(f))
		default:
			var ticks [9]int64
			for i := 1; i < len(ticks); i++ {
				n, err := strconv.ParseInt(f[i], 10, 64)
				if err != nil {
					return m, fmt.Errorf("/proc/stat: %w", err)
				}
				ticks[i] = n
			}
			m.idle = time.Duration(ticks[4]+ticks[5]) * tick
			m.stolen = time.Duration(ticks[8]) * tick
			found = true
		}
	}
	if !found || m.cpus == 0 {
		return m, fmt.Errorf("/proc/stat: no times of %d processors", m.cpus)
	}
	return m, nil
}

// parseSchedstat reads how long a thread has run, to the nanosecond.
func parseSchedstat(text []byte) (time.Duration, error) {
	f := bytes.Fields(text)
	if len(f) != 3 {
		return 0, fmt.Errorf("schedstat: %q, want three numbers", text)
	}
	ns, err := strconv.ParseInt(string(f[0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat: %w", err)
	}
	return time.Duration(ns), nil
}

// processCPU is what the threads of a process have run. What a thread that
// ended had run is not in it; servers keep theirs.
func processCPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("no process %d, or no schedstat of it (%v)", pid, err)
	}
	var sum time.Duration
	for _, file := range files {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue // ended meanwhile
		} else if err != nil {
			return 0, err
		}
		ran, err := parseSchedstat(text)
		if err != nil {
			return 0, err
		}
		sum += ran
	}
	return sum, nil
}

// usage is a look at the clocks that tell who used the processors.
type usage struct {
	at      time.Time
	machine machineCPU
	server  time.Duration
}

func look(server int) (usage, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage{}, err
	}
	u := usage{at: time.Now()}
	if u.machine, err = parseStat(string(text)); err != nil {
		return u, err
	}
	u.server, err = processCPU(server)
	return u, err
}

// others is how much of a processor was taken between two looks by neither the
// server nor the load source, and how much by the hypervisor.
func others(from, to usage, load time.Duration) (foreign, stolen float64) {
	wall := to.at.Sub(from.at)
	if wall <= 0 {
		return 0, 0
	}
	gone := to.machine.stolen - from.machine.stolen
	busy := wall*time.Duration(to.machine.cpus) - (to.machine.idle - from.machine.idle) - gone
	rest := busy - (to.server - from.server) - load
	return max(0, rest.Seconds()/wall.Seconds()), gone.Seconds() / wall.Seconds()
}

// overflowed reads from the same table how many datagrams a port's sockets had
// no room for (proc_net_udp(5): drops).
func overflowed(table string, port uint16) (sum int) {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 12 && strings.HasSuffix(f[1], suffix) {
			n, _ := strconv.Atoi(f[12]) // a number, as the kernel writes it
			sum += n
		}
	}
	return sum
}

// listening tells from /proc/PID/net/udp or tcp whether something is bound to
// the port: state 07 is an unconnected UDP socket, 0A a listening TCP one.
func listening(table string, port uint16) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], suffix) && (f[3] == "07" || f[3] == "0A") {
			return true
		}
	}
	return false
}

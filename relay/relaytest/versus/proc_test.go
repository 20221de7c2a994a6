package main

import (
	"math"
	"testing"
	"time"
)

const stat = `cpu  100 0 50 1000 20 1 2 30 0 0
cpu0 50 0 25 500 10 0 1 15 0 0
cpu1 50 0 25 500 10 1 1 15 0 0
intr 12345 0 9
ctxt 678
`

func TestParseStat(t *testing.T) {
	got, err := parseStat(stat)
	want := machineCPU{idle: 10200 * time.Millisecond, stolen: 300 * time.Millisecond, cpus: 2}
	if err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for name, text := range map[string]string{
		"nothing":        "",
		"no processors":  "cpu  1 2 3 4 5 6 7 8\n",
		"no sum":         "cpu0 1 2 3 4 5 6 7 8\n",
		"too few fields": "cpu  1 2 3\ncpu0 1 2 3\n",
		"no number":      "cpu  1 2 3 x 5 6 7 8\ncpu0 1 2 3\n",
	} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestParseSchedstat(t *testing.T) {
	if got, err := parseSchedstat([]byte("123456789 42 7\n")); err != nil || got != 123456789 {
		t.Errorf("%d, %v", got, err)
	}
	for _, text := range []string{"", "1 2", "x 2 3", "1 2 3 4"} {
		if got, err := parseSchedstat([]byte(text)); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestOthers(t *testing.T) {
	start := time.Now()
	from := usage{at: start, machine: machineCPU{idle: 5 * time.Second, stolen: time.Second, cpus: 2}, server: 3 * time.Second}
	// In 10 s of two processors: 4 s idle, 1 s stolen, 15 s busy; of these 7 s
	// are the server's and 6 s the load's.
	to := usage{at: start.Add(10 * time.Second), machine: machineCPU{idle: 9 * time.Second, stolen: 2 * time.Second, cpus: 2}, server: 10 * time.Second}
	foreign, stolen := others(from, to, 6*time.Second)
	if math.Abs(foreign-0.2) > 1e-9 || math.Abs(stolen-0.1) > 1e-9 {
		t.Errorf("foreign %v, stolen %v; want 0.2 and 0.1", foreign, stolen)
	}
	if foreign, _ := others(from, to, 9*time.Second); foreign != 0 {
		t.Errorf("foreign %v, want none: clocks differ by a little", foreign)
	}
	if foreign, stolen := others(from, from, 0); foreign != 0 || stolen != 0 {
		t.Errorf("in no time: %v, %v", foreign, stolen)
	}
}

func TestListening(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 01D8B85D:0D96 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1
   1: 01D8B85D:14E5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 01D8B85D:1000 0200007F:0D97 01 00000000:00000000 00:00000000 00000000     0        0 3
`
	for port, want := range map[uint16]bool{plainPort: true, tlsPort: true, 0x1000: false, 0x0D97: false, 80: false} {
		if got := listening(table, port); got != want {
			t.Errorf("port %d: %t, want %t", port, got, want)
		}
	}
}

func TestOverflowed(t *testing.T) {
	const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   12: 01D8B85D:0D96 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0000000000000000 40
   13: 01D8B85D:0D96 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 2 2 0000000000000000 2
   14: 01D8B85D:1000 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 3 2 0000000000000000 7
`
	if got := overflowed(table, plainPort); got != 42 {
		t.Errorf("%d datagrams overflowed, want 42", got)
	}
}

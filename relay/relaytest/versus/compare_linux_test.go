package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"turnpike/relay/relaytest"
)

// TestMain is also the process that plays a flood.
func TestMain(m *testing.M) {
	if isFlood(os.Args) {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// One short round of each server, as make bench runs it: all three relay, by
// channel and without a wrong packet (a run of which that is not so has an
// error), and are compared. It runs in a namespace because there the settings
// of the whole machine can't be written.
func TestCompare(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{StockPion: true}) {
		return
	}
	small := cell{name: "small", part: saturated, load: load{scenario: relaying, transport: "udp", clients: 4, size: 160, burst: 4},
		targets: []target{{perPacket, turnpike, 100}}}
	rs, out := short(t, small)
	if len(rs) != 3 {
		t.Fatalf("%d runs, want 3", len(rs))
	}
	for _, r := range rs {
		if r.Report.Process.PerPacket <= 0 {
			t.Errorf("%+v", r)
		}
		if r.Server != coturn && rs.of(small, r.Server, perPacket).ratios(rs.of(small, coturn, perPacket))[0] <= 0 {
			t.Errorf("%s: no ratio to coturn", r.Server)
		}
	}
	if !strings.Contains(out, ", target 100.00 met |") {
		t.Error("turnpike is not compared to its target")
	}
}

// short runs a cell once, as the command would, and reads what that has written.
func short(t *testing.T, c cell) (rs results, tables string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "runs.json")
	o := options{
		command: []string{"versus"}, cells: []cell{c}, servers: all, rounds: 1, json: file,
		timing: timing{100 * time.Millisecond, 300 * time.Millisecond}, cpus: pinning{-1, -1},
	}
	var out, log bytes.Buffer
	if err := compare(t.Context(), o, &out, &log); err != nil {
		t.Fatalf("%v\n%s%s", err, &log, &out)
	}
	t.Logf("%s%s", &log, &out)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var raw struct {
		Runs results `json:"runs"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	for i, r := range raw.Runs {
		report, err := readReport(c.load, r.Output)
		if err != nil || r.Error != "" || report.Received == 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		report.Flood = r.Flood
		raw.Runs[i].Report = report
	}
	return raw.Runs, out.String()
}

// What is set in the environment of who measures changes no server.
func TestSetting(t *testing.T) {
	for variable, want := range map[string]bool{
		"TURNPIKE_REALM=x": true, "GOGC=off": true, "GOMAXPROCS=4": true, "PATH=/bin": false, "GOGCX=1": false, "HOME": false,
	} {
		if got := setting(variable); got != want {
			t.Errorf("%s: %t, want %t", variable, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	if got, want := quote([]string{"--cells", "udp, (a|b)", "--rounds", "1"}), "versus --cells 'udp, (a|b)' --rounds 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

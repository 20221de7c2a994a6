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

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	file := filepath.Join(t.TempDir(), "runs.json")
	o := options{
		command: []string{"versus"}, cells: []cell{small}, servers: all, rounds: 1, json: file,
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
	if err := json.Unmarshal(text, &raw); err != nil || len(raw.Runs) != 3 {
		t.Fatalf("%d runs, want 3 (%v)", len(raw.Runs), err)
	}
	for i, r := range raw.Runs {
		report, err := readReport(small.load, r.Output)
		if err != nil || r.Error != "" || report.Received == 0 || report.Bad != 0 || report.Process.PerPacket <= 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		raw.Runs[i].Report = report
	}
	for _, r := range raw.Runs {
		if r.Server != coturn && raw.Runs.of(small, r.Server, perPacket).ratios(raw.Runs.of(small, coturn, perPacket))[0] <= 0 {
			t.Errorf("%s: no ratio to coturn", r.Server)
		}
	}
	if !strings.Contains(out.String(), ", target 100.00 met |") {
		t.Error("turnpike is not compared to its target")
	}
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

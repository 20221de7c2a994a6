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
	"syscall"
	"testing"

	turnload "turnpike/pkg/load"
)

// loadRunner runs `turnpike load` against the public server.
type loadRunner struct {
	secretFile string
	args       []string // of every run
}

func newLoadRunner(t *testing.T, s *server, secret string) *loadRunner {
	t.Helper()
	l := &loadRunner{secretFile: filepath.Join(t.TempDir(), "secret")}
	if err := os.WriteFile(l.secretFile, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.args = []string{"--json", "--warmup", "0s", "--duration", "300ms", "--pid", strconv.Itoa(s.cmd.Process.Pid)}
	return l
}

func (l *loadRunner) command(uri string, args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	cmd = exec.Command(os.Getenv(binaryEnv), append(append([]string{"load", uri}, l.args...), args...)...)
	stdout, stderr = new(bytes.Buffer), new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd, stdout, stderr
}

// run runs it, and it must do well.
func (l *loadRunner) run(t *testing.T, uri string, args ...string) (r turnload.Report) {
	t.Helper()
	cmd, stdout, stderr := l.command(uri, args...)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if r.Lost > 0 || r.Bad > 0 || r.Received != r.Sent || len(r.Faults) > 0 || r.Process == nil || r.EndedEarly {
		t.Errorf("%v: %s", args, stdout)
	}
	return r
}

// loadClients is where the clients are that each have an address of their own.
var loadClients = netip.MustParsePrefix("93.184.216.128/25")

// `turnpike load` relays by every transport, with channels and indications, to a
// socket and from relay to relay. Nothing is lost, and the server has counted
// the same.
func TestLoadRelays(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, "")
	l := newLoadRunner(t, s, secret)
	l.args = append(l.args, "--secret-file", l.secretFile, "--users", "2", "--clients", "6", "--rate", "1500")
	cert := os.Getenv("SSL_CERT_FILE")
	uris := map[string]string{
		"udp": fmt.Sprintf("turn:%s", publicTURN), "tcp": fmt.Sprintf("turn:%s?transport=tcp", publicTURN), "tls": fmt.Sprintf("turns:%s", publicTURN),
	}
	peer := []string{"--peer-address", publicPeer.String()}
	bind := []string{"--bind", publicClient(0).String()}
	each := []string{"--client-net", loadClients.String()}
	for _, c := range []struct {
		transport string
		args      []string
	}{
		{"udp", append(peer, bind...)},
		{"udp", append(peer, each...)},
		{"udp", append([]string{"--indications", "--burst", "3", "--size", "161"}, append(peer, each...)...)},
		{"udp", append([]string{"--peer", "relay", "--burst", "8"}, each...)},
		{"udp", append([]string{"--peer", "relay", "--indications"}, bind...)},
		{"udp", append([]string{"--direction", "up", "--rate", "0", "--window", "4", "--poll"}, append(peer, each...)...)},
		{"tcp", append(peer, each...)},
		{"tcp", append([]string{"--indications", "--burst", "4"}, append(peer, bind...)...)},
		{"tcp", append([]string{"--peer", "relay", "--direction", "down"}, bind...)},
		{"tls", append([]string{"--ca-file", cert}, append(peer, bind...)...)},
		{"tls", append([]string{"--insecure", "--peer", "relay", "--indications", "--size", "1200"}, each...)},
	} {
		before := s.Metrics(t)
		r := l.run(t, uris[c.transport], c.args...)
		if string(r.Transport) != c.transport || r.Sent < 100 && r.Rate > 0 || r.Sent == 0 || r.Process.RSSBefore == 0 {
			t.Errorf("%s %v: %+v", c.transport, c.args, r)
		}
		checkLoadMetrics(t, s, before, r)
	}
}

// checkLoadMetrics compares what the client says with what the server has
// counted since.
func checkLoadMetrics(t *testing.T, s *server, before map[string]float64, r turnload.Report) {
	t.Helper()
	up, down, allocations := uint64(0), uint64(0), r.Clients
	if r.Up != nil {
		up = r.Up.Sent
	}
	if r.Down != nil {
		down = r.Down.Sent
	}
	handed := uint64(0)
	if r.Peer == turnload.PeerRelay { // each packet has a client on both sides
		up, down = up+down, up+down
		handed, allocations = up, 2*allocations
	}
	now := s.Metrics(t)
	for series, want := range map[string]uint64{
		fmt.Sprintf(`turnpike_relay_packets_total{direction="to_peer",transport=%q}`, r.Transport):   up,
		fmt.Sprintf(`turnpike_relay_packets_total{direction="to_client",transport=%q}`, r.Transport): down,
		fmt.Sprintf(`turnpike_relay_bytes_total{direction="to_peer",transport=%q}`, r.Transport):     up * uint64(r.Size),
		"turnpike_relay_handed_over_packets_total":                                                   handed,
		`turnpike_stun_responses_total{code="success",method="allocate"}`:                            uint64(allocations),
		`turnpike_stun_responses_total{code="401",method="allocate"}`:                                uint64(allocations),
		`turnpike_stun_responses_total{code="success",method="refresh"}`:                             uint64(allocations),
		`turnpike_stun_responses_total{code="success",method="channel_bind"}`:                        map[string]uint64{"channel": uint64(allocations)}[r.Mode],
	} {
		if got := now[series] - before[series]; got != float64(want) {
			t.Errorf("%s by %s to %s: %s has grown by %v, want %d", r.Transport, r.Mode, r.Peer, series, got, want)
		}
	}
}

// What needs no packets: allocations, challenges, Binding, each counted by the
// server too.
func TestLoadAsks(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, manyStrangers)
	l := newLoadRunner(t, s, secret)
	for _, uri := range []string{fmt.Sprintf("turn:%s", publicTURN), fmt.Sprintf("turn:%s?transport=tcp", publicTURN)} {
		for scenario, series := range map[string]string{
			"challenge": `turnpike_stun_responses_total{code="401",method="allocate"}`,
			"binding":   `turnpike_stun_responses_total{code="success",method="binding"}`,
		} {
			before := s.Metrics(t)
			r := l.run(t, uri, "--scenario", scenario, "--clients", "8", "--window", "8", "--client-net", loadClients.String())
			got, heart := s.Metrics(t)[series]-before[series], 0.
			if scenario == "binding" {
				heart = 2 // the server asks itself now and then
			}
			if r.Operations != r.Sent || r.Sent == 0 || got < float64(r.Sent) || got > float64(r.Sent)+heart || r.PerSecond <= 0 {
				t.Errorf("%s: %d operations, %d asked, %v counted", scenario, r.Operations, r.Sent, got)
			}
		}
	}
	r := l.run(t, fmt.Sprintf("turn:%s", publicTURN), "--scenario", "allocate", "--secret-file", l.secretFile, "--users", "3",
		"--clients", "60", "--handshakes", "5", "--hold", "50ms", "--client-net", loadClients.String())
	if r.Allocate.OK != 60 || len(r.Allocate.Failed) > 0 || r.Process.RSSAllocated == 0 {
		t.Errorf("%+v %+v", r.Allocate, r.Process)
	}
	if live := s.Metrics(t)["turnpike_allocations"]; live != 0 {
		t.Errorf("%v allocations are left", live)
	}
}

// What goes wrong is told with its cure, and counted.
func TestLoadIsRefused(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, "")
	l := newLoadRunner(t, s, secret)
	uri := fmt.Sprintf("turn:%s", publicTURN)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"401 Unauthorized to Allocate: the server takes these credentials for wrong":                                                        {"--secret-file", wrong},
		"486 Allocation Quota Reached to Allocate: the server's quota is used up; spread the clients over more users with --users":          {"--secret-file", l.secretFile, "--clients", "21"},
		"403 Forbidden to CreatePermission for peer 127.0.0.1: the server's policy forbids it; use --peer relay, or --peer-address with an": {"--secret-file", l.secretFile, "--peer-address", "127.0.0.1"},
	} {
		cmd, _, stderr := l.command(uri, append(args, "--bind", publicClient(0).String())...)
		if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v: %v\n%s", args, err, stderr)
		}
	}
	cmd, stdout, stderr := l.command(uri, "--scenario", "allocate", "--secret-file", l.secretFile, "--clients", "25", "--bind", publicClient(0).String())
	var r turnload.Report
	if err := cmd.Run(); err != nil || json.Unmarshal(stdout.Bytes(), &r) != nil || r.Allocate.OK != 20 || r.Allocate.Failed["486"] != 5 {
		t.Errorf("%v: %s%s", err, stdout, stderr)
	}
}

// SIGINT ends a run well: with its allocations released, and a report.
func TestLoadIsInterrupted(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, "")
	l := newLoadRunner(t, s, secret)
	cmd, stdout, stderr := l.command(fmt.Sprintf("turn:%s", publicTURN), "--secret-file", l.secretFile, "--clients", "5", "--rate", "100",
		"--duration", "1h", "--peer-address", publicPeer.String(), "--bind", publicClient(0).String())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.WaitMetric(t, `turnpike_relay_packets_total{direction="to_client",transport="udp"}`, 5)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var r turnload.Report
	if err := cmd.Wait(); err != nil || json.Unmarshal(stdout.Bytes(), &r) != nil || !r.EndedEarly || r.Received != r.Sent || r.Sent < 5 {
		t.Errorf("%v: %s%s", err, stdout, stderr)
	}
	if got := len(s.Records()); got != 5 {
		t.Errorf("%d sessions have ended, want 5", got)
	}
}

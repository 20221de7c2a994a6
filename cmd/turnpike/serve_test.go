package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"turnpike/relay/relaytest"
)

// The announcement is one line of JSON whose every address answers.
func TestServeDevJSON(t *testing.T) {
	s := startServer(t)
	if all := s.stdout.all(); len(all) != 1 {
		t.Fatalf("%d lines on stdout, want 1: %q", len(all), all)
	}
	var line struct {
		Health     string `json:"health"`
		ICEServers []struct {
			URLs                 []string
			Username, Credential string
		} `json:"ice_servers"`
	}
	if err := json.Unmarshal([]byte(s.stdout.all()[0]), &line); err != nil {
		t.Fatal(err)
	}
	if !s.TURN.UDP[0].Addr().IsLoopback() || !strings.HasPrefix(s.Issuer, "http://127.0.0.1:") {
		t.Errorf("a development server beyond loopback: %s, %s", s.TURN.UDP[0], s.Issuer)
	}
	last := line.ICEServers[len(line.ICEServers)-1]
	if want := "turn:" + s.TURN.UDP[0].String() + "?transport=udp"; last.URLs[0] != want || last.Username == "" || last.Credential == "" {
		t.Errorf("ice_servers %+v, want %s with a credential", line.ICEServers, want)
	}
	get(t, line.Health, http.StatusOK, `"status":"ready"`)
	get(t, strings.Replace(line.Health, "readyz", "livez", 1), http.StatusOK, `"status":"live"`)
	get(t, s.MetricsURL, http.StatusOK, "turnpike_relay_ports_free 16384")
	s.waitLine(t, &s.stderr, "the ports it relays from", func(line string) bool {
		return strings.Contains(line, `"relays":["127.0.0.1 as 127.0.0.1, ports 49152 to 65535"]`)
	})
}

func get(t *testing.T, url string, status int, want string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	body.ReadFrom(resp.Body)
	if resp.StatusCode != status || !strings.Contains(body.String(), want) {
		t.Errorf("%s: %s\n%s\nwant %d and %q", url, resp.Status, body.String(), status, want)
	}
}

// Two of them run beside each other: each finds its own ports.
func TestServeDevTwice(t *testing.T) {
	a, b := startServer(t), startServer(t)
	if a.TURN.UDP[0] == b.TURN.UDP[0] || a.Issuer == b.Issuer || a.MetricsURL == b.MetricsURL || a.APIKey == b.APIKey {
		t.Errorf("shared between two servers: %+v %+v", a, b)
	}
	if r := a.Credential(t, "alice", time.Minute); r.TTL != 60 {
		t.Errorf("%+v", r)
	}
}

// For people the same is said in words, with a curl line that works.
func TestServeDevText(t *testing.T) {
	cmd := exec.Command(turnpike(t), "serve", "--dev")
	var out lines
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	text := ""
	for deadline := time.After(patience); ; {
		all, more := out.since(0)
		if text = strings.Join(all, "\n"); strings.Contains(text, "Ctrl-C") {
			break
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("not announced:\n%s", text)
		}
	}
	for _, want := range []string{"DEVELOPMENT", "loopback only", "/readyz", "/metrics", "iceTransportPolicy"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	curl := regexp.MustCompile(`(?s)curl .*?}'`).FindString(text)
	answer, err := exec.Command("sh", "-c", curl).Output()
	if err != nil || !bytes.Contains(answer, []byte(`"iceServers"`)) {
		t.Errorf("%v: %s\nof %s", err, answer, curl)
	}
}

// A session is one line at its end, also of a server that is told to stop.
func TestStopEndsSessionsWithARecord(t *testing.T) {
	s := startServer(t)
	c := allocate(t, s, "alice")
	defer c.Close()
	s.Stop(t)
	r := s.WaitRecord(t, "alice's session", func(r record) bool { return r.User == "alice" })
	if r.Reason != "shutdown" || r.Relayed.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%+v", r)
	}
	if strings.Contains(strings.Join(s.stderr.all(), ""), s.APIKey) {
		t.Error("the API key is in the log")
	}
}

// A log that nobody reads costs records, and neither the service nor the end
// of the process.
func TestStuckLogStopsNothing(t *testing.T) {
	unread, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	s := &server{exited: make(chan struct{})}
	s.cmd = exec.Command(turnpike(t), "serve", "--dev", "--json")
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.Close()
	go s.runWait()
	defer func() { s.cmd.Process.Kill(); <-s.exited }()
	line := s.waitLine(t, &s.stdout, "the line that says it listens", func(string) bool { return true })
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	c, conn := client(t, s, "alice")
	defer conn.Close()
	for range 500 { // a pipe holds some 150 records
		for _, step := range []func() (relaytest.Response, error){
			func() (relaytest.Response, error) { return c.Allocate() },
			func() (relaytest.Response, error) { return c.Refresh(0) },
		} {
			if r, err := step(); err != nil || !r.OK() {
				t.Fatalf("%v %v", r, err)
			}
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Errorf("still there %s after SIGTERM", patience)
	}
}

// A log whose reader has gone ends nothing either, and its lines are counted.
func TestGoneLogStopsNothing(t *testing.T) {
	reader, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{exited: make(chan struct{})}
	s.cmd = exec.Command(turnpike(t), "serve", "--dev", "--json")
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stderr.Close()
	go s.runWait()
	t.Cleanup(func() { s.Stop(t) })
	line := s.waitLine(t, &s.stdout, "the line that says it listens", func(string) bool { return true })
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	c, conn := client(t, s, "alice")
	defer conn.Close()
	for _, step := range []func() (relaytest.Response, error){
		func() (relaytest.Response, error) { return c.Allocate() },
		func() (relaytest.Response, error) { return c.Refresh(0) }, // which is logged
	} {
		if r, err := step(); err != nil || !r.OK() {
			t.Fatalf("%v %v", r, err)
		}
	}
	s.WaitMetric(t, "turnpike_log_lines_lost_total", 1)
}

func TestServeNeedsDev(t *testing.T) {
	out, err := exec.Command(turnpike(t), "serve").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("turnpike serve --dev")) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestVersion(t *testing.T) {
	out, err := exec.Command(turnpike(t), "version").Output()
	if err != nil || !bytes.HasPrefix(out, []byte("turnpike ")) {
		t.Errorf("%v: %s", err, out)
	}
}

// allocate makes an allocation on a server and returns its client's socket.
func allocate(t *testing.T, s *server, user string) net.PacketConn {
	t.Helper()
	c, conn := client(t, s, user)
	if r, err := c.Allocate(); err != nil || !r.OK() {
		t.Fatalf("Allocate: %v %v", r, err)
	}
	return conn
}

// client is a client with a credential of a user, and its socket.
func client(t *testing.T, s *server, user string) (*relaytest.Client, net.PacketConn) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	cred := s.Credential(t, user, time.Minute)
	return relaytest.NewClient(conn, s.TURN.UDP[0], relaytest.User{Name: cred.Username, Password: cred.Password}), conn
}

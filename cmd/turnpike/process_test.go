package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every single wait for the server: to come up, to write a
// record, to answer HTTP, to end. It is long only for a machine under load.
const patience = 15 * time.Second

// server is one `turnpike serve --dev --json`, a process of its own. The
// exported fields are the line it writes on stdout when everything listens.
type server struct {
	APIKey     string          `json:"api_key"`
	Issuer     string          `json:"issuer"`
	MetricsURL string          `json:"metrics"`
	TURN       listeners       `json:"turn"`
	ICEServers json.RawMessage `json:"ice_servers"`
	SPKI       string          `json:"certificate_spki_sha256"`

	cmd    *exec.Cmd
	stdout lines
	stderr lines
	exited chan struct{} // closed when the process is gone; exit is set before
	exit   error
	stop   sync.Once
}

// listeners are the addresses at which clients are served.
type listeners struct {
	UDP []netip.AddrPort `json:"udp"`
}

// record is what the server logs at the end of a session. Bytes are payload,
// without STUN and ChannelData framing.
type record struct {
	Message           string         `json:"msg"`
	Session           any            `json:"session"`
	User              string         `json:"user"`
	Tenant            string         `json:"tenant"`
	Transport         string         `json:"transport"`
	Client            netip.AddrPort `json:"client"`
	Relayed           netip.AddrPort `json:"relayed"`
	RelayedAdditional netip.AddrPort `json:"relayed_additional"`
	Reason            string         `json:"reason"`
	DurationMS        int64          `json:"duration_ms"`
	ToPeerBytes       int64          `json:"to_peer_bytes"`
	ToPeerPackets     int64          `json:"to_peer_packets"`
	ToClientBytes     int64          `json:"to_client_bytes"`
	ToClientPackets   int64          `json:"to_client_packets"`
	DroppedPackets    int64          `json:"dropped_packets"`
}

// credential is the issuer's answer. Configuration is that answer untouched,
// which a browser takes as the configuration of an RTCPeerConnection.
type credential struct {
	Username      string          `json:"username"`
	Password      string          `json:"password"`
	TTL           int             `json:"ttl"`
	ExpiresAt     time.Time       `json:"expires_at"`
	Configuration json.RawMessage `json:"-"`
}

// startServer runs `turnpike serve --dev --json` and returns when it listens. The test's end stops it, if the test did not.
func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{exited: make(chan struct{})}
	s.cmd = exec.Command(turnpike(t), "serve", "--dev", "--json")
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("start turnpike: %v", err)
	}
	go s.runWait()
	t.Cleanup(func() { s.Stop(t) })

	ready := s.waitLine(t, &s.stdout, "the line that says it listens", func(string) bool { return true })
	if err := json.Unmarshal([]byte(ready), s); err != nil {
		t.Fatalf("the line that says it listens: %v\n%s", err, ready)
	}
	return s
}

func (s *server) runWait() {
	s.exit = s.cmd.Wait()
	close(s.exited)
}

// Stop ends the server as an operator does, by SIGTERM, and waits for it. A
// server that had ended before, or does not end well, fails the test.
func (s *server) Stop(t *testing.T) {
	t.Helper()
	s.stop.Do(func() {
		if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("turnpike ended before it was told to: %v", err)
		}
		select {
		case <-s.exited:
		case <-time.After(patience):
			t.Errorf("turnpike still runs %v after SIGTERM: killed", patience)
			s.cmd.Process.Kill()
			<-s.exited
		}
		if s.exit != nil {
			t.Errorf("turnpike: %v", s.exit)
		}
		if t.Failed() {
			t.Logf("turnpike's log:\n%s", strings.Join(s.stderr.all(), "\n"))
		}
	})
}

// Credential asks the issuer for a credential, as an app's backend does.
func (s *server) Credential(t *testing.T, user string, ttl time.Duration) credential {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"user": user, "ttl": int(ttl / time.Second)})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Issuer+"/v1/credentials", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.APIKey)
	req.Header.Set("Content-Type", "application/json")
	answer := fetch(t, req)
	got := credential{Configuration: answer}
	if err := json.Unmarshal(answer, &got); err != nil {
		t.Fatalf("the issuer's answer: %v\n%s", err, answer)
	}
	return got
}

// Metrics scrapes the server: value by series, as in
// `turnpike_stun_responses_total{code="403",method="create_permission"}`.
func (s *server) Metrics(t *testing.T) map[string]float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.MetricsURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for line := range strings.Lines(string(fetch(t, req))) {
		series, value, found := cutLast(strings.TrimSpace(line), " ")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		if values[series], err = strconv.ParseFloat(value, 64); err != nil {
			t.Fatalf("metrics: %q: %v", line, err)
		}
	}
	return values
}

// WaitMetric waits until a series, named as in Metrics, has come to at least
// that value.
func (s *server) WaitMetric(t *testing.T, series string, least float64) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		value, exists := s.Metrics(t)[series]
		if exists && value >= least {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%s is %v (exists: %v) after %v, want %v", series, value, exists, patience, least)
		}
	}
}

// Records returns the records of the sessions that have ended so far.
func (s *server) Records() []record {
	var ended []record
	for _, line := range s.stderr.all() {
		if r, ok := parseRecord(line); ok {
			ended = append(ended, r)
		}
	}
	return ended
}

// WaitRecord waits for the record of an ended session that match picks.
func (s *server) WaitRecord(t *testing.T, what string, match func(record) bool) record {
	t.Helper()
	line := s.waitLine(t, &s.stderr, "the record of "+what, func(line string) bool {
		r, ok := parseRecord(line)
		return ok && match(r)
	})
	r, _ := parseRecord(line)
	return r
}

func parseRecord(line string) (r record, ok bool) {
	err := json.Unmarshal([]byte(line), &r)
	return r, err == nil && r.Message == "session ended"
}

func (s *server) waitLine(t *testing.T, from *lines, what string, match func(string) bool) string {
	t.Helper()
	late := time.After(patience)
	for seen := 0; ; {
		all, more := from.since(seen)
		for _, line := range all {
			if match(line) {
				return line
			}
		}
		seen += len(all)
		select {
		case <-more:
		case <-late:
			t.Fatalf("waited %v for %s", patience, what)
		case <-s.exited:
			if all, _ := from.since(seen); len(all) == 0 {
				t.Fatalf("turnpike ended (%v) before %s", s.exit, what)
			}
		}
	}
}

// fetch sends a request and returns the body of a 200.
func fetch(t *testing.T, req *http.Request) []byte {
	t.Helper()
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %v\n%s", req.Method, req.URL, resp.Status, err, body)
	}
	return body
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// lines is what a process has written to one of its outputs, line by line.
type lines struct {
	mu      sync.Mutex
	whole   []string
	partial []byte
	more    chan struct{} // closed, and made anew, at every whole line
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, found := bytes.Cut(l.partial, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.whole, l.partial = append(l.whole, string(line)), rest
		if l.more != nil {
			close(l.more)
			l.more = nil
		}
	}
}

// since returns the lines from the n-th on, and what is closed at the next one.
func (l *lines) since(n int) ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.more == nil {
		l.more = make(chan struct{})
	}
	return l.whole[n:len(l.whole):len(l.whole)], l.more
}

func (l *lines) all() []string {
	all, _ := l.since(0)
	return all
}

var built struct {
	once sync.Once
	dir  string
	err  error
}

// binaryEnv carries the binary under test into a namespace, where nothing can
// be downloaded to build it.
const binaryEnv = "TURNPIKE_TEST_BINARY"

// turnpike is the path of the binary under test, built once for all tests.
func turnpike(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(binaryEnv); path != "" {
		return path
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "turnpike-test-"); built.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", built.dir, ".").CombinedOutput()
		if err != nil {
			built.err = errors.Join(err, fmt.Errorf("%s", out))
		}
	})
	if built.err != nil {
		t.Fatalf("go build: %v", built.err)
	}
	return filepath.Join(built.dir, "turnpike")
}

// TestMain is here to remove the binary, which outlives the tests that share it.
func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

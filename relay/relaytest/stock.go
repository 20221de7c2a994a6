package relaytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// stockPionEnv carries the path of the built server into the namespace.
const stockPionEnv = "TURNPIKE_TEST_STOCKPION"

// stockPatience bounds the server's start and its orderly end.
const stockPatience = 10 * time.Second

// StockOptions configures [StockPion]. All fields are required.
type StockOptions struct {
	Listen netip.Addr // IPv4; the port is the system's choice
	Relay  netip.Addr // IPv4, told to clients; relays are bound to every address
	Realm  string
	Users  []User
}

func (o StockOptions) args() ([]string, error) {
	if !o.Listen.Is4() || !o.Relay.Is4() || o.Realm == "" || len(o.Users) == 0 {
		return nil, fmt.Errorf("relaytest: StockOptions{Listen: %v, Relay: %v, Realm: %q, %d users}: want IPv4 addresses, a realm and users",
			o.Listen, o.Relay, o.Realm, len(o.Users))
	}
	args := []string{
		"-listen=" + netip.AddrPortFrom(o.Listen, 0).String(),
		"-relay=" + o.Relay.String(),
		"-realm=" + o.Realm,
	}
	for _, u := range o.Users {
		args = append(args, "-user="+u.Name+"="+u.Password)
	}
	return args, nil
}

// Stock is a running stock pion server.
type Stock struct {
	Addr netip.AddrPort // where it listens, UDP

	cmd    *exec.Cmd
	died   chan error    // holds the one error
	ended  chan struct{} // closed when the process is gone
	stderr lockedBuffer
}

// Died delivers, once, how the server ended; nil stands for exit code 0.
func (s *Stock) Died() <-chan error { return s.died }

// HasDied reports whether the server has ended, as [Env] wants it.
func (s *Stock) HasDied() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Stderr is what the server wrote there so far.
func (s *Stock) Stderr() string { return s.stderr.String() }

// StockPion starts a server that is pion/turn v4.1.4 with nothing in front of
// it, and stops it when the test is over. It opens a relay to anywhere, so it
// starts only inside a [Namespace] that was made with StockPion set.
func StockPion(t *testing.T, o StockOptions) *Stock {
	t.Helper()
	bin := os.Getenv(stockPionEnv)
	if bin == "" || os.Getenv(insideEnv) == "" {
		t.Fatal("relaytest: StockPion is an open relay: call it only after InNamespace(t, Namespace{StockPion: true, ...})")
	}
	args, err := o.args()
	if err != nil {
		t.Fatal(err)
	}
	s := &Stock{cmd: exec.Command(bin, args...), died: make(chan error, 1), ended: make(chan struct{})}
	s.cmd.Stderr = &s.stderr
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatalf("relaytest: %v", err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("relaytest: %v", err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("relaytest: %v", err)
	}
	s.Addr, err = s.awaitReady(stdout)
	go s.runWait()
	t.Cleanup(func() { s.stop(stdin) })
	if err != nil {
		t.Fatalf("relaytest: stock pion did not start: %v\n%s", err, s.Stderr())
	}
	return s
}

// awaitReady reads the server's only line.
func (s *Stock) awaitReady(stdout io.Reader) (netip.AddrPort, error) {
	timer := time.AfterFunc(stockPatience, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	var ready struct {
		Listening netip.AddrPort `json:"listening"`
	}
	err := json.NewDecoder(stdout).Decode(&ready)
	return ready.Listening, err
}

func (s *Stock) runWait() {
	s.died <- s.cmd.Wait()
	close(s.ended)
}

// stop ends the server by ending its stdin, or else by killing it.
func (s *Stock) stop(stdin io.Closer) {
	_ = stdin.Close()
	timer := time.AfterFunc(stockPatience, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	<-s.ended
}

// lockedBuffer collects output while others read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

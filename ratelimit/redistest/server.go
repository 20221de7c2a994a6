//go:build unix

package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// Server is a process.
type Server struct {
	Addr string // 127.0.0.1:port
	Port int

	t    testing.TB
	dir  string
	args []string
	env  []string // beyond the test's own
	cmd  *exec.Cmd
	log  *os.File

	clock string // of StartWithClock: the file that sets it
}

// Start runs a server with settings beyond the usual, as "--appendonly", "yes".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t)
	s.start(args)
	return s
}

func (s *Server) start(args []string) {
	s.t.Helper()
	s.args = append([]string{"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--maxmemory-policy", "noeviction", "--maxmemory", "100mb"}, args...)
	s.run()
}

func newServer(t testing.TB) *Server {
	t.Helper()
	logging.Disable() // what the client says of a server that is meant to be dead
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, dir: dir, log: log, Port: freePort(t)}
	s.Addr = fmt.Sprint("127.0.0.1:", s.Port)
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s said:\n%s", s.Addr, text[max(0, len(text)-2000):])
		}
		_ = log.Close()
		_ = os.RemoveAll(dir)
	})
	return s
}

// freePort finds one whose number plus 10,000, a Cluster's bus, is a port too.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if port < 55_000 {
			return port
		}
	}
}

func (s *Server) run() {
	s.t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Env = append(os.Environ(), s.env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("redis-server: %v; make deps installs it", err)
	}
	s.await()
}

// await waits until the server answers.
func (s *Server) await() {
	s.t.Helper()
	c := s.Client()
	Eventually(s.t, "the server answers", func() bool { return c.Ping(context.Background()).Err() == nil })
}

// Eventually fails the test unless something comes about within 30 s.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// Client of the server, closed with the test.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr, Protocol: 2, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the process at once, as a crash would.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Restart runs it again on its port, with what it has on disk.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	s.run()
}

// Stop lets the process hang; Continue lets it go on.
func (s *Server) Stop() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue ends a Stop.
func (s *Server) Continue() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Do runs a command, which must succeed.
func (s *Server) Do(args ...any) any {
	s.t.Helper()
	c := s.Client()
	defer c.Close()
	got, err := c.Do(context.Background(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return got
}

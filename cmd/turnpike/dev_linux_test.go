package main

import (
	"os"
	"os/exec"
	"testing"
)

// Development servers that start at once all serve, by ports of their own.
func TestServeDevAtOnce(t *testing.T) {
	if !inPublic(t) {
		return
	}
	var all []*server
	for range 12 {
		s := &server{exited: make(chan struct{})}
		s.cmd = exec.Command(os.Getenv(binaryEnv), "serve", "--dev", "--json")
		s.cmd.Stdout, s.cmd.Stderr = &s.stdout, &s.stderr
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go s.runWait()
		t.Cleanup(func() { s.Stop(t) })
		all = append(all, s)
	}
	for _, s := range all {
		s.waitLine(t, &s.stdout, "the line that says it listens", func(string) bool { return true })
	}
}

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Strangers that only connect do not get the last descriptors: health and
// metrics answer, and a client is served.
func TestStrangersLeaveDescriptors(t *testing.T) {
	if !inPublic(t) {
		return
	}
	few := filepath.Join(t.TempDir(), "turnpike")
	script := fmt.Sprintf("#!/bin/sh\nulimit -n 200 && exec %q \"$@\"\n", os.Getenv(binaryEnv))
	if err := os.WriteFile(few, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(binaryEnv, few)
	s, secret := startPublic(t, "")
	startPeer(t, publicPeer)
	for i := range 250 {
		from := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: publicClient(i).AsSlice()}}
		c, err := from.DialContext(t.Context(), "tcp", publicTURN.String())
		switch {
		case errors.Is(err, syscall.ECONNRESET): // refused
		case err != nil:
			t.Fatal(err)
		default:
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	s.WaitMetric(t, `turnpike_stream_closed_total{reason="max_conns"}`, 150)
	u := &uclient{transport: "udp", mode: "-X -s -z 50"}
	u.start(t, s, secret, 0)
	t.Run("a client", u.check)
}

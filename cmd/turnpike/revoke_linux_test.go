package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// turnpike revoke silences live sessions over UDP, TCP and TLS within two seconds,
// on both data planes, with a record each; and what began them begins nothing more.
func TestRevokeIsObeyed(t *testing.T) {
	if !inPublic(t) {
		return
	}
	for _, plane := range []string{planeStd, planeMMSG} {
		t.Run(plane, func(t *testing.T) {
			s, secret := startPublic(t, "data_plane: "+plane+"\n")
			bed := &slowBed{t: t, s: s, secret: secret, echo: startEcho(t)}
			all := pingers(t, bed)
			for _, p := range all {
				p.Timeout = time.Second // until silence is believed
			}
			running := runPingers(t.Context(), t, all)
			for _, p := range all {
				for deadline := time.Now().Add(patience); p.count.Load() < 100; time.Sleep(time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatalf("%s: %d echoes", p.over, p.count.Load())
					}
				}
			}
			revoked := time.Now()
			out, err := exec.CommandContext(t.Context(), turnpike(t), "revoke", "key", "app").CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), "revoked; sessions ended: 3\n") {
				t.Fatalf("%s, %v", out, err)
			}
			for range all {
				s.WaitRecord(t, "a revoked session", func(r record) bool { return r.Reason == "revoked" })
			}
			running.Wait()
			for _, p := range all {
				took := time.Duration(p.heard.Load() - revoked.UnixNano())
				t.Logf("%s: silent %v after turnpike revoke was called, %d echoes before", p.over, took.Round(time.Millisecond), p.count.Load())
				if took > 2*time.Second {
					t.Errorf("%s: still relayed %v after the revocation", p.over, took)
				}
				p.Timeout = patience
				if r, err := p.Allocate(); err != nil || r.Code != 401 {
					t.Errorf("%s: what began it is answered %v %v, want 401", p.over, r, err)
				}
			}
			s.WaitMetric(t, `turnpike_sessions_ended_total{reason="revoked"}`, 3)
		})
	}
}

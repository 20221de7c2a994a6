package main

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/certs"
)

// A server whose certificate has expired should not get new clients.
func TestExpiredCertificateIsUnready(t *testing.T) {
	s, err := devSettings()
	badConfigCheck(t, err)
	log := newLogs(io.Discard, "json", slog.LevelError)
	defer log.close()
	expired := func(reason string) bool {
		return strings.HasPrefix(reason, "the certificate of the TURN listeners expired on 20")
	}
	for now, want := range map[time.Time]bool{time.Now(): false, time.Now().AddDate(-20, 0, 0): true} {
		s.Certificate, err = certs.SelfSigned([]string{"localhost"}, now)
		badConfigCheck(t, err)
		p, err := build(s, s.assumed(), log)
		badConfigCheck(t, err)
		if reasons := p.unready(); slices.ContainsFunc(reasons, expired) != want {
			t.Errorf("made at %s: %q", now, reasons)
		}
	}
}

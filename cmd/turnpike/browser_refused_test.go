package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// gathered is what one end got from a configuration: candidates, or the
// icecandidateerror events that tell why not (webrtc-pc).
type gathered struct {
	Candidates []string
	Errors     []struct {
		ErrorCode int
		ErrorText string
		URL       string
	}
}

func TestBrowserCredentials(t *testing.T) {
	s := startServer(t)
	p := openPage(t, s.SPKI)
	good, brief := s.Credential(t, "alice", time.Minute), s.Credential(t, "alice", time.Second)
	// A credential is good through the second it names, as with coturn.
	<-time.After(time.Until(brief.ExpiresAt.Add(time.Second)))

	tests := []struct {
		name          string
		configuration any
		code          int    // of the error, 0: a candidate instead
		counted       string // under what result
	}{
		{"good", relayOnly(t, good.Configuration, ""), 0, "ok"},
		{"wrong password", relayOnly(t, good.Configuration, "wrong"), 401, "wrong_signature"},
		{"expired", relayOnly(t, brief.Configuration, ""), 401, "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			counted := fmt.Sprintf("turnpike_auth_total{result=%q}", tt.counted)
			before := s.Metrics(t)[counted]
			got := call[gathered](t, p, "gather", tt.configuration, "relay")
			t.Logf("%+v", got)
			s.WaitMetric(t, counted, before+1)
			if tt.code == 0 {
				if len(got.Candidates) == 0 || len(got.Errors) != 0 {
					t.Errorf("got %+v, want candidates and no error", got)
				}
				return
			}
			if len(got.Candidates) != 0 || len(got.Errors) == 0 {
				t.Fatalf("got %+v, want no candidate and an error", got)
			}
			for _, e := range got.Errors {
				if e.ErrorCode != tt.code {
					t.Errorf("icecandidateerror %d %q from %s, want %d", e.ErrorCode, e.ErrorText, e.URL, tt.code)
				}
			}
		})
	}
}

// relayOnly is a configuration with relay-only policy, and with another
// password unless that is empty.
func relayOnly(t *testing.T, configuration json.RawMessage, password string) any {
	t.Helper()
	var c map[string]any
	if err := json.Unmarshal(configuration, &c); err != nil {
		t.Fatal(err)
	}
	c["iceTransportPolicy"] = "relay"
	for _, server := range c["iceServers"].([]any) {
		if entry := server.(map[string]any); password != "" && entry["credential"] != nil {
			entry["credential"] = password
		}
	}
	return c
}

// TestBrowserForeignCertificate has a browser that trusts one server's
// certificate call through another server, which shows a certificate of its
// own: the browser ends the handshake, and no call comes up.
func TestBrowserForeignCertificate(t *testing.T) {
	trusted, s := startServer(t), startServer(t)
	p := openPage(t, trusted.SPKI)
	const refused = `turnpike_stream_closed_total{reason="handshake"}`

	// The page can do it, with a certificate that it trusts.
	alice, bob := newEnd(t, trusted, "alice", "tls"), newEnd(t, trusted, "bob", "tls")
	p.do(t, "dial", alice.configuration, bob.configuration)
	p.do(t, "hangUp")
	if n := trusted.Metrics(t)[refused]; n != 0 {
		t.Errorf("%v handshakes failed with a certificate that is trusted", n)
	}

	alice, bob = newEnd(t, s, "alice", "tls"), newEnd(t, s, "bob", "tls")
	got := call[both[gathered]](t, p, "dialInVain", alice.configuration, bob.configuration)
	t.Logf("%+v", got)
	for name, g := range map[string]gathered{"alice": got.Alice, "bob": got.Bob} {
		if len(g.Candidates) != 0 {
			t.Errorf("%s: candidates %q of a server that is not trusted", name, g.Candidates)
		}
		for _, e := range g.Errors {
			if e.ErrorCode != unreachable || !strings.HasPrefix(e.URL, "turns:") {
				t.Errorf("%s: icecandidateerror %d %q from %s, want %d", name, e.ErrorCode, e.ErrorText, e.URL, unreachable)
			}
		}
	}
	s.WaitMetric(t, refused, 2)
}

// unreachable is the icecandidateerror for a server that can't be reached
// (webrtc-pc, RTCPeerConnectionIceErrorEvent).
const unreachable = 701

// TestBrowserDeniedPeer has a browser try peers that nobody may reach, amid a
// call: they are refused, counted, and cost the call nothing.
func TestBrowserDeniedPeer(t *testing.T) {
	s := startServer(t)
	p := openPage(t)
	alice, bob := newEnd(t, s, "alice", "udp"), newEnd(t, s, "bob", "udp")
	p.do(t, "dial", alice.configuration, bob.configuration)
	call[both[int]](t, p, "echo", 4, 1000)

	const forbidden = `turnpike_stun_responses_total{code="403",method="create_permission"}`
	for _, tt := range []struct{ ip, rule string }{
		{"10.1.2.3", "private"},
		{"169.254.169.254", "cloud_metadata"},
	} {
		t.Run(tt.ip, func(t *testing.T) {
			denied := fmt.Sprintf("turnpike_permission_denied_total{rule=%q}", tt.rule)
			before := s.Metrics(t)
			got := call[tried](t, p, "tryPeer", tt.ip, 8080, notByChecks)
			if got.State != "failed" || got.ResponsesReceived != 0 {
				t.Errorf("the pair is %+v, want failed", got)
			}
			s.WaitMetric(t, forbidden, before[forbidden]+1)
			s.WaitMetric(t, denied, before[denied]+1)
		})
	}
	t.Run("a port that is no relay's", func(t *testing.T) { tryCanary(t, s, p) })

	call[both[int]](t, p, "echo", 4, 1000)
	if ended := s.Records(); len(ended) != 0 {
		t.Errorf("sessions ended amid the call: %+v", ended)
	}
}

// tried is the pair of a candidate that was tried.
type tried struct {
	State                           string
	RequestsSent, ResponsesReceived int
}

// notByChecks is a number of checks that no pair comes to: only a refusal of
// the permission, which fails the pair, ends the try.
const notByChecks = 1 << 30

// tryCanary has the browser try a socket at the relay's own address. Permission
// for that address is given, for it has no port (RFC 8656 §2.3) and relayed
// addresses are there: each datagram is judged, and not one may arrive.
func tryCanary(t *testing.T, s *server, p page) {
	canary, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer canary.Close()
	canary.SetDeadline(time.Now().Add(patience))
	const dropped = `turnpike_dropped_packets_total{reason="policy",stage="data"}`
	const checks = 3
	before := s.Metrics(t)[dropped]

	at := canary.LocalAddr().(*net.UDPAddr)
	got := call[tried](t, p, "tryPeer", at.IP.String(), at.Port, checks)
	if got.RequestsSent < checks || got.ResponsesReceived != 0 {
		t.Errorf("the pair is %+v, want checks without an answer", got)
	}
	s.WaitMetric(t, dropped, before+checks)

	// What the relay let through would be first in the queue.
	if _, err := canary.WriteTo([]byte("mine"), at); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1500)
	if n, from, err := canary.ReadFrom(first); err != nil || string(first[:n]) != "mine" {
		t.Errorf("the canary read %q from %v (%v), want nothing but its own", first[:n], from, err)
	}
}

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// refusedModes are the modes of uclient that get nowhere, and what it says of
// it: docs/coturn.md tells why.
func refusedModes() []*uclient {
	return []*uclient{
		{transport: "udp", mode: "-s -I", lost: true}, // Send indications without a permission
		{transport: "udp", mode: "-X -e 10.0.0.1", refused: "channel bind: error 403 ()"},
		{transport: "tcp", mode: "-T -y", refused: "error 442 ()"}, // RFC 6062
		{transport: "tcp", mode: "-P -y", refused: "error 442 ()"},
		{transport: "udp", mode: "-N", refused: "channel bind: error 400 ()"}, // another channel to the same peer
		{transport: "tls", mode: "-N", refused: "channel bind: error 400 ()"},
		{transport: "udp", secret: "not-the-secret-of-this-server", refused: "Cannot complete Allocation"},
		{transport: "udp", mode: "-C |", refused: "Cannot complete Allocation"}, // EXPIRY|USER
	}
}

// hostileModes are the modes of uclient that come to different ends: requests
// with bytes that are not theirs, clients that go amid a request, and clients
// that go amid their messages.
func hostileModes() (all []*uclient) {
	for range 6 {
		for _, transport := range []string{"udp", "tcp"} {
			all = append(all, &uclient{transport: transport, mode: "-X -R"}, &uclient{transport: transport, mode: "-X -O -m 6"})
		}
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		all = append(all, &uclient{transport: transport, mode: "-X -B -n 100 -z 0"}, &uclient{transport: transport, mode: "-X -s -R"})
	}
	return all
}

// refusedIdle ends the sessions of clients that are gone: most of these modes
// leave allocations behind, and over UDP nobody tells.
const refusedIdle = 12 * time.Second

// What coturn's client must not get it does not get, and says so. After its
// hostile modes no session is left, and a client is served as ever.
func TestCoturnClientRefused(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, fmt.Sprintf("compatibility: {rfc5766_channels: true}\nroles: [{id: default, idle: %s}]\n", refusedIdle))
	startPeer(t, publicPeer)
	before := s.Metrics(t)
	dtls := &uclient{transport: "udp", mode: "-X -S"}
	all := append(append(refusedModes(), hostileModes()...), dtls)
	for i, u := range all {
		u.start(t, s, secret, i)
	}
	refused, hostile := all[:len(refusedModes())], all[len(refusedModes()):]
	for _, u := range refused {
		t.Run(u.String(), u.check)
	}
	for _, u := range hostile {
		u.stop() // that it ended by itself is no matter
		_ = u.cmd.Wait()
	}
	if out := dtls.out.String(); out != "" {
		t.Errorf("over DTLS, which is not spoken here, something came back:\n%s", out)
	}

	waitNoAllocation(t, s)
	checkRefusals(t, s.Metrics(t))
	const free = "turnpike_relay_ports_free"
	s.WaitMetric(t, free, before[free]) // a port is free once pion has forgotten it, just after the session's end
	after := &uclient{transport: "udp", mode: "-X"}
	after.start(t, s, secret, len(all))
	t.Run("a client after that", after.check)
	s.Stop(t)
	for _, u := range append(refused, after) {
		u.checkRecords(t, s.Records())
	}
}

// waitNoAllocation waits until the last allocation is idle for too long.
func waitNoAllocation(t *testing.T, s *server) {
	t.Helper()
	deadline := time.NewTimer(refusedIdle + patience)
	defer deadline.Stop()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		left := sumOf(s.Metrics(t), "turnpike_allocations{")
		if left == 0 {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("%v allocations are left", left)
		}
	}
}

// checkRefusals looks whether the server counts what the clients say. A series
// that the hostile modes may add to has at least that value.
func checkRefusals(t *testing.T, got map[string]float64) {
	t.Helper()
	for series, want := range map[string]float64{
		`turnpike_stun_responses_total{code="442",method="allocate"}`:     4, // each tries twice
		`turnpike_stun_responses_total{code="403",method="channel_bind"}`: 1,
		`turnpike_permission_denied_total{rule="private"}`:                1,
	} {
		if got[series] != want {
			t.Errorf("%s is %v, want %v", series, got[series], want)
		}
	}
	for series, least := range map[string]float64{
		`turnpike_stun_responses_total{code="400",method="channel_bind"}`:         2,
		`turnpike_auth_total{result="wrong_signature"}`:                           10, // failures_burst
		`turnpike_auth_total{result="bad_username"}`:                              10,
		`turnpike_dropped_packets_total{reason="failures_spent",stage="control"}`: 2,
		`turnpike_dropped_packets_total{reason="no_permission",stage="data"}`:     2 * uclientMessages,
		`turnpike_dropped_packets_total{reason="not_stun",stage="control"}`:       1, // DTLS
	} {
		if got[series] < least {
			t.Errorf("%s is %v, want %v or more", series, got[series], least)
		}
	}
	broken := got[`turnpike_stream_closed_total{reason="malformed"}`] // what -R sends
	for _, reason := range []string{"bad_length", "bad_attributes", "bad_fingerprint"} {
		broken += got[fmt.Sprintf(`turnpike_dropped_packets_total{reason=%q,stage="control"}`, reason)]
	}
	if broken == 0 {
		t.Error("no message with random bytes was counted")
	}
	if n := sumOf(got, "turnpike_engine_faults_total{"); n != 0 {
		t.Errorf("%v faults of the engine", n)
	}
}

// sumOf adds up the series that begin so.
func sumOf(values map[string]float64, prefix string) (sum float64) {
	for series, v := range values {
		if strings.HasPrefix(series, prefix) {
			sum += v
		}
	}
	return sum
}

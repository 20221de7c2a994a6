package main

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// both is one thing of each end of a call.
type both[T any] struct {
	Alice T `json:"alice"`
	Bob   T `json:"bob"`
}

// pair is the candidate pair that carries a call, by getStats (webrtc-stats,
// RTCIceCandidatePairStats): bytes and packets without the checks of ICE.
type pair struct {
	Local, Remote struct {
		Type          string
		Address       netip.AddrPort
		RelayProtocol string // of the end to the relay; an end knows its own only
	}
	BytesSent       int64
	BytesReceived   int64
	PacketsSent     int64
	PacketsReceived int64
	// Checks and their answers: requests include those for consent (RFC 7675).
	RequestsSent, RequestsReceived   int64
	ResponsesSent, ResponsesReceived int64
}

// TestBrowserCall has two browsers' ends meet through the relay and nothing
// else, and compares what they counted with what the server recorded.
func TestBrowserCall(t *testing.T) {
	s := startServer(t)
	p := openPage(t, s.SPKI)
	for _, over := range []both[string]{{"udp", "udp"}, {"tcp", "tcp"}, {"tls", "tls"}, {"udp", "tls"}} {
		t.Run(over.Alice+" to "+over.Bob, func(t *testing.T) {
			p.load(t)
			tryCall(t, s, p, over)
		})
	}
}

func tryCall(t *testing.T, s *server, p page, over both[string]) {
	alice, bob := newEnd(t, s, "alice", over.Alice), newEnd(t, s, "bob", over.Bob)
	const handedOver = "turnpike_relay_handed_over_packets_total"
	before := s.Metrics(t)[handedOver]

	p.do(t, "dial", alice.configuration, bob.configuration)

	// Little enough to stay within the burst of the default role's bit rate:
	// what a limit drops, the browser has counted as sent.
	const messages, size = 20, 16 << 10
	if got, want := call[both[int]](t, p, "echo", messages, size), (both[int]{messages * size, messages * size}); got != want {
		t.Errorf("bytes echoed = %+v, want %+v", got, want)
	}
	heard := call[both[struct {
		FramesDecoded, AudioPackets int
		AudioEnergy                 float64
	}]](t, p, "startMedia", 60, 100)
	t.Logf("heard: %+v", heard)

	checkSignalled(t, p, s, alice.credential)

	p.do(t, "stopMedia")
	at := call[both[pair]](t, p, "atRest", 2)
	p.do(t, "hangUp")
	comparePair(t, s, alice, at.Alice)
	comparePair(t, s, bob, at.Bob)

	// From one relay of the server to another goes no packet over the network.
	s.WaitMetric(t, handedOver, before+0.9*float64(at.Alice.PacketsSent+at.Bob.PacketsSent))
}

// end is one end of a call, and its way to the server.
type end struct {
	name, user    string
	transport     string
	credential    credential
	configuration any // with no other way than transport
}

// newEnd is an end whose user no other call has.
func newEnd(t *testing.T, s *server, name, transport string) end {
	t.Helper()
	e := end{name: name, user: t.Name() + " " + name, transport: transport}
	e.credential = s.Credential(t, e.user, time.Minute)
	e.configuration = onlyOver(t, e.credential.Configuration, transport)
	return e
}

// onlyOver is a configuration with the TURN URIs (RFC 7065) of one transport
// alone.
func onlyOver(t *testing.T, configuration json.RawMessage, transport string) any {
	t.Helper()
	scheme, query := "turn:", "?transport="+transport
	if transport == "tls" {
		scheme, query = "turns:", "?transport=tcp"
	}
	var c struct {
		ICEServers []struct {
			URLs       []string `json:"urls"`
			Username   string   `json:"username,omitempty"`
			Credential string   `json:"credential,omitempty"`
		} `json:"iceServers"`
	}
	if err := json.Unmarshal(configuration, &c); err != nil {
		t.Fatal(err)
	}
	for _, server := range c.ICEServers {
		server.URLs = slices.DeleteFunc(server.URLs, func(url string) bool {
			return !strings.HasPrefix(url, scheme) || !strings.HasSuffix(url, query)
		})
		if len(server.URLs) == 1 {
			c.ICEServers[0] = server
			c.ICEServers = c.ICEServers[:1]
			return c
		}
	}
	t.Fatalf("not one %s...%s in %s", scheme, query, configuration)
	return nil
}

// checkSignalled reads all that went from one end to the other, beside the
// relay: nothing in it may tell where an end is.
func checkSignalled(t *testing.T, p page, s *server, c credential) {
	t.Helper()
	// This can fail: without the policy, an end says where it is.
	bare := call[gathered](t, p, "gather", c.Configuration, "srflx")
	if len(leaks(s, bare.Candidates)) == 0 {
		t.Fatalf("no policy, and no leak seen in %q", bare.Candidates)
	}

	said := call[struct{ Candidates, Descriptions []string }](t, p, "signalled")
	if len(said.Candidates) == 0 || !strings.Contains(strings.Join(said.Descriptions, ""), "a=candidate:") {
		t.Errorf("no candidate in %q", said)
	}
	for _, leak := range append(leaks(s, said.Candidates), leaks(s, said.Descriptions)...) {
		t.Errorf("leaked to the other end: %s", leak)
	}
}

// leaks returns the lines with a candidate that is not relayed, or with an
// address that is neither the relay's nor 0.0.0.0, which stands for none.
func leaks(s *server, texts []string) (found []string) {
	for line := range strings.Lines(strings.Join(texts, "\r\n")) {
		if strings.Contains(line, "candidate:") && !strings.Contains(line, " typ relay ") {
			found = append(found, line)
			continue
		}
		for _, word := range strings.Fields(line) {
			addr, err := netip.ParseAddr(word)
			if err == nil && addr != s.TURN.UDP[0].Addr() && !addr.IsUnspecified() {
				found = append(found, line)
			}
		}
	}
	return found
}

package main

import "testing"

// How the two sides count, and why they can be compared at all:
//
// The browser counts what it hands to ICE: DTLS and SRTP datagrams. Its checks
// (STUN Binding between the two ends, RFC 8445, and consent, RFC 7675) are not
// in bytesSent and packetsSent: atRest waits until checks were made while not
// one byte was counted, and would never return otherwise. What it says to the
// server (Allocate, Refresh, ...) is not in them either, nor is the framing.
//
// The server records what it relayed, without the framing of Send and Data
// indications and of ChannelData. To it a check between the ends is payload as
// any other. So
//
//	to_peer_packets = packetsSent     + requestsSent     + responsesSent
//	to_peer_bytes   = bytesSent       + the bytes of those checks
//	to_client       = the same of what was received
//
// but for datagrams the kernel lost, and for those on their way at the end.
const (
	// A check is at most this long: 20 bytes of header and at most 80 of
	// USERNAME, PRIORITY, ICE-CONTROLLING, USE-CANDIDATE, the browser's network
	// cost, MESSAGE-INTEGRITY and FINGERPRINT, and room for one more attribute.
	longestCheck = 160
	// Checks of other pairs, and what was sent since the counters were read:
	// the last is a DTLS alert to say that the call is over.
	uncounted = 10
)

// comparePair compares one end's pair with the record of its allocation.
func comparePair(t *testing.T, s *server, name string, at pair) {
	t.Helper()
	if at.Local.Type != "relay" || at.Remote.Type != "relay" {
		t.Errorf("%s: the pair is %s to %s, want relay to relay", name, at.Local.Type, at.Remote.Type)
	}
	r := s.WaitRecord(t, name+"'s session at "+at.Local.Address.String(), func(r record) bool {
		return r.Relayed == at.Local.Address
	})
	if r.User != name {
		t.Errorf("%s: the record names the user %q", name, r.User)
	}
	sent, received := at.RequestsSent+at.ResponsesSent, at.RequestsReceived+at.ResponsesReceived
	compareBytes(t, name+" to peer", at.BytesSent, sent, r.ToPeerBytes)
	compareBytes(t, name+" to client", at.BytesReceived, received, r.ToClientBytes)
	t.Logf("%s: packets to peer: browser %d + %d checks, server %d; to client: browser %d + %d checks, server %d", name,
		at.PacketsSent, sent, r.ToPeerPackets, at.PacketsReceived, received, r.ToClientPackets)

	// A loss on the way to the server can only lower what it records: nothing
	// explains more than was counted and checked, but framing in the record.
	if most := at.BytesSent + longestCheck*(sent+uncounted); r.ToPeerBytes > most {
		t.Errorf("%s to peer: the server recorded %d bytes, at most %d are payload", name, r.ToPeerBytes, most)
	}
}

// compareBytes allows 2 % and 64 KiB for what was lost between browser and
// server, and for the checks.
func compareBytes(t *testing.T, what string, browser, checks, server int64) {
	t.Helper()
	t.Logf("%s: browser %d bytes + %d checks, server %d bytes: %+d", what, browser, checks, server, server-browser)
	if diff := max(server-browser, browser-server); diff > browser/50+64<<10 {
		t.Errorf("%s: browser and server differ by %d bytes", what, diff)
	}
}

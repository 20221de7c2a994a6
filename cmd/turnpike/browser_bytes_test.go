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
// but for datagrams the kernel lost, those on their way at the end, and checks
// that the server dropped: the browser sends the first one without waiting for
// the answer to CreatePermission. TCP and TLS lose none: there the difference is
// checks alone.
const (
	// A check is at most this long: 20 bytes of header and at most 80 of
	// USERNAME, PRIORITY, ICE-CONTROLLING, USE-CANDIDATE, the browser's network
	// cost, MESSAGE-INTEGRITY and FINGERPRINT, and room for one more attribute.
	longestCheck  = 160
	shortestCheck = 20 // the header alone
	// Checks of other pairs, and what was sent since the counters were read:
	// the last is a DTLS alert to say that the call is over.
	uncounted = 10
)

// tally is what one side counted of one direction; the server counts checks
// among the packets.
type tally struct{ bytes, packets, checks int64 }

// comparePair compares one end's pair with the record of its allocation.
func comparePair(t *testing.T, s *server, e end, at pair) {
	t.Helper()
	if at.Local.Type != "relay" || at.Remote.Type != "relay" {
		t.Errorf("%s: the pair is %s to %s, want relay to relay", e.name, at.Local.Type, at.Remote.Type)
	}
	r := s.WaitRecord(t, e.name+"'s session at "+at.Local.Address.String(), func(r record) bool {
		return r.User == e.user && r.Relayed == at.Local.Address
	})
	if at.Local.RelayProtocol != e.transport || r.Transport != e.transport {
		t.Errorf("%s: to the relay over %s by the browser, over %s by the record, want %s",
			e.name, at.Local.RelayProtocol, r.Transport, e.transport)
	}
	for direction, c := range map[string]struct{ browser, server tally }{
		"to peer": {
			tally{at.BytesSent, at.PacketsSent, at.RequestsSent + at.ResponsesSent},
			tally{bytes: r.ToPeerBytes, packets: r.ToPeerPackets},
		},
		"to client": {
			tally{at.BytesReceived, at.PacketsReceived, at.RequestsReceived + at.ResponsesReceived},
			tally{bytes: r.ToClientBytes, packets: r.ToClientPackets},
		},
	} {
		what := e.name + " " + direction
		t.Logf("%s: browser %+v, server %+v", what, c.browser, c.server)
		compareBytes(t, what, c.browser, c.server)
		if e.transport != "udp" {
			compareStream(t, what, c.browser, c.server, r.DroppedPackets)
		}
	}

	// A loss on the way to the server can only lower what it records: nothing
	// explains more than was counted and checked, but framing in the record.
	if most := at.BytesSent + longestCheck*(at.RequestsSent+at.ResponsesSent+uncounted); r.ToPeerBytes > most {
		t.Errorf("%s to peer: the server recorded %d bytes, at most %d are payload", e.name, r.ToPeerBytes, most)
	}
}

// compareBytes allows 2 % and 64 KiB for what was lost between browser and
// server, and for the checks.
func compareBytes(t *testing.T, what string, browser, server tally) {
	t.Helper()
	diff := max(server.bytes-browser.bytes, browser.bytes-server.bytes)
	if diff > browser.bytes/50+64<<10 {
		t.Errorf("%s: browser and server differ by %d bytes", what, diff)
	}
}

// compareStream allows the checks, less those dropped, and a few packets at the
// end. Framing or its padding, of a thousand packets, would show.
func compareStream(t *testing.T, what string, browser, server tally, dropped int64) {
	t.Helper()
	packets, bytes := server.packets-browser.packets, server.bytes-browser.bytes
	if packets < browser.checks-dropped || packets > browser.checks+uncounted {
		t.Errorf("%s: the server relayed %d packets beside the browser's; %d checks were made and %d packets dropped",
			what, packets, browser.checks, dropped)
	}
	if bytes < shortestCheck*packets || bytes > longestCheck*packets {
		t.Errorf("%s: the server recorded %d bytes of %d packets beside the browser's: those are no checks", what, bytes, packets)
	}
}

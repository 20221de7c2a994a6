package relaytest

import (
	"net"
	"net/netip"
	"testing"
)

// The tap sees a datagram once, with what it bears, whether its source is forged
// and whether anybody hears it, in IPv4 and IPv6.
func TestTapSeesWhatLeaves(t *testing.T) {
	if !InNamespace(t, ownBoth) {
		return
	}
	tap, err := NewTap("lo", false)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	forger, err := NewForger()
	if err != nil {
		t.Fatal(err)
	}
	defer forger.Close()
	forged, nobody := netip.MustParseAddrPort("1.2.3.4:5"), netip.MustParseAddrPort("93.184.216.7:9")
	if err := forger.Send(forged, nobody, payload); err != nil {
		t.Fatal(err)
	}
	from := ListenUDP(t, netip.MustParseAddr("2606:4700:10::7"))
	nobody6 := netip.MustParseAddrPort("[2606:4700:10::8]:9")
	if _, err := from.WriteTo(payload, net.UDPAddrFromAddrPort(nobody6)); err != nil {
		t.Fatal(err)
	}
	var seen []Passed
	if err := tap.Drain(func(p Passed) {
		if string(p.Payload) != string(payload) {
			t.Errorf("payload %q", p.Payload)
		}
		seen = append(seen, p)
	}); err != nil {
		t.Fatal(err)
	}
	own := netip.MustParseAddrPort(from.LocalAddr().String())
	if len(seen) != 2 || seen[0].From != forged || seen[0].To != nobody || seen[1].From != own || seen[1].To != nobody6 {
		t.Errorf("seen: %+v", seen)
	}
}

// What the tap had no room for is told: a canary that is deaf is none.
func TestTapTellsWhatItMissed(t *testing.T) {
	if !InNamespace(t, ownBoth) {
		return
	}
	tap, err := NewTap("lo", false)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	from := ListenUDP(t, clientHost)
	big := make([]byte, 60_000)
	for range 3 * tapBuffer / len(big) {
		if _, err := from.WriteTo(big, &net.UDPAddr{IP: peerHost.AsSlice(), Port: 9}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tap.Drain(func(Passed) {}); err == nil {
		t.Error("a tap that was flooded beyond its room says that it saw all")
	}
}

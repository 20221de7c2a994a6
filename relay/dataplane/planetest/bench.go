package planetest

import (
	"testing"
)

// roundTrips relay one datagram from a client to its peer and one back.
var roundTrips = []struct {
	name string
	run  func(*bed) func()
}{
	{"channel", func(b *bed) func() {
		msg := channelData(channel, payload(160))
		return func() {
			b.client.send(b.listener, msg)
			b.peer.recv()
			b.peer.send(b.relay.Bind, msg[4:])
			b.client.recv()
		}
	}},
	{"indication", func(b *bed) func() {
		msg := sendIndication(b.other.addr, payload(160))
		return func() {
			b.client.send(b.listener, msg)
			b.other.recv()
			b.other.send(b.relay.Bind, msg[36:])
			b.client.recv()
		}
	}},
	{"handover", func(b *bed) func() {
		bob, relay, _, _ := b.second(b.relay.Public)
		b.judge.set(relay.Public, b.other.addr)
		msg, back := channelData(channel, payload(160)), channelData(channel+7, payload(160))
		return func() {
			b.client.send(b.listener, msg)
			bob.recv()
			bob.send(b.listener, back)
			b.client.recv()
		}
	}},
}

// Bench measures a relayed datagram each way. The sockets of the test are
// part of it, so its figures compare planes within one run only.
func Bench(b *testing.B, open func(testing.TB) Network) {
	for _, c := range roundTrips {
		b.Run(c.name, func(b *testing.B) {
			trip := c.run(newBed(b, open))
			b.ReportAllocs()
			for b.Loop() {
				trip()
			}
		})
	}
}

// NoAllocs fails when relaying a datagram allocates. It wants a network of
// UDP sockets, and no race detector: that makes pools forget.
func NoAllocs(t *testing.T, open func(testing.TB) Network) {
	for _, c := range roundTrips {
		t.Run(c.name, func(t *testing.T) {
			if n := testing.AllocsPerRun(2000, c.run(newBed(t, open))); n != 0 {
				t.Errorf("%v allocations a round trip, want 0", n)
			}
		})
	}
}

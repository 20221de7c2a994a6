package planetest

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"turnpike/relay/dataplane"
)

func ends(t *testing.T, b *bed) {
	b.Plane.Remove(b.relay)
	b.Plane.Remove(b.relay)
	if b.Plane.Live(b.relay.Bind) || b.Plane.Live(b.relay.Public) {
		t.Error("still live")
	}
	b.client.send(b.listener, channelData(channel, []byte("x")))
	b.barrier(b.client)
	if b.judge.asked.Load() != 0 || b.Plane.Counters().Dropped(dataplane.NoFlow) != 1 {
		t.Error("a removed flow was judged")
	}
	// Port and client are free for a successor.
	r, err := b.Plane.OpenRelay(b.relay.Bind, b.relay.Public)
	if err != nil {
		t.Fatal(err)
	}
	b.install(b.client, r, b.judge)
	b.client.send(b.listener, channelData(channel, []byte("again")))
	b.peer.expect([]byte("again"), r.Bind)
}

func removesUnderTraffic(t *testing.T, b *bed) {
	bob, relay, _, flow2 := b.second(b.relay.Public)
	b.judge.set(relay.Public, netip.AddrPort{})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, h := range []*host{b.client, bob} {
		number := uint16(channel)
		if h == bob {
			number += 7
		}
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					h.send(b.listener, channelData(number, []byte("flood")))
				}
			}
		})
	}
	for range 50 { // the flood is flowing
		b.client.recv()
	}
	b.Plane.Remove(relay)
	after := fmt.Sprint(flow2.Count.ToClient.Packets(), flow2.Count.ToPeer.Packets(), flow2.Count.Dropped())
	b.Plane.Remove(b.relay)
	close(stop)
	wg.Wait()
	if now := fmt.Sprint(flow2.Count.ToClient.Packets(), flow2.Count.ToPeer.Packets(), flow2.Count.Dropped()); now != after {
		t.Errorf("counted after Remove: %s, then %s", after, now)
	}
}

func removesTwice(t *testing.T, b *bed) {
	p := &parking{make(chan struct{}), make(chan struct{})}
	b.judge.park.Store(p)
	var wg sync.WaitGroup
	wg.Go(func() { b.client.send(b.listener, channelData(channel, []byte("held up"))) })
	<-p.parked
	var returned atomic.Int32
	for range 2 {
		wg.Go(func() {
			b.Plane.Remove(b.relay)
			returned.Add(1)
			if n := b.flow.Count.ToPeer.Packets() + b.flow.Count.Dropped(); n != 1 {
				t.Errorf("%d datagrams counted when Remove returned, want 1", n)
			}
		})
	}
	for range 1000 {
		runtime.Gosched()
	}
	if n := returned.Load(); n != 0 {
		t.Errorf("%d of 2 returned while a datagram was being judged", n)
	}
	close(p.release)
	wg.Wait()
}

func closes(t *testing.T, b *bed) {
	if err := b.Plane.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Plane.Close(); err != nil {
		t.Fatalf("second Close: %v", err)
	}
	if _, _, err := b.Plane.Listen(netip.AddrPortFrom(b.IP, 0), b.control); !errors.Is(err, dataplane.ErrClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
	if _, err := b.Plane.OpenRelay(b.relay.Bind, b.relay.Public); !errors.Is(err, dataplane.ErrClosed) {
		t.Errorf("OpenRelay after Close: %v", err)
	}
	if b.Plane.Live(b.relay.Bind) {
		t.Error("a relay lives on after Close")
	}
	b.Plane.Send(b.flow.Client, []byte("nobody"))
	b.Plane.Remove(b.relay)
}

// tally is a dataplane.Tally or the sum of several.
type tally interface {
	Packets() uint64
	Bytes() uint64
}

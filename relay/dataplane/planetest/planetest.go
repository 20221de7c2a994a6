package planetest

import (
	"errors"
	"net/netip"
	"testing"

	"turnpike/relay/dataplane"
)

// Run runs the contract against planes made by open.
func Run(t *testing.T, open func(testing.TB) Network) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *bed)
	}{
		{"what is not data is handed up and answered", handsUp},
		{"an answer made later is sent", lateAnswer},
		{"a channel carries both ways", carriesChannel},
		{"indications carry both ways", carriesIndications},
		{"DONT-FRAGMENT is honoured or handed up", keepsWhole},
		{"tallies are exact", countsExactly},
		{"each datagram is asked once", asksOnce},
		{"a refusal drops and is counted", refuses},
		{"sizes up to the limit pass, larger ones are dropped whole", bounds},
		{"malformed data is dropped", dropsMalformed},
		{"clients without a flow are dropped", dropsStrangers},
		{"relay to relay is handed over in process", handsOver},
		{"a handed-over datagram is judged at both ends", judgesBothEnds},
		{"a stream carries both ways beside UDP from the same address", carriesStream},
		{"a stream's messages that came together go out in order", carriesManyOfStream},
		{"a stream's messages stop at what is no data", stopsInStream},
		{"a stream and a datagram client talk", handsOverStream},
		{"a client or a port can't be used twice", refusesDoubles},
		{"a client has both families", carriesBothFamilies},
		{"a stream has both families", carriesBothFamiliesOfStream},
		{"one of two families ends alone", endsHalf},
		{"two families are handed over", handsOverFamilies},
		{"a family can't be used twice", refusesFamilyTwice},
		{"one family stays while the other comes and goes", staysBesideChange},
		{"nothing passes after Remove", ends},
		{"Remove is safe beside traffic", removesUnderTraffic},
		{"two Removes at once both wait", removesTwice},
		{"Close ends everything", closes},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, newBed(t, open)) })
	}
}

func handsUp(t *testing.T, b *bed) {
	for _, m := range [][]byte{
		{0}, []byte("\x00\x01\x00\x00"), []byte("\x16\x03\x01 tls"), []byte("GET / HTTP/1.1\r\n"), {0xff, 0xfe},
		payload(1500)[:1400],
	} {
		m[0] &^= 0x40 // not ChannelData
		b.client.send(b.listener, m)
		b.client.expect(m, b.listener)
		if got := <-b.controls; string(got) != string(m) {
			t.Fatalf("handed up %x, want %x", got, m)
		}
	}
	// A Send indication that is not wholly understood is not the plane's.
	strange := sendIndication(b.peer.addr, []byte("data"))
	strange[20], strange[21] = 0x7f, 0xff // an attribute that nobody knows in place of the peer
	b.client.send(b.listener, strange)
	b.client.expect(strange, b.listener)
	if n := b.Plane.Counters().Control.Packets(); n != 7 {
		t.Errorf("Control counts %d datagrams, want 7", n)
	}
}

func lateAnswer(_ *testing.T, b *bed) {
	b.Plane.Send(b.flow.Client, []byte("late"))
	b.client.expect([]byte("late"), b.listener)
}

func carriesChannel(_ *testing.T, b *bed) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 160, 1200, 1472} {
		b.client.send(b.listener, channelData(channel, payload(n)))
		b.peer.expect(payload(n), b.relay.Bind)
		b.peer.send(b.relay.Bind, payload(n))
		b.client.expect(channelData(channel, payload(n)), b.listener)
	}
	padded := append(channelData(channel, []byte("x")), 0, 0, 0)
	b.client.send(b.listener, padded)
	b.peer.expect([]byte("x"), b.relay.Bind)
}

func carriesIndications(_ *testing.T, b *bed) {
	for _, n := range []int{0, 1, 2, 3, 4, 160, 1200} {
		b.client.send(b.listener, sendIndication(b.other.addr, payload(n)))
		b.other.expect(payload(n), b.relay.Bind)
		b.other.send(b.relay.Bind, payload(n))
		b.expectData(b.client, b.other.addr, payload(n))
	}
	// A bound peer may be sent to by indication; it answers over the channel.
	b.client.send(b.listener, sendIndication(b.peer.addr, []byte("hi")))
	b.peer.expect([]byte("hi"), b.relay.Bind)
}

func countsExactly(t *testing.T, b *bed) {
	var packets, bytes uint64
	for n := 0; n < 200; n++ {
		b.client.send(b.listener, channelData(channel, payload(n)))
		b.peer.expect(payload(n), b.relay.Bind)
		b.peer.send(b.relay.Bind, payload(n))
		b.client.expect(channelData(channel, payload(n)), b.listener)
		packets, bytes = packets+1, bytes+uint64(n)
	}
	b.Plane.Remove(b.relay)
	all := b.Plane.Counters()
	for name, tally := range map[string]tally{
		"flow to peer": &b.flow.Count.ToPeer, "flow to client": &b.flow.Count.ToClient,
		"all to peer": &all.ToPeer, "all to client": &all.ToClient,
	} {
		if tally.Packets() != packets || tally.Bytes() != bytes {
			t.Errorf("%s: %d packets, %d bytes; want %d, %d", name, tally.Packets(), tally.Bytes(), packets, bytes)
		}
	}
	if n := b.flow.Count.Dropped(); n != 0 {
		t.Errorf("%d dropped", n)
	}
}

func asksOnce(t *testing.T, b *bed) {
	b.client.send(b.listener, channelData(channel, []byte("a")))
	b.peer.expect([]byte("a"), b.relay.Bind)
	b.client.send(b.listener, sendIndication(b.other.addr, []byte("b")))
	b.other.expect([]byte("b"), b.relay.Bind)
	b.peer.send(b.relay.Bind, []byte("c"))
	b.client.expect(channelData(channel, []byte("c")), b.listener)
	b.other.send(b.relay.Bind, []byte("d"))
	b.expectData(b.client, b.other.addr, []byte("d"))
	if n := b.judge.asked.Load(); n != 4 {
		t.Errorf("asked %d times for 4 datagrams", n)
	}
}

func refuses(t *testing.T, b *bed) {
	want := uint64(0)
	for v := dataplane.NoChannel; v <= dataplane.Ended; v++ {
		b.judge.refuse.Store(uint32(v))
		b.client.send(b.listener, channelData(channel, []byte("no")))
		b.client.send(b.listener, sendIndication(b.peer.addr, []byte("no")))
		b.barrier(b.client)
		if n := b.Plane.Counters().Dropped(v); n != 2 {
			t.Errorf("%s counted %d times, want 2", v, n)
		}
		want += 2
	}
	b.judge.refuse.Store(0)
	stranger := newHost(t, b.Network)
	stranger.send(b.relay.Bind, []byte("knock")) // no permission
	b.peer.send(b.relay.Bind, []byte("mark"))
	b.client.expect(channelData(channel, []byte("mark")), b.listener)
	if n := b.flow.Count.Dropped(); n != want+1 {
		t.Errorf("the flow counts %d drops, want %d", n, want+1)
	}
	// Nothing refused has come out anywhere.
	b.client.send(b.listener, channelData(channel, []byte("mark")))
	b.peer.expect([]byte("mark"), b.relay.Bind)
}

func bounds(t *testing.T, b *bed) {
	limit := b.Plane.Caps().MaxPayload
	if limit < 1500 {
		t.Fatalf("MaxPayload is %d", limit)
	}
	b.client.send(b.listener, channelData(channel, payload(limit)))
	b.peer.expect(payload(limit), b.relay.Bind)
	b.client.send(b.listener, sendIndication(b.other.addr, payload(limit)))
	b.other.expect(payload(limit), b.relay.Bind)
	b.peer.send(b.relay.Bind, payload(limit))
	b.client.expect(channelData(channel, payload(limit)), b.listener)
	b.other.send(b.relay.Bind, payload(limit))
	b.expectData(b.client, b.other.addr, payload(limit))

	for i, n := range []int{limit + 1, limit + 200, 60000} {
		b.client.send(b.listener, channelData(channel, payload(n)))
		b.client.send(b.listener, channelData(channel, []byte("mark")))
		b.peer.expect([]byte("mark"), b.relay.Bind)
		b.peer.send(b.relay.Bind, payload(n))
		b.peer.send(b.relay.Bind, []byte("mark"))
		b.client.expect(channelData(channel, []byte("mark")), b.listener)
		if got := b.Plane.Counters().Dropped(dataplane.Oversize); got != uint64(2*i+2) {
			t.Errorf("%d bytes: %d counted as oversize, want %d", n, got, 2*i+2)
		}
	}
}

func dropsMalformed(t *testing.T, b *bed) {
	for _, m := range [][]byte{
		{0x40}, {0x40, 0x01, 0x00},
		{0x40, 0x01, 0x00, 0x05, 1, 2, 3, 4},    // longer than the datagram
		{0x40, 0x01, 0x00, 0x00, 1, 2, 3, 4},    // more than padding behind it
		{0x40, 0x01, 0xff, 0xfc, 0, 0, 0, 0, 0}, // the frame that overflows 16 bits
	} {
		b.client.send(b.listener, m)
	}
	b.barrier(b.client)
	if n := b.Plane.Counters().Dropped(dataplane.Malformed); n != 5 {
		t.Errorf("%d counted as malformed, want 5", n)
	}
}

func dropsStrangers(t *testing.T, b *bed) {
	s := newHost(t, b.Network)
	s.send(b.listener, channelData(channel, []byte("x")))
	s.send(b.listener, sendIndication(b.peer.addr, []byte("x")))
	b.barrier(s)
	if n := b.Plane.Counters().Dropped(dataplane.NoFlow); n != 2 {
		t.Errorf("%d counted as no_flow, want 2", n)
	}
	if b.judge.asked.Load() != 0 {
		t.Error("another client's judge was asked")
	}
}

// second opens an allocation of another client whose channel peer is peer.
func (b *bed) second(peer netip.AddrPort) (*host, *dataplane.Relay, *judge, *dataplane.Flow) {
	h, r := newHost(b.t, b.Network), b.openRelay()
	j := newJudge(channel+7, peer, netip.AddrPort{})
	return h, r, j, b.install(h, r, j)
}

func handsOver(t *testing.T, b *bed) {
	bob, relay, judge2, flow2 := b.second(b.relay.Public)
	for _, addr := range []netip.AddrPort{relay.Public, relay.Bind} {
		if !b.Plane.Live(addr) {
			t.Errorf("%s is not live", addr)
		}
		b.judge.set(addr, netip.AddrPort{})
		b.client.send(b.listener, channelData(channel, []byte("over")))
		bob.expect(channelData(channel+7, []byte("over")), b.listener)
		b.client.send(b.listener, sendIndication(addr, []byte("sent")))
		bob.expect(channelData(channel+7, []byte("sent")), b.listener)
	}
	b.judge.set(relay.Public, netip.AddrPort{})
	bob.send(b.listener, channelData(channel+7, []byte("back")))
	b.client.expect(channelData(channel, []byte("back")), b.listener)
	judge2.set(netip.AddrPort{}, b.relay.Public) // known, but on no channel
	b.client.send(b.listener, channelData(channel, []byte("data")))
	b.expectData(bob, b.relay.Public, []byte("data"))
	b.client.send(b.listener, sendIndication(relay.Public, []byte("indication")))
	b.expectData(bob, b.relay.Public, []byte("indication"))

	b.Plane.Remove(relay)
	b.Plane.Remove(b.relay)
	if n := b.Plane.Counters().HandedOver.Packets(); n != 7 {
		t.Errorf("%d handed over, want 7", n)
	}
	if n := b.flow.Count.ToPeer.Packets(); n != 6 || flow2.Count.ToClient.Packets() != 6 {
		t.Errorf("alice sent %d, bob got %d, want 6", n, flow2.Count.ToClient.Packets())
	}
	if n := b.flow.Count.ToClient.Packets(); n != 1 || flow2.Count.ToPeer.Packets() != 1 {
		t.Errorf("bob sent %d, alice got %d, want 1", flow2.Count.ToPeer.Packets(), n)
	}
}

func judgesBothEnds(t *testing.T, b *bed) {
	_, relay, judge2, flow2 := b.second(b.relay.Public)
	b.judge.set(relay.Public, netip.AddrPort{})
	judge2.refuse.Store(uint32(dataplane.NoPermission))
	b.client.send(b.listener, channelData(channel, []byte("x")))
	b.barrier(b.client)
	if judge2.asked.Load() != 1 || flow2.Count.Dropped() != 1 || flow2.Count.ToClient.Packets() != 0 {
		t.Error("the receiving session was not asked, or not obeyed")
	}
	judge2.refuse.Store(0)
	b.judge.refuse.Store(uint32(dataplane.PolicyPeer))
	b.client.send(b.listener, channelData(channel, []byte("x")))
	b.barrier(b.client)
	if judge2.asked.Load() != 1 || b.flow.Count.Dropped() != 1 {
		t.Error("the sending session's refusal was not obeyed")
	}
}

func refusesDoubles(t *testing.T, b *bed) {
	r := b.openRelay()
	if err := b.Plane.Install(&dataplane.Flow{Client: b.flow.Client, Relay: r, Pass: b.judge}); !errors.Is(err, dataplane.ErrClientInUse) {
		t.Errorf("a second flow of a client: %v", err)
	}
	if _, err := b.Plane.OpenRelay(b.relay.Bind, b.relay.Public); !errors.Is(err, dataplane.ErrPortInUse) {
		t.Errorf("a relay port opened twice: %v", err)
	}
	if _, _, err := b.Plane.Listen(b.listener, b.control); err == nil {
		t.Error("a listener opened twice")
	}
	taken := netip.AddrPortFrom(b.IP, b.peer.addr.Port())
	if _, err := b.Plane.OpenRelay(taken, taken); !errors.Is(err, dataplane.ErrPortInUse) {
		t.Errorf("a port of somebody else: %v", err)
	}
	if b.Plane.Live(taken) {
		t.Error("a port that could not be opened is live")
	}
}

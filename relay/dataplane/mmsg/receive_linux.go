package mmsg

import (
	"net/netip"
	"time"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// split calls do for each datagram in message i.
func (w *worker) split(in *udpio.In, i int, gro bool, do func(b []byte)) {
	b := in.Bytes(i)
	w.held += len(b)
	if gro {
		if size := in.Segment(i); size > 0 {
			for len(b) > size {
				w.serving++
				do(b[:size])
				b = b[size:]
			}
		}
	}
	w.serving++
	do(b)
}

// fromClient takes a message that came to a listener.
func (w *worker) fromClient(d *door, in *udpio.In, i int) {
	c := dataplane.Client{Listener: d.id, Addr: in.Addr(i)}
	own := w.p.relays.Find(c.Addr) != nil
	cut := in.Truncated(i)
	w.split(in, i, d.gro, func(b []byte) {
		switch {
		case own:
			// A relay of ours never talks to a listener of ours over the network:
			// loops and nested allocations end here (RFC 8656 §21.1.7).
			w.counted.Drop(nil, dataplane.OwnRelay)
		case cut || len(b) > maxPayload+dataplane.MaxFraming:
			w.counted.Drop(nil, dataplane.Oversize)
		default:
			w.message(d, &c, b)
		}
	})
}

// message takes a datagram of a client.
func (w *worker) message(d *door, c *dataplane.Client, b []byte) {
	w.makeRoom()
	data, kind := dataplane.ParseData(b, w.p.whole)
	switch kind {
	case dataplane.Stop:
		w.counted.Drop(nil, dataplane.Malformed)
		return
	case dataplane.HandUp:
		w.counted.Control.Add(len(b))
		w.answer(d, c, b)
		return
	}
	s, f := w.ofClient(c)
	if f == nil {
		w.counted.Drop(nil, dataplane.NoFlow)
		return
	}
	peer, v := judge(f, &data, w.now)
	if v != dataplane.Allow {
		w.counted.Drop(f, v)
		return
	}
	if !s.reaches(peer.Addr()) {
		s, f = w.cross(c, s, f)
		if f == nil {
			return
		}
	}
	if other := w.p.relays.Find(peer); other != nil {
		w.handOver(f, other, data.Payload)
		return
	}
	w.toPeer(s, f, peer, &data)
}

// ofClient enters a flow of the client's, either of two: both have the same Pass.
func (w *worker) ofClient(c *dataplane.Client) (*socket, *dataplane.Flow) {
	s := w.find(c, nil)
	if s == nil {
		return nil, nil
	}
	f := w.enter(s)
	if f == nil { // it is ending, and the other may live on
		if s = w.find(c, s); s != nil {
			f = w.enter(s)
		}
	}
	return s, f
}

// cross goes over to the client's other flow, of the family of the peer. nil: it
// has none.
func (w *worker) cross(c *dataplane.Client, s *socket, f *dataplane.Flow) (*socket, *dataplane.Flow) {
	other := w.find(c, s)
	if other != nil {
		if g := w.enter(other); g != nil {
			return other, g
		}
	}
	w.counted.Drop(f, dataplane.NoFlow)
	return nil, nil
}

// find is a relay socket of the client, but not beside. Its datagrams may come to
// another worker than the one that serves it: see steer.
func (w *worker) find(c *dataplane.Client, beside *socket) *socket {
	if s := w.clients.beside(c, beside); s != nil || len(w.p.workers) == 1 {
		return s
	}
	if home := w.p.workers[steer(c.Addr, len(w.p.workers))]; home != w {
		return home.clients.beside(c, beside)
	}
	return nil
}

func judge(f *dataplane.Flow, data *dataplane.Data, now time.Time) (netip.AddrPort, dataplane.Verdict) {
	if len(data.Payload) > maxPayload {
		return netip.AddrPort{}, dataplane.Oversize
	}
	return f.Pass.ToPeer(data.Channel, data.Peer, len(data.Payload), now)
}

// handOver gives a payload to the flow of another relay of ours. For the sender
// it has left.
func (w *worker) handOver(f *dataplane.Flow, other *dataplane.Relay, payload []byte) {
	f.Count.ToPeer.Add(len(payload))
	w.counted.ToPeer[f.Class].Add(len(payload))
	w.counted.HandedOver.Add(len(payload))
	s := other.Socket.(*socket)
	g := w.enter(s)
	if g == nil {
		w.counted.Drop(nil, dataplane.NoFlow)
		return
	}
	w.toClient(s, g, f.Relay.Public, payload)
}

// fromPeer takes a message that came to a relay socket.
func (w *worker) fromPeer(s *socket, in *udpio.In, i int) {
	from := in.Addr(i)
	own := w.p.relays.Find(from) != nil // those are handed over, so this one is forged
	cut := in.Truncated(i)
	w.split(in, i, w.p.gro, func(b []byte) {
		w.makeRoom()
		f := w.enter(s)
		switch {
		case own:
			w.counted.Drop(nil, dataplane.OwnRelay)
		case f == nil:
			w.counted.Drop(nil, dataplane.NoFlow)
		case cut:
			w.counted.Drop(f, dataplane.Oversize)
		default:
			w.toClient(s, f, from, b)
		}
	})
}

// toClient judges a payload and queues it for the client of f, which is entered.
func (w *worker) toClient(s *socket, f *dataplane.Flow, from netip.AddrPort, payload []byte) {
	if len(payload) > maxPayload {
		w.counted.Drop(f, dataplane.Oversize)
		return
	}
	channel, v := f.Pass.ToClient(from, len(payload), w.now)
	switch {
	case v != dataplane.Allow:
		w.counted.Drop(f, v)
	case f.Client.Stream != nil:
		w.toStreamClient(f, channel, from, payload)
	default:
		w.toDatagramClient(s, f, channel, from, payload)
	}
}

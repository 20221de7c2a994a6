package mmsg

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// Deliver implements dataplane.Plane. It runs on the connection's goroutine.
func (p *Plane) Deliver(c dataplane.Client, buf []byte, n int) dataplane.Kind {
	b := buf[dataplane.Headroom : dataplane.Headroom+n]
	data, kind := dataplane.ParseData(b)
	switch kind {
	case dataplane.Stop:
		return p.stop(nil, dataplane.Malformed)
	case dataplane.HandUp:
		p.counted.Control.Add(n)
		return dataplane.HandUp
	}
	s := p.streams.find(&c)
	if s == nil {
		return p.stop(nil, dataplane.NoFlow)
	}
	f := s.enter()
	if f == nil {
		return p.stop(nil, dataplane.NoFlow)
	}
	defer f.Leave()
	now := p.o.Now()
	peer, v := judge(f, &data, now)
	if v != dataplane.Allow {
		return p.stop(f, v)
	}
	if other := p.relays.Find(peer); other != nil {
		return p.handOver(f, other, data.Payload, now)
	}
	if v := send(s.fd, peer, data.Payload); v != dataplane.Allow {
		p.counted.Drop(f, v)
		return dataplane.ToPeer
	}
	f.Count.ToPeer.Add(len(data.Payload))
	p.counted.ToPeer[f.Class].Add(len(data.Payload))
	return dataplane.ToPeer
}

func (p *Plane) stop(f *dataplane.Flow, v dataplane.Verdict) dataplane.Kind {
	p.counted.Drop(f, v)
	return dataplane.Stop
}

// handOver is worker.handOver for a stream's goroutine.
func (p *Plane) handOver(f *dataplane.Flow, other *dataplane.Relay, payload []byte, now time.Time) dataplane.Kind {
	f.Count.ToPeer.Add(len(payload))
	p.counted.ToPeer[f.Class].Add(len(payload))
	p.counted.HandedOver.Add(len(payload))
	g := other.Socket.(*socket).enter()
	if g == nil {
		p.counted.Drop(nil, dataplane.NoFlow)
		return dataplane.Lost
	}
	defer g.Leave()
	from := f.Relay.Public
	channel, v := g.Pass.ToClient(from, len(payload), now)
	if v != dataplane.Allow {
		p.counted.Drop(g, v)
		return dataplane.Lost
	}
	room := rooms.Get().(*[dataplane.Headroom + maxPayload + dataplane.Tailroom]byte)
	defer rooms.Put(room)
	if v := p.toClient(g.Client, frame(room[:], channel, from, payload)); v != dataplane.Allow {
		p.counted.Drop(g, v)
		return dataplane.ToClient
	}
	g.Count.ToClient.Add(len(payload))
	p.counted.ToClient[g.Class].Add(len(payload))
	return dataplane.ToClient
}

var rooms = sync.Pool{New: func() any { return new([dataplane.Headroom + maxPayload + dataplane.Tailroom]byte) }}

// Send implements dataplane.Plane.
func (p *Plane) Send(c dataplane.Client, b []byte) {
	if v := p.toClient(c, b); v != dataplane.Allow {
		p.counted.Drop(nil, v)
	}
}

// toClient sends a message the way its client came.
func (p *Plane) toClient(c dataplane.Client, b []byte) dataplane.Verdict {
	if c.Stream != nil {
		return c.Stream.Send(b)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	all := *p.listeners.Load()
	if p.closed || c.Listener < 0 || int(c.Listener) >= len(all) {
		return dataplane.Ended
	}
	return send(all[c.Listener].doors[0].fd, c.Addr, b)
}

// outs are for those who send one datagram and are no worker.
var outs = sync.Pool{New: func() any { return udpio.NewOut(1, 1) }}

func send(fd int, to netip.AddrPort, b []byte) dataplane.Verdict {
	out := outs.Get().(*udpio.Out)
	defer outs.Put(out)
	out.Reset()
	out.Start(to)
	out.Part(b)
	return sendOne(out, fd)
}

// sendOne sends the one message of out, in fragments if it has to be.
func sendOne(out *udpio.Out, fd int) dataplane.Verdict {
	_, err := out.Send(fd, 0, 1)
	if err == unix.EMSGSIZE {
		err = out.SendFragmented(fd, 0)
	}
	return verdict(err)
}

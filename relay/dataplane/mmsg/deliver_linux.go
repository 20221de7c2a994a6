package mmsg

import (
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// Deliver implements dataplane.Plane. It runs on the connection's goroutine.
func (p *Plane) Deliver(c dataplane.Client, buf []byte, messages []dataplane.Span) (int, dataplane.Kind) {
	u := upstreams.Get().(*upstream)
	defer upstreams.Put(u)
	u.begin(p)
	defer u.flush()
	messages = messages[:min(len(messages), maxUp)]
	kind := dataplane.Stop
	for i, m := range messages {
		if kind = u.message(&c, m.Of(buf)); kind == dataplane.Stop || kind == dataplane.HandUp {
			return i + 1, kind
		}
	}
	return len(messages), kind
}

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
	return sendTo(all[c.Listener].doors[0].fd, c.Addr, b)
}

// outs are for those who send one datagram and are no worker.
var outs = sync.Pool{New: func() any { return udpio.NewOut(1, 1) }}

func sendTo(fd int, to netip.AddrPort, b []byte) dataplane.Verdict {
	out := outs.Get().(*udpio.Out)
	defer outs.Put(out)
	out.Reset()
	out.Start(to)
	out.Part(b)
	return sendOne(out, fd, false)
}

// sendOne sends the one message of out, in fragments if it has to be and is not
// to stay whole.
func sendOne(out *udpio.Out, fd int, whole bool) dataplane.Verdict {
	_, err := send(out, fd, 0, 1, whole)
	if err == unix.EMSGSIZE && !whole {
		err = sendFragmented(out, fd, 0)
	}
	return verdict(err)
}

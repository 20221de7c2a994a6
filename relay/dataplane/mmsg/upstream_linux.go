package mmsg

import (
	"net/netip"
	"sync"
	"time"

	"turnpike/relay/dataplane"
)

// maxUp bounds what is sent at once of what came over a stream.
const maxUp = 64

// upstream sends what a client has sent over a stream, all that came together at
// once: the datagrams of a run to one peer in one message, as workers do.
type upstream struct {
	sender
	now    time.Time
	socket *socket
	flow   *dataplane.Flow // of socket, entered; nil: not looked for yet
	beside struct {        // the client's other flow, of the other family, once it was used
		socket *socket
		flow   *dataplane.Flow
	}
	runs   []run
	others []*dataplane.Flow // of streams that something was queued for, entered
	room   [dataplane.Headroom + maxPayload + dataplane.Tailroom]byte
}

var upstreams = sync.Pool{New: func() any {
	return &upstream{
		sender: newSender(nil, nil, maxUp, maxUp, maxUp+3), // build wants room for three parts
		runs:   make([]run, 0, maxUp), others: make([]*dataplane.Flow, 0, maxUp),
	}
}}

func (u *upstream) begin(p *Plane) {
	u.p, u.all = p, &p.counted
	u.now = p.o.Now()
}

// flush sends everything, counts it and leaves the flows.
func (u *upstream) flush() {
	from := u.socket
	for i := range u.runs {
		r := &u.runs[i]
		if r.socket != from {
			u.transmit(from.fd)
			from = r.socket
		}
		u.build(r, from.fd)
	}
	if u.out.Len() > 0 {
		u.transmit(from.fd)
	}
	for _, f := range u.others {
		f.Client.Stream.Flush()
		f.Leave()
	}
	for _, f := range []*dataplane.Flow{u.flow, u.beside.flow} {
		if f != nil {
			f.Leave()
		}
	}
	clear(u.runs)
	clear(u.others)
	clear(u.items)
	u.p, u.all, u.socket, u.flow = nil, nil, nil, nil
	u.beside.socket, u.beside.flow = nil, nil
	u.runs, u.others, u.items = u.runs[:0], u.others[:0], u.items[:0]
}

// message takes one message.
func (u *upstream) message(c *dataplane.Client, b []byte) dataplane.Kind {
	data, kind := dataplane.ParseData(b, u.p.whole)
	switch kind {
	case dataplane.Stop:
		return u.stop(dataplane.Malformed)
	case dataplane.HandUp:
		u.all.Control.Add(len(b))
		return dataplane.HandUp
	}
	if u.flow == nil && !u.enter(c) {
		return u.stop(dataplane.NoFlow)
	}
	peer, v := judge(u.flow, &data, u.now)
	if v != dataplane.Allow {
		return u.stop(v)
	}
	if !u.socket.reaches(peer.Addr()) && !u.cross(c) {
		return u.stop(dataplane.NoFlow)
	}
	if other := u.p.relays.Find(peer); other != nil {
		return u.handOver(other, data.Payload)
	}
	u.queue(peer, &data)
	return dataplane.ToPeer
}

// enter enters a flow of the client's, either of two: both have the same Pass.
// false: there is none.
func (u *upstream) enter(c *dataplane.Client) bool {
	if u.socket = u.p.streams.find(c); u.socket == nil {
		return false
	}
	if u.flow = u.socket.enter(); u.flow != nil {
		return true
	}
	// It is ending, and the other may live on.
	if u.socket = u.p.streams.beside(c, u.socket); u.socket != nil {
		u.flow = u.socket.enter()
	}
	return u.flow != nil
}

// cross goes over to the client's other flow; false: there is none.
func (u *upstream) cross(c *dataplane.Client) bool {
	if u.beside.flow == nil {
		if u.beside.socket = u.p.streams.beside(c, u.socket); u.beside.socket == nil {
			return false
		}
		if u.beside.flow = u.beside.socket.enter(); u.beside.flow == nil {
			return false
		}
	}
	u.socket, u.beside.socket = u.beside.socket, u.socket
	u.flow, u.beside.flow = u.beside.flow, u.flow
	return true
}

func (u *upstream) stop(v dataplane.Verdict) dataplane.Kind {
	u.all.Drop(u.flow, v)
	return dataplane.Stop
}

// queue adds a payload to the last run, if it goes the same way.
func (u *upstream) queue(peer netip.AddrPort, data *dataplane.Data) {
	at := int32(len(u.items))
	u.items = append(u.items, item{body: data.Payload, whole: data.DontFragment, next: -1})
	if n := len(u.runs); n > 0 && u.runs[n-1].to == peer {
		r := &u.runs[n-1]
		u.items[r.last].next, r.last = at, at
		return
	}
	u.runs = append(u.runs, run{socket: u.socket, flow: u.flow, way: toPeer, to: peer, first: at, last: at})
}

// handOver is worker.handOver for a stream's goroutine.
func (u *upstream) handOver(other *dataplane.Relay, payload []byte) dataplane.Kind {
	f := u.flow
	f.Count.ToPeer.Add(len(payload))
	u.all.ToPeer[f.Class].Add(len(payload))
	u.all.HandedOver.Add(len(payload))
	g := other.Socket.(*socket).enter()
	if g == nil {
		u.all.Drop(nil, dataplane.NoFlow)
		return dataplane.Lost
	}
	from := f.Relay.Public
	channel, v := g.Pass.ToClient(from, len(payload), u.now)
	if v != dataplane.Allow {
		u.all.Drop(g, v)
		g.Leave()
		return dataplane.Lost
	}
	u.toClient(g, frame(u.room[:], channel, from, payload), len(payload))
	return dataplane.ToClient
}

// toClient sends n bytes of payload to the client of g, which is entered.
func (u *upstream) toClient(g *dataplane.Flow, b []byte, n int) {
	v := dataplane.Allow
	if g.Client.Stream != nil {
		v = g.Client.Stream.Queue(b)
		u.others = append(u.others, g)
	} else {
		v = u.p.toClient(g.Client, b)
		defer g.Leave()
	}
	if v != dataplane.Allow {
		u.all.Drop(g, v)
		return
	}
	g.Count.ToClient.Add(n)
	u.all.ToClient[g.Class].Add(n)
}

package mmsg

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"turnpike/pkg/udpio"
	"turnpike/relay/dataplane"
)

// sender makes messages of runs of datagrams, sends them, and counts what became
// of them. A worker has one, and so has who delivers what came over a stream.
type sender struct {
	p     *Plane
	all   *dataplane.Counters // of whoever sends
	items []item

	out  *udpio.Out
	sent []message // what each message of out holds
	one  *udpio.Out
}

func newSender(p *Plane, all *dataplane.Counters, items, messages, parts int) sender {
	return sender{
		p: p, all: all, items: make([]item, 0, items),
		out: udpio.NewOut(messages, parts), sent: make([]message, 0, messages), one: udpio.NewOut(1, 3),
	}
}

// item is a datagram: framing, payload, padding.
type item struct {
	head, body []byte
	pad        int
	next       int32 // in its run; -1: the last
	whole      bool  // not to leave in fragments
}

func (i *item) size() int { return len(i.head) + len(i.body) + i.pad }

// run is datagrams over one socket to one destination, in order.
type run struct {
	socket      *socket // nil: answers
	flow        *dataplane.Flow
	way         way
	to          netip.AddrPort
	listener    dataplane.ListenerID // the way to a client
	first, last int32
}

// way is a direction.
type way uint8

const (
	toPeer way = iota
	toClient
)

// message is some datagrams of a run.
type message struct {
	run      *run
	first    int32
	n, bytes int // datagrams, payload
}

var zeros [4]byte

// build makes messages of a run: of datagrams of one size, and one smaller at
// the end, the kernel makes itself (UDP_SEGMENT). Those that are to stay whole
// and others go together: the kernel never fragments what it segments, and
// what is too large for that is sent one by one.
func (x *sender) build(r *run, fd int) {
	for at := r.first; at >= 0; {
		if !x.out.Room(3) {
			x.transmit(fd)
		}
		first := &x.items[at]
		m := message{run: r, first: at, n: 1, bytes: len(first.body)}
		size, total := first.size(), first.size()
		x.out.Start(r.to)
		x.add(first)
		at = first.next
		for at >= 0 && x.segments(r, size) {
			it := &x.items[at]
			n := it.size()
			if n > size || n == 0 || total+n > udpio.MaxMessage || m.n == udpio.MaxSegments || !x.out.RoomForParts(3) {
				break
			}
			x.add(it)
			m.n, m.bytes, total, at = m.n+1, m.bytes+len(it.body), total+n, it.next
			if n < size {
				break
			}
		}
		switch {
		case m.n > 1:
			x.out.Segment(size)
		case first.whole:
			x.out.Whole(r.to.Addr())
		}
		x.sent = append(x.sent, m)
	}
}

func (x *sender) add(it *item) {
	x.out.Part(it.head)
	x.out.Part(it.body)
	x.out.Part(zeros[:it.pad])
}

// segments reports whether datagrams of a size may go in one message.
func (x *sender) segments(r *run, size int) bool {
	if size == 0 || r.socket == nil || !x.p.gso.Load() {
		return false
	}
	limit := r.socket.segment[r.way].Load()
	return limit == 0 || size < int(limit)
}

// transmit sends the messages that were built, over one socket.
func (x *sender) transmit(fd int) {
	for at, all := 0, x.out.Len(); at < all; {
		m := &x.sent[at]
		n, err := send(x.out, fd, at, all, m.n > 1 || x.items[m.first].whole)
		for _, m := range x.sent[at : at+n] {
			x.settle(&m, dataplane.Allow)
		}
		if at += n; err != nil {
			at += x.unsent(fd, at, all, err)
		}
	}
	x.out.Reset()
	x.sent = x.sent[:0]
}

// unsent deals with message at, which the kernel refused, and returns how many
// messages are dealt with.
func (x *sender) unsent(fd, at, all int, err error) int {
	m := &x.sent[at]
	switch {
	case m.n > 1 && (err == unix.EINVAL || err == unix.EMSGSIZE || err == unix.EIO || err == unix.EOPNOTSUPP):
		x.singly(fd, m, err)
	case err == unix.EAGAIN: // nor would it take the others
		for i := at; i < all; i++ {
			x.settle(&x.sent[i], dataplane.SocketFull)
		}
		return all - at
	case err == unix.EMSGSIZE && !x.items[m.first].whole:
		x.settle(m, verdict(sendFragmented(x.out, fd, at)))
	default:
		x.settle(m, verdict(err))
	}
	return 1
}

// singly sends the datagrams of a message one by one: the path does not take
// them as segments, because they are larger than its MTU (EINVAL, EMSGSIZE), or
// because the device can't compute checksums (EIO).
func (x *sender) singly(fd int, m *message, err error) {
	if errors.Is(err, unix.EIO) {
		x.p.gso.Store(false)
	} else {
		m.run.socket.segment[m.run.way].Store(int32(x.items[m.first].size()))
	}
	at := m.first
	for range m.n {
		it := &x.items[at]
		x.one.Reset()
		x.one.Start(m.run.to)
		x.one.Part(it.head)
		x.one.Part(it.body)
		x.one.Part(zeros[:it.pad])
		if it.whole {
			x.one.Whole(m.run.to.Addr())
		}
		x.settle(&message{run: m.run, n: 1, bytes: len(it.body)}, sendOne(x.one, fd, it.whole))
		at = it.next
	}
}

// settle counts what became of a message.
func (x *sender) settle(m *message, v dataplane.Verdict) {
	f := m.run.flow
	switch {
	case v != dataplane.Allow:
		x.all.DropMany(f, v, m.n)
	case f == nil: // an answer
	case m.run.way == toPeer:
		f.Count.ToPeer.AddMany(m.n, m.bytes)
		x.all.ToPeer[f.Class].AddMany(m.n, m.bytes)
	default:
		f.Count.ToClient.AddMany(m.n, m.bytes)
		x.all.ToClient[f.Class].AddMany(m.n, m.bytes)
	}
}

package dataplane

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Switch decides where a datagram goes. It has no socket and no clock: a plane
// reads, asks FromClient or FromPeer, does what the Move says, and settles it.
// It is safe for concurrent use and allocates nothing for a datagram.
type Switch struct {
	Directory
	Counters Counters

	maxPayload   int
	dontFragment bool
	seed         maphash.Seed
	clients      [64]clientShard
}

// clientShard spreads the lock over the listeners' workers.
type clientShard struct {
	mu     sync.RWMutex // guards the following fields
	flows  map[Client]*Flow
	second map[Client]*Flow // of clients in flows: that of the other family
}

// NewSwitch makes a switch for a plane that can do what caps says.
func NewSwitch(caps Caps) *Switch {
	s := &Switch{maxPayload: caps.MaxPayload, dontFragment: caps.DontFragment, seed: maphash.MakeSeed()}
	for i := range s.clients {
		s.clients[i].flows, s.clients[i].second = make(map[Client]*Flow), make(map[Client]*Flow)
	}
	return s
}

// MaxPayload is the largest payload relayed, in bytes.
func (s *Switch) MaxPayload() int { return s.maxPayload }

func (s *Switch) shard(c Client) *clientShard {
	return &s.clients[maphash.Comparable(s.seed, c)%uint64(len(s.clients))]
}

func (s *Switch) flow(c Client) *Flow {
	sh := s.shard(c)
	sh.mu.RLock()
	f := sh.flows[c]
	sh.mu.RUnlock()
	return f
}

// other enters the flow that the client has beside f, or nil.
func (s *Switch) other(c Client, f *Flow) *Flow {
	sh := s.shard(c)
	sh.mu.RLock()
	g := sh.flows[c]
	if g == f {
		g = sh.second[c]
	}
	sh.mu.RUnlock()
	if g == nil || !g.Enter() {
		return nil
	}
	return g
}

// Install lets a flow's datagrams pass. Its relay must be in the Directory.
func (s *Switch) Install(f *Flow) error {
	sh := s.shard(f.Client)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.addLocked(f) {
		return ErrClientInUse
	}
	f.Relay.flow.Store(f)
	if s.Find(f.Relay.Bind) != f.Relay { // asked last: an Uninstall now sees the flow
		sh.removeLocked(f)
		f.Relay.flow.Store(nil)
		f.Close()
		return ErrClosed
	}
	return nil
}

// Uninstall takes a relay and its flow out and waits for the moves under way.
func (s *Switch) Uninstall(r *Relay) {
	s.Delete(r)
	f := r.flow.Swap(nil)
	if f == nil {
		return
	}
	sh := s.shard(f.Client)
	sh.mu.Lock()
	sh.removeLocked(f)
	sh.mu.Unlock()
	f.Close()
}

// addLocked enters a flow; false: its client has one of that family.
func (sh *clientShard) addLocked(f *Flow) bool {
	first := sh.flows[f.Client]
	switch {
	case first == nil:
		sh.flows[f.Client] = f
	case sh.second[f.Client] == nil && !first.Relay.reaches(f.Relay.Bind.Addr()):
		sh.second[f.Client] = f
	default:
		return false
	}
	return true
}

// removeLocked takes a flow out, if it is there.
func (sh *clientShard) removeLocked(f *Flow) {
	second := sh.second[f.Client]
	switch {
	case second == f:
		delete(sh.second, f.Client)
	case sh.flows[f.Client] != f:
	case second == nil:
		delete(sh.flows, f.Client)
	default:
		sh.flows[f.Client] = second
		delete(sh.second, f.Client)
	}
}

// Kind says what to do with a datagram.
type Kind uint8

const (
	Stop     Kind = iota // nothing: it is dropped and counted
	HandUp               // call Control
	ToPeer               // send Data from Relay's socket to Peer
	ToClient             // send Data to Client from its listener
	Lost                 // nothing: it was handed over, and the other flow dropped it
)

// Move is what becomes of one datagram. ToPeer and ToClient must be settled
// with Sent or Failed, exactly once: until then the flow can't end.
type Move struct {
	Kind   Kind
	Relay  *Relay
	Peer   netip.AddrPort
	Client Client
	Data   []byte

	flow *Flow
	n    int
}

// FromClient decides about the datagram at buf[Headroom:Headroom+n] that came
// from c. It may overwrite buf.
func (s *Switch) FromClient(c Client, buf []byte, n int, now time.Time) Move {
	b := buf[Headroom : Headroom+n]
	if c.Stream == nil && s.Find(c.Addr) != nil {
		// A relay of ours never talks to a listener of ours over the network:
		// loops and nested allocations end here (RFC 8656 §21.1.7).
		return s.stop(nil, OwnRelay)
	}
	d, kind := ParseData(b, s.dontFragment)
	switch kind {
	case Stop:
		return s.stop(nil, Malformed)
	case HandUp:
		s.Counters.Control.Add(n)
		return Move{Kind: HandUp, Client: c, Data: b}
	}
	f := s.flow(c)
	if f != nil && !f.Enter() {
		f = s.other(c, f)
	}
	if f == nil {
		return s.stop(nil, NoFlow)
	}
	at := Headroom + offset(b, d.Payload)
	return s.toPeer(f, d.Channel, d.Peer, buf, at, len(d.Payload), now)
}

// offset is where payload begins in b, of which it is a part.
func offset(b, payload []byte) int { return cap(b) - cap(payload) }

// toPeer judges a payload on its way out; f is entered.
func (s *Switch) toPeer(f *Flow, channel uint16, peer netip.AddrPort, buf []byte, at, n int, now time.Time) Move {
	if n > s.maxPayload {
		return s.leave(f, Oversize)
	}
	peer, v := f.Pass.ToPeer(channel, peer, n, now)
	if v != Allow {
		return s.leave(f, v)
	}
	if !f.Relay.reaches(peer.Addr()) {
		g := s.other(f.Client, f)
		if g == nil {
			return s.leave(f, NoFlow)
		}
		f.Leave()
		f = g
	}
	if other := s.Find(peer); other != nil {
		return s.handOver(f, other, buf, at, n, now)
	}
	return Move{Kind: ToPeer, Relay: f.Relay, Peer: peer, Data: buf[at : at+n], flow: f, n: n}
}

// handOver gives a payload of f to the flow of another relay of ours. For the
// sender it has left.
func (s *Switch) handOver(f *Flow, other *Relay, buf []byte, at, n int, now time.Time) Move {
	from := f.Relay.Public
	f.Count.ToPeer.Add(n)
	s.Counters.ToPeer[f.Class].Add(n)
	s.Counters.HandedOver.Add(n)
	f.Leave()
	m := s.toClient(other, from, buf, at, n, now)
	if m.Kind == Stop {
		m.Kind = Lost
	}
	return m
}

// FromPeer decides about the payload at buf[Headroom:Headroom+n] that came
// over the network from a peer to relay r. It may overwrite buf.
func (s *Switch) FromPeer(r *Relay, from netip.AddrPort, buf []byte, n int, now time.Time) Move {
	if s.Find(from) != nil {
		return s.stop(nil, OwnRelay) // those are handed over, so this one is forged
	}
	return s.toClient(r, from, buf, Headroom, n, now)
}

func (s *Switch) toClient(r *Relay, from netip.AddrPort, buf []byte, at, n int, now time.Time) Move {
	f := r.flow.Load()
	if f == nil || !f.Enter() {
		return s.stop(nil, NoFlow)
	}
	if n > s.maxPayload {
		return s.leave(f, Oversize)
	}
	channel, v := f.Pass.ToClient(from, n, now)
	if v != Allow {
		return s.leave(f, v)
	}
	m := Move{Kind: ToClient, Client: f.Client, flow: f, n: n}
	if channel != 0 {
		m.Data = PutChannelData(buf, at, n, channel)
	} else {
		m.Data = PutData(buf, at, n, from)
	}
	return m
}

// Sent settles a move whose datagram the socket took.
func (s *Switch) Sent(m *Move) {
	mine, all := &m.flow.Count.ToPeer, &s.Counters.ToPeer[m.flow.Class]
	if m.Kind == ToClient {
		mine, all = &m.flow.Count.ToClient, &s.Counters.ToClient[m.flow.Class]
	}
	mine.Add(m.n)
	all.Add(m.n)
	m.flow.Leave()
}

// Failed settles a move whose datagram the socket did not take.
func (s *Switch) Failed(m *Move, v Verdict) { s.leave(m.flow, v) }

func (s *Switch) stop(f *Flow, v Verdict) Move {
	s.Counters.Drop(f, v)
	return Move{}
}

func (s *Switch) leave(f *Flow, v Verdict) Move {
	s.Counters.Drop(f, v)
	f.Leave()
	return Move{}
}

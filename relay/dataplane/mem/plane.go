package mem

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"turnpike/relay/dataplane"
)

const maxPayload = 4096

// Plane is a data plane and the network around it.
type Plane struct {
	now   func() time.Time
	table *dataplane.Switch

	mu        sync.RWMutex // guards the following fields
	closed    bool
	listeners []*listener
	relays    map[netip.AddrPort]*dataplane.Relay // by bind address
	hosts     map[netip.AddrPort]*Conn
}

type listener struct {
	addr    netip.AddrPort
	control dataplane.Control
}

var _ dataplane.Plane = (*Plane)(nil)

// New makes an empty network. now may be nil for time.Now.
func New(now func() time.Time) *Plane {
	if now == nil {
		now = time.Now
	}
	return &Plane{
		now: now, table: dataplane.NewSwitch(caps),
		relays: make(map[netip.AddrPort]*dataplane.Relay), hosts: make(map[netip.AddrPort]*Conn),
	}
}

// Listen implements dataplane.Plane.
func (p *Plane) Listen(at netip.AddrPort, control dataplane.Control) (dataplane.ListenerID, netip.AddrPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, netip.AddrPort{}, dataplane.ErrClosed
	}
	at, ok := p.freeLocked(at)
	if !ok {
		return 0, netip.AddrPort{}, fmt.Errorf("listen on udp %s: %w", at, dataplane.ErrPortInUse)
	}
	p.listeners = append(p.listeners, &listener{addr: at, control: control})
	return dataplane.ListenerID(len(p.listeners) - 1), at, nil
}

// OpenRelay implements dataplane.Plane.
func (p *Plane) OpenRelay(bind, public netip.AddrPort) (*dataplane.Relay, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, dataplane.ErrClosed
	}
	if p.takenLocked(bind) {
		return nil, dataplane.ErrPortInUse
	}
	r := &dataplane.Relay{Bind: bind, Public: public, Socket: new(sync.Once)}
	if err := p.table.Add(r); err != nil {
		return nil, err
	}
	p.relays[bind] = r
	return r, nil
}

// Install implements dataplane.Plane.
func (p *Plane) Install(f *dataplane.Flow) error { return p.table.Install(f) }

// Remove implements dataplane.Plane.
func (p *Plane) Remove(r *dataplane.Relay) {
	r.Socket.(*sync.Once).Do(func() { // who comes second waits as long as the first
		p.table.Uninstall(r)
		p.mu.Lock()
		delete(p.relays, r.Bind)
		p.mu.Unlock()
	})
}

// Send implements dataplane.Plane.
func (p *Plane) Send(c dataplane.Client, b []byte) {
	if v := p.toClient(c, b, func() {}); v != dataplane.Allow {
		p.table.Counters.Drop(nil, v)
	}
}

// toClient sends a message the way its client came. sent is called before a
// datagram is carried, and so before the other side can answer.
func (p *Plane) toClient(c dataplane.Client, b []byte, sent func()) dataplane.Verdict {
	if c.Stream != nil {
		v := c.Stream.Send(b)
		if v == dataplane.Allow {
			sent()
		}
		return v
	}
	l := p.listener(c.Listener)
	if l == nil {
		return dataplane.Ended
	}
	sent()
	p.carry(l.addr, c.Addr, b)
	return dataplane.Allow
}

// Deliver implements dataplane.Plane.
func (p *Plane) Deliver(c dataplane.Client, buf []byte, messages []dataplane.Span) (int, dataplane.Kind) {
	first := messages[0]
	m := p.table.FromClient(c, buf[first.From-dataplane.Headroom:], int(first.To-first.From), p.now())
	p.do(&m)
	return 1, m.Kind
}

// Listeners implements dataplane.Plane. Nothing here has a buffer to overflow.
func (p *Plane) Listeners() (all []dataplane.ListenerStats) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, l := range p.listeners {
		all = append(all, dataplane.ListenerStats{Addr: l.addr})
	}
	return all
}

// Live implements dataplane.Plane.
func (p *Plane) Live(addr netip.AddrPort) bool { return p.table.Find(addr) != nil }

// caps: no datagram is ever fragmented here.
var caps = dataplane.Caps{Name: "mem", MaxPayload: maxPayload, DontFragment: true}

// Caps implements dataplane.Plane.
func (p *Plane) Caps() dataplane.Caps { return caps }

// Counters implements dataplane.Plane.
func (p *Plane) Counters() *dataplane.Counters { return &p.table.Counters }

// Close implements dataplane.Plane. Hosts stay open: they are not the plane's.
func (p *Plane) Close() error {
	p.mu.Lock()
	p.closed = true
	relays := slices.Collect(maps.Values(p.relays))
	p.listeners = nil
	p.mu.Unlock()
	for _, r := range relays {
		p.Remove(r)
	}
	return nil
}

// Host opens a UDP socket of another host on this network. Port 0 chooses one.
func (p *Plane) Host(at netip.AddrPort) (*Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.freeLocked(at)
	if !ok {
		return nil, dataplane.ErrPortInUse
	}
	c := &Conn{net: p, addr: at, queue: make(chan datagram, 1024), closed: make(chan struct{}), deadline: makeDeadline()}
	p.hosts[at] = c
	return c, nil
}

func (p *Plane) listener(id dataplane.ListenerID) *listener {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if id < 0 || int(id) >= len(p.listeners) {
		return nil
	}
	return p.listeners[id]
}

// freeLocked finds a free port when none is named.
func (p *Plane) freeLocked(at netip.AddrPort) (netip.AddrPort, bool) {
	if at.Port() != 0 {
		return at, !p.takenLocked(at)
	}
	for port := uint16(1024); port < 49152; port++ {
		if a := netip.AddrPortFrom(at.Addr(), port); !p.takenLocked(a) {
			return a, true
		}
	}
	return at, false
}

func (p *Plane) takenLocked(at netip.AddrPort) bool {
	for _, l := range p.listeners {
		if l.addr == at {
			return true
		}
	}
	return p.relays[at] != nil || p.hosts[at] != nil
}

// carry takes a datagram from one address to another. What nobody receives
// vanishes, as on any network.
func (p *Plane) carry(from, to netip.AddrPort, b []byte) {
	p.mu.RLock()
	host := p.hosts[to]
	id, l := -1, (*listener)(nil)
	for i, x := range p.listeners {
		if x.addr == to {
			id, l = i, x
		}
	}
	p.mu.RUnlock()
	switch {
	case host != nil:
		host.receive(from, b)
	case l != nil:
		p.toListener(dataplane.ListenerID(id), l, from, b)
	default:
		if r := p.table.Find(to); r != nil {
			p.toRelay(r, from, b)
		}
	}
}

func (p *Plane) toListener(id dataplane.ListenerID, l *listener, from netip.AddrPort, b []byte) {
	if len(b) > maxPayload+dataplane.MaxFraming {
		p.table.Counters.Drop(nil, dataplane.Oversize)
		return
	}
	buf, now := frame(b), p.now()
	c := dataplane.Client{Listener: id, Addr: from}
	m := p.table.FromClient(c, buf, len(b), now)
	if m.Kind != dataplane.HandUp {
		p.do(&m)
		return
	}
	if answer := l.control(c, m.Data, now, make([]byte, 0, dataplane.MaxControl)); len(answer) > 0 {
		p.carry(l.addr, from, answer)
	}
}

func (p *Plane) toRelay(r *dataplane.Relay, from netip.AddrPort, b []byte) {
	m := p.table.FromPeer(r, from, frame(b), len(b), p.now())
	p.do(&m)
}

func (p *Plane) do(m *dataplane.Move) {
	switch m.Kind {
	case dataplane.ToPeer:
		p.table.Sent(m) // before the peer's answer can come back
		p.carry(m.Relay.Bind, m.Peer, m.Data)
	case dataplane.ToClient:
		if v := p.toClient(m.Client, m.Data, func() { p.table.Sent(m) }); v != dataplane.Allow {
			p.table.Failed(m, v)
		}
	}
}

// frame copies a datagram into a buffer with the room a plane must leave.
func frame(b []byte) []byte {
	buf := make([]byte, dataplane.Headroom+len(b)+dataplane.Tailroom)
	copy(buf[dataplane.Headroom:], b)
	return buf
}

var _ net.PacketConn = (*Conn)(nil)

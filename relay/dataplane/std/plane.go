package std

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"turnpike/relay/dataplane"
)

// maxPayload is what fits a relay goroutine's buffer. WebRTC stays under 1,500
// bytes; this leaves room for fragmented datagrams of other applications.
const maxPayload = 4096

// Options configures a plane.
type Options struct {
	// Now is the clock that a datagram is judged by; time.Now if nil.
	Now func() time.Time
	// SocketBuffer is the size asked for each listener's receive and send
	// buffer, in bytes; 0 asks for 4 MiB. The kernel may grant less.
	SocketBuffer int
}

// Plane is the portable data plane.
type Plane struct {
	now    func() time.Time
	buffer int
	table  *dataplane.Switch
	done   chan struct{}
	wg     sync.WaitGroup

	mu        sync.RWMutex // guards the following fields
	closed    bool
	listeners []*socket
	relays    map[*dataplane.Relay]*socket
}

var _ dataplane.Plane = (*Plane)(nil)

// New makes a plane that has nothing open yet.
func New(o Options) (*Plane, error) {
	if o.SocketBuffer < 0 {
		return nil, fmt.Errorf("std: SocketBuffer is %d bytes; it can't be negative", o.SocketBuffer)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SocketBuffer == 0 {
		o.SocketBuffer = 4 << 20
	}
	return &Plane{
		now: o.Now, buffer: o.SocketBuffer, table: dataplane.NewSwitch(caps),
		done: make(chan struct{}), relays: make(map[*dataplane.Relay]*socket),
	}, nil
}

// Listen implements dataplane.Plane.
func (p *Plane) Listen(at netip.AddrPort, control dataplane.Control) (dataplane.ListenerID, netip.AddrPort, error) {
	s, err := open(at)
	if err != nil {
		return 0, netip.AddrPort{}, fmt.Errorf("listen on udp %s: %w", at, err)
	}
	// A smaller buffer than asked for costs drops under bursts, no more.
	_ = s.conn.SetReadBuffer(p.buffer)
	_ = s.conn.SetWriteBuffer(p.buffer)

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		s.conn.Close()
		return 0, netip.AddrPort{}, dataplane.ErrClosed
	}
	id := dataplane.ListenerID(len(p.listeners))
	p.listeners = append(p.listeners, s)
	p.wg.Go(func() { p.runListener(id, s, control) })
	return id, s.local, nil
}

// OpenRelay implements dataplane.Plane.
func (p *Plane) OpenRelay(bind, public netip.AddrPort) (*dataplane.Relay, error) {
	s, err := open(bind)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, dataplane.ErrPortInUse
	} else if err != nil {
		return nil, fmt.Errorf("open relay socket on %s: %w", bind, err)
	}
	r := &dataplane.Relay{Bind: bind, Public: public, Socket: s}

	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		s.conn.Close()
		return nil, dataplane.ErrClosed
	}
	if err := p.table.Add(r); err != nil {
		s.conn.Close()
		return nil, err
	}
	p.relays[r] = s
	p.wg.Go(func() { p.runRelay(r, s) })
	return r, nil
}

// Install implements dataplane.Plane.
func (p *Plane) Install(f *dataplane.Flow) error { return p.table.Install(f) }

// Remove implements dataplane.Plane.
func (p *Plane) Remove(r *dataplane.Relay) {
	s := r.Socket.(*socket)
	s.gone.Do(func() { // who comes second waits as long as the first
		p.table.Uninstall(r)
		s.conn.Close()
		p.mu.Lock()
		delete(p.relays, r)
		p.mu.Unlock()
	})
}

// Send implements dataplane.Plane.
func (p *Plane) Send(c dataplane.Client, b []byte) {
	if v := p.toClient(c, b); v != dataplane.Allow {
		p.table.Counters.Drop(nil, v)
	}
}

// Listeners implements dataplane.Plane.
func (p *Plane) Listeners() (all []dataplane.ListenerStats) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, s := range p.listeners {
		st := dataplane.ListenerStats{Addr: s.local, Wanted: p.buffer}
		if !p.closed {
			st.ReceiveBuffer, st.SendBuffer = s.buffers()
		}
		all = append(all, st)
	}
	return all
}

// Live implements dataplane.Plane.
func (p *Plane) Live(addr netip.AddrPort) bool { return p.table.Find(addr) != nil }

// caps: nothing portable says for one datagram that it is not to be fragmented.
var caps = dataplane.Caps{Name: "std", MaxPayload: maxPayload}

// Caps implements dataplane.Plane.
func (p *Plane) Caps() dataplane.Caps { return caps }

// Counters implements dataplane.Plane.
func (p *Plane) Counters() *dataplane.Counters { return &p.table.Counters }

// Close implements dataplane.Plane.
func (p *Plane) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.done)
	relays, listeners := slices.Collect(maps.Keys(p.relays)), p.listeners
	p.mu.Unlock()

	for _, r := range relays {
		p.Remove(r)
	}
	for _, s := range listeners {
		s.conn.Close()
	}
	p.wg.Wait()
	return nil
}

func (p *Plane) listener(id dataplane.ListenerID) *socket {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if id < 0 || int(id) >= len(p.listeners) {
		return nil
	}
	return p.listeners[id]
}

// open binds a UDP socket of the address's own family only, so that an IPv6
// socket never speaks IPv4 in disguise.
func open(at netip.AddrPort) (*socket, error) {
	network := "udp6"
	if at.Addr().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return newSocket(conn)
}

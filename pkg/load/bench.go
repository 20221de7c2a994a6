package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// bench is everything of a run: the clients, their peers, and the two
// directions between them.
type bench struct {
	o      Options
	server netip.AddrPort
	epoch  time.Time
	desks  desks
	yield  func() // not nil: sockets are polled
	secure *tls.Config

	clients []*client      // of the flows; then, if they are relays, of their peers
	near    end            // the clients
	far     end            // the peers
	peer    netip.AddrPort // of the peer socket, if there is one
	up      direction      // arrives at far
	down    direction      // arrives at near

	receivers sync.WaitGroup
	broken    fault // connections that ended, allocations that could not be kept

	mu      sync.Mutex // guards the three below
	ending  bool       // what ends now was to end
	closing bool
	closers []func()
}

// end is one end of the flows.
type end struct {
	lines  []line
	arrive *direction
	shared *socket // of all lines, if they have one
}

// now is the time in nanoseconds, of a clock that only goes on.
func (b *bench) now() int64 { return int64(time.Since(b.epoch)) }

// newBench looks the server up and makes everything that needs no socket.
func newBench(ctx context.Context, o Options) (*bench, error) {
	b := &bench{o: o, epoch: time.Now()}
	ip, err := resolve(ctx, o.Server.Host, o.Bind, o.ClientNet.Addr())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Server, err)
	}
	b.server = netip.AddrPortFrom(ip, o.Server.Port)
	if o.Poll && o.fewSockets() {
		b.yield = runtime.Gosched
	}
	if o.Server.Transport == TLS {
		b.secure = &tls.Config{}
		if o.TLS != nil {
			b.secure = o.TLS.Clone()
		}
		if b.secure.ServerName == "" {
			b.secure.ServerName = o.Server.Host
		}
	}
	b.prepareFlows()
	b.prepareClients()
	return b, nil
}

// resolve is the address of a host, of the family of our own where that is given.
func resolve(ctx context.Context, host string, own ...netip.Addr) (netip.Addr, error) {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, ip := range all {
		ip, fits := ip.Unmap(), true
		for _, o := range own {
			fits = fits && (!o.IsValid() || o.Unmap().Is4() == ip.Is4())
		}
		if fits {
			return ip, nil
		}
	}
	return netip.Addr{}, errors.New("it has no address of the family that the clients are to have")
}

// prepareFlows makes directions and room for their packets.
func (b *bench) prepareFlows() {
	o, run := &b.o, rand.Uint64()&^1
	b.near = end{lines: make([]line, o.Clients), arrive: &b.down}
	b.far = end{lines: make([]line, o.Clients), arrive: &b.up}
	answer := func(m []byte) {
		if i := indexOf(m); i < uint32(len(b.clients)) {
			b.clients[i].take(m)
		}
	}
	b.down = direction{run: run, src: b.far.lines, dst: b.near.lines}
	b.up = direction{run: run | 1, src: b.near.lines, dst: b.far.lines}
	if o.Scenario != Relay {
		b.down.src = b.near.lines // what is asked and its answer
	}
	// The largest frame there is: a payload in a Send indication for IPv6.
	largest := sendHeader(netip.AddrPortFrom(netip.IPv6Unspecified(), 0)) + padded(o.Size)
	b.desks = desks{frame: largest, chunk: chunkOf(largest, o.Burst)}
	for _, d := range []*direction{&b.up, &b.down} {
		d.size, d.burst, d.most = o.Size, o.Burst, b.desks.chunk
		d.now, d.answer, d.flows = b.now, answer, make([]flow, o.Clients)
		if o.Rate == 0 {
			d.window = o.Window
		}
	}
}

// prepareClients makes the clients, and those that are peers.
func (b *bench) prepareClients() {
	o := &b.o
	users := o.Credentials.users(time.Now(), o.Duration+o.Warmup+o.Hold)
	ends := []*end{&b.near}
	if o.Scenario == Relay && o.Peer == PeerRelay {
		ends = append(ends, &b.far)
	}
	var mask transactionID
	for i := range mask {
		mask[i] = byte(rand.Uint32())
	}
	for _, e := range ends {
		for i := range e.lines {
			l := &e.lines[i]
			l.to, l.framing = b.server, o.framing()
			l.channel = minChannel + uint16(i%channels)
			if o.Scenario == Challenge || o.Scenario == Binding {
				l.mask = &mask
			}
			if o.ClientNet.IsValid() {
				l.local = hostOf(o.ClientNet, i)
			}
			n := len(b.clients)
			b.clients = append(b.clients, newClient(uint32(n), users[n%len(users)], l, &b.desks))
		}
	}
}

// active are the directions that packets go.
func (b *bench) active() []*direction {
	switch {
	case b.o.Scenario != Relay || b.o.Direction == Down:
		return []*direction{&b.down}
	case b.o.Direction == Up:
		return []*direction{&b.up}
	}
	return []*direction{&b.up, &b.down}
}

// onClose has f called when the run ends, or now if it has.
func (b *bench) onClose(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		f()
		return
	}
	b.closers = append(b.closers, f)
}

// close closes all sockets and waits for the receivers.
func (b *bench) close() {
	b.mu.Lock()
	b.ending, b.closing = true, true
	for _, f := range b.closers {
		f()
	}
	b.mu.Unlock()
	b.receivers.Wait()
}

// lost notes that something ended, unless it was to end.
func (b *bench) lost(err error) {
	b.mu.Lock()
	ending := b.ending
	b.mu.Unlock()
	if !ending {
		b.broken.note(err)
	}
}

// runReceive counts what a socket receives, and sends what that lets out, until
// the socket is closed.
func (b *bench) runReceive(s *socket, d *direction) {
	defer b.receivers.Done()
	for {
		k, err := s.receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.fault.note(err)
			continue
		}
		now := b.now()
		d.mu.Lock()
		for p := k.in.next(); p != nil; p = k.in.next() {
			d.take(p, s, nil, now)
		}
		d.mu.Unlock()
		if d.window > 0 {
			d.refill(k)
		}
		b.desks.put(k)
	}
}

// runStream does the same for a connection.
func (b *bench) runStream(s *stream, l *line, d *direction) {
	defer b.receivers.Done()
	defer s.close()
	f := frames{buf: make([]byte, streamRoom)}
	for {
		n, err := s.conn.Read(f.room())
		f.to += n
		if wrong := d.takeFrames(&f, l, b.now()); wrong != nil {
			err = wrong
		}
		if err != nil {
			b.lost(fmt.Errorf("connection of %s: %w", s.conn.LocalAddr(), err))
			return
		}
		if d.window > 0 {
			k := b.desks.get()
			d.refill(k)
			b.desks.put(k)
		}
	}
}

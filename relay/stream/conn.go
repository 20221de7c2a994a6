package stream

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"turnpike/relay/dataplane"
)

// Conn is one connection of a client.
type Conn struct {
	s     *Server
	kind  *Kind
	raw   net.Conn // the socket
	watch watch

	// Set by runConn before the first Frame, and not changed after.
	conn          net.Conn // raw, or TLS over it
	remote, local netip.AddrPort
	proxied       bool // a PROXY header comes first
	secure        bool

	// runConn's own.
	in     input
	reader reader
	state  State
	known  bool          // Frame has been called
	begun  bool          // a part of a message is there
	paced  time.Duration // what Pace has let by lasts until then, in even steps, since Server.epoch

	// Guarded by Server.mu.
	source  netip.Prefix
	claimed bool // it counts for source
	shaking shaking

	why     atomic.Uint32  // a Reason; written under mu, once
	writers sync.WaitGroup // runWriter; none begins when why is set
	write   func()         // runWriter, made once: a go statement of a method allocates

	held atomic.Int32 // written under mu

	mu      sync.Mutex // guards the following fields
	queued  *batch     // nil: nothing
	flying  int        // bytes that runWriter is at
	writing bool       // runWriter is there
}

var _ dataplane.Stream = (*Conn)(nil)

func newConn(s *Server, raw net.Conn, k *Kind) *Conn {
	c := &Conn{
		s: s, kind: k, raw: raw, conn: raw,
		remote: addrPort(raw.RemoteAddr()), local: addrPort(raw.LocalAddr()),
	}
	c.proxied = k.proxies(c.remote.Addr())
	c.watch.epoch, c.watch.due = s.epoch, c.end
	c.write = c.runWriter
	c.paced = -paceBurst * paceStep // long before any message
	return c
}

// addrPort is a TCP address without disguise and zone.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// Remote is the client's address: the one that a trusted proxy names, or else
// the other end's.
func (c *Conn) Remote() netip.AddrPort { return c.remote }

// Local is our end's address.
func (c *Conn) Local() netip.AddrPort { return c.local }

// Secure reports whether it is TLS.
func (c *Conn) Secure() bool { return c.secure }

// Hold says that a session lives on the connection: it may be silent from now
// on. Each Hold wants one Release.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held.Add(1)
	c.watch.stop(clockAuthenticate)
	c.watch.stop(clockIdle)
}

// Release says that a session has ended. The end of one may be told after the
// begin of the next, so they are counted.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held.Add(-1) == 0 {
		c.watch.start(clockIdle, c.s.o.Idle)
	}
}

// Held reports whether a session lives on the connection.
func (c *Conn) Held() bool { return c.held.Load() > 0 }

// farewell is how long a server that closes waits for a client to take what is
// queued for it.
const farewell = time.Second

const (
	paceStep  = 20 * time.Millisecond
	paceBurst = 200
)

// Pace is for Frame to call for a message that costs the client nothing: it
// waits, so that 50 of them a second are taken from the connection, and 200 at
// once after a rest. A stream carries more messages than a network does
// datagrams. No wait is longer than 20 ms.
func (c *Conn) Pace() {
	now := time.Since(c.s.epoch)
	c.paced = max(c.paced, now-paceBurst*paceStep) + paceStep
	if wait := c.paced - now; wait > 0 {
		time.Sleep(wait)
	}
}

// Close ends the connection soon: no Frame begins any more, what is queued is
// still written, and then it is closed. It never waits.
func (c *Conn) Close() { c.end(ClosedByUs) }

// end ends the connection, for the first reason that is given. It never waits.
func (c *Conn) end(r Reason) {
	c.mu.Lock()
	if c.over() == Alive {
		if r.gentle() {
			c.writeLocked() // what was queued and not flushed
		}
		c.why.Store(uint32(r))
	}
	c.mu.Unlock()
	if r == Shutdown {
		c.watch.start(clockFarewell, farewell)
	}
	if r.gentle() {
		_ = c.raw.SetReadDeadline(time.Unix(1, 0)) // wakes runConn; it fails when there is nobody to wake
		return
	}
	reset(c.raw)
}

// over is why the connection has ended, or Alive.
func (c *Conn) over() Reason { return Reason(c.why.Load()) }

// runConn serves the connection from its first byte to its end.
func (c *Conn) runConn() {
	defer c.s.wg.Done()
	c.watch.start(clockHandshake, c.s.o.Handshake)
	c.watch.start(clockAuthenticate, c.s.o.Authenticate)
	r := c.open()
	c.watch.stop(clockHandshake)
	if r == Alive {
		c.watch.start(clockFirstFrame, c.s.o.FirstFrame)
		r = c.messages()
	}
	c.end(r)
	c.in.release()
	if c.known {
		c.s.o.Gone(c)
	}
	c.finish()
}

// finish closes the socket, gently when everything queued for the client could
// be written in time.
func (c *Conn) finish() {
	c.writers.Wait()
	c.discard()
	if c.over().gentle() {
		_ = c.conn.Close() // TLS says goodbye; watched as every write
	}
	c.watch.close()
	c.s.leave(c)
	c.s.counters.open[c.state].Add(-1)
	c.s.counters.over[c.over()].Add(1)
}

// become counts the connection under another state.
func (c *Conn) become(s State) {
	c.s.counters.open[c.state].Add(-1)
	c.s.counters.open[s].Add(1)
	c.state = s
}

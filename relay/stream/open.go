package stream

import (
	"bytes"
	"crypto/tls"
	"net"
)

const recordHandshake = 0x16 // the content type a TLS connection begins with

// validation is the protocol of who only wants to see who answers here: nothing
// follows its handshake (RFC 8737 §3).
const validation = "acme-tls/1"

// open finds out who the client is and what it speaks. Not Alive: nothing that
// is served here. Only the TLS handshake ever sends a byte.
func (c *Conn) open() Reason {
	c.reader = newReader(c.raw)
	if c.proxied {
		if r := c.openProxied(); r != Alive {
			return r
		}
	}
	for len(c.in.bytes()) == 0 {
		if c.reader.fill(&c.in) != nil {
			return ClosedByClient
		}
	}
	// ChannelData is no begin: nobody has a channel yet, and GET has its number.
	first := c.in.bytes()[0]
	secure := first == recordHandshake
	switch {
	case !secure && !isSTUN(first):
		return NotTURN
	case secure && !c.kind.TLS, !secure && !c.kind.TCP:
		return WrongKind
	case secure:
		return c.handshake()
	}
	c.become(TCP)
	return Alive
}

// openProxied reads the PROXY header and counts the connection for the client
// that it names.
func (c *Conn) openProxied() Reason {
	for {
		h, err := parseProxy(c.in.bytes())
		switch {
		case err != nil:
			return BadProxy
		case h.size > 0:
			if h.client.IsValid() {
				c.remote = h.client
			}
			c.in.take(h.size)
			return c.s.claim(c)
		}
		if c.reader.fill(&c.in) != nil {
			return ClosedByClient
		}
	}
}

// handshake does the TLS handshake. Its deadline is the watch's: it is also
// that of what came before.
func (c *Conn) handshake() Reason {
	if !c.s.beginHandshake(c) {
		return MaxHandshakes
	}
	under := &wire{Conn: c.raw, c: c, read: bytes.Clone(c.in.bytes())}
	c.in.release()
	t := tls.Server(under, c.s.o.TLS)
	err := t.Handshake()
	c.s.endHandshake(c)
	if err != nil {
		return HandshakeFailed
	}
	c.conn, c.secure, c.reader = t, true, &connReader{conn: t}
	if t.ConnectionState().NegotiatedProtocol == validation {
		return Validated
	}
	c.become(TLS)
	return Alive
}

// wire is the socket as TLS sees it: what has been read to tell what the
// client speaks comes again, and every write has a deadline. TLS also writes
// while it reads (to a KeyUpdate, and at the end), where no flush is watched.
type wire struct {
	net.Conn
	c    *Conn
	read []byte
}

func (w *wire) Read(b []byte) (int, error) {
	if len(w.read) == 0 {
		return w.Conn.Read(b)
	}
	n := copy(b, w.read)
	if w.read = w.read[n:]; len(w.read) == 0 {
		w.read = nil
	}
	return n, nil
}

func (w *wire) Write(b []byte) (int, error) {
	w.c.watch.start(clockWrite, w.c.s.o.Write)
	defer w.c.watch.stop(clockWrite)
	return w.Conn.Write(b)
}

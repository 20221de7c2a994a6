package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// stream is a client's connection over TCP or TLS.
type stream struct {
	conn net.Conn
	dead atomic.Bool // nothing goes through it any more
	gone chan struct{}

	mu   sync.Mutex // one write at a time
	once sync.Once
}

const (
	// connectTime bounds connecting, with the TLS handshake.
	connectTime = 10 * time.Second
	// writeTime is how long a server may take nothing. It is a fault then:
	// the client does not wait for one that waits for the client.
	writeTime = 5 * time.Second
	// streamRoom holds several frames, so that one read takes what came.
	streamRoom = 32 << 10
)

// dialStream connects, from local if that is valid.
func dialStream(server, local netip.AddrPort, secure *tls.Config) (*stream, error) {
	d := net.Dialer{}
	if local.Addr().IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTime)
	defer cancel()
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	if secure == nil {
		return newStream(conn), nil
	}
	t := tls.Client(conn, secure)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return newStream(t), nil
}

func newStream(conn net.Conn) *stream { return &stream{conn: conn, gone: make(chan struct{})} }

// write sends whole frames. It waits for as long as the server takes nothing,
// but not longer than writeTime.
func (s *stream) write(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead.Load() {
		return
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := s.conn.Write(b); err != nil {
		s.close()
	}
}

// close ends the connection without TLS's farewell, which could wait.
func (s *stream) close() {
	s.once.Do(func() {
		s.dead.Store(true)
		close(s.gone)
		conn := s.conn
		if t, ok := conn.(*tls.Conn); ok {
			conn = t.NetConn()
		}
		conn.Close()
	})
}

var errFraming = errors.New("what came is neither STUN nor ChannelData")

// frames is the part of a stream that has been read.
type frames struct {
	buf      []byte
	from, to int // what is there
}

// next is the next whole frame; nil: more must be read.
func (f *frames) next() ([]byte, error) {
	have := f.buf[f.from:f.to]
	n, ok := frameLength(have)
	switch {
	case !ok || n > len(f.buf):
		return nil, errFraming
	case n == 0 || n > len(have):
		return nil, nil
	}
	f.from += n
	return have[:n], nil
}

// room moves what is left to the start, and is where to read on.
func (f *frames) room() []byte {
	f.to = copy(f.buf, f.buf[f.from:f.to])
	f.from = 0
	return f.buf[f.to:]
}

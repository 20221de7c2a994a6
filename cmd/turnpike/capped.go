package main

import (
	"net"
	"sync"
)

// The most connections at a time that the HTTP listeners hold. They share the
// process's descriptors with the relay sockets, and a connection costs its
// owner nothing before it has shown a key.
const (
	maxIssuerConns   = 256
	maxOperatorConns = 32
)

// capped is a listener that closes a connection at once when it holds too many
// already, or when its client may not come. Waiting instead would let idle ones
// shut out everybody.
type capped struct {
	net.Listener
	free chan struct{}
	who  *admission
}

func newCapped(l net.Listener, most int, who *admission) *capped {
	return &capped{Listener: l, free: make(chan struct{}, most), who: who}
}

// Accept returns the next connection that there is a place for.
func (l *capped) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !l.who.admits(c.RemoteAddr()) {
			c.Close()
			continue
		}
		select {
		case l.free <- struct{}{}:
			return &cappedConn{Conn: c, release: sync.OnceFunc(func() { <-l.free })}, nil
		default:
			c.Close()
		}
	}
}

type cappedConn struct {
	net.Conn
	release func()
}

// Close gives the place back, once.
func (c *cappedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

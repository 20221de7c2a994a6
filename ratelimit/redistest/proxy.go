//go:build unix

package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands in front of a server and delays what it answers.
type Proxy struct {
	Addr  string
	delay atomic.Int64
	cut   func()
}

// StartProxy runs one.
func StartProxy(t *testing.T, to *Server) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String()}
	var all sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	p.cut = func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for c := range conns {
			_ = c.Close()
		}
	}
	t.Cleanup(func() { p.cut(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp4", to.Addr)
			if err != nil {
				_ = c.Close()
				continue
			}
			mu.Lock()
			conns[c], conns[server] = true, true
			mu.Unlock()
			all.Go(func() { p.carry(server, c, false) })
			all.Go(func() { p.carry(c, server, true) })
		}
	})
	return p
}

// Delay holds every answer back for so long.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Cut ends all connections and takes none any more.
func (p *Proxy) Cut() { p.cut() }

func (p *Proxy) carry(to, from net.Conn, slowly bool) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if d := time.Duration(p.delay.Load()); slowly && d > 0 {
			time.Sleep(d)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

package stream

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// memory is what the process holds after a collection, stacks included.
func memory() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first leaves what finalizers and pools still have
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// many opens n connections, and returns them and the bytes of memory of each,
// the client's end included, when each has sent a message.
func many(t *testing.T, n int, o Options, open func(net.Conn) net.Conn) (*bed, string, []net.Conn, uint64) {
	o.MaxConns, o.MaxConnsPerIP = n+10, n+10
	b, at := loopback(t, o, both)
	before := memory()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = open(dial(t, at))
	}
	for range conns {
		<-b.told
	}
	return b, at, conns, (memory() - before) / uint64(n)
}

// Thousands of connections that dawdle over a message cost little, do not keep
// others from being served, and are all cut off.
func TestManySlowConnections(t *testing.T) {
	const n = 2000
	b, at, conns, each := many(t, n, Options{FrameTime: 2 * time.Second},
		func(c net.Conn) net.Conn {
			put(c, stun(0), stun(100)[:50])
			return c
		})
	t.Logf("%d bytes a connection with a part of a message", each)
	if each > 24<<10 {
		t.Errorf("%d bytes a connection", each)
	}
	b.echoes()
	talk(t, dial(t, at))
	for _, c := range conns {
		closed(t, c)
	}
	b.Close()
	b.over(FrameTimeout, n)
}

// A connection that says nothing holds no buffer.
func TestIdleConnectionsAreSmall(t *testing.T) {
	for _, c := range []struct {
		name string
		most uint64
		open func(net.Conn) net.Conn
	}{
		{"TCP", 8 << 10, func(c net.Conn) net.Conn { return c }},
		{"TLS", 36 << 10, func(c net.Conn) net.Conn { return overTLS(c) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, each := many(t, 300, Options{}, func(conn net.Conn) net.Conn {
				conn = c.open(conn)
				put(conn, stun(0))
				return conn
			})
			t.Logf("%d bytes a connection, the client's end included", each)
			if each > c.most {
				t.Errorf("%d bytes a connection", each)
			}
		})
	}
}

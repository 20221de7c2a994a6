package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"turnpike/relay/dataplane"
)

// loopback is a bed with a real listener.
func loopback(t *testing.T, o Options, k Kind) (*bed, string) {
	t.Helper()
	b := newBed(t, o, k)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.serve(l, k)
	return b, l.Addr().String()
}

func dial(t *testing.T, at string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // no test takes that long
	return c.(*net.TCPConn)
}

func (b *bed) echoes() { b.frame = func(c *Conn, m []byte) { c.Send(m) } }

// closed reads until the end and checks that no byte came before it.
func closed(t *testing.T, c net.Conn) {
	t.Helper()
	b, err := io.ReadAll(c)
	if len(b) != 0 || errors.Is(err, syscall.ETIMEDOUT) || isTimeout(err) {
		t.Errorf("%x, %v", b, err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func talk(t *testing.T, c net.Conn) {
	t.Helper()
	for _, m := range [][]byte{stun(0), channelData(7), stun(maxMessage - stunHeader), channelData(maxMessage - channelHeader)} {
		put(c, m)
		if got := read(t, c, len(m)); string(got) != string(m) {
			t.Fatalf("%d bytes came back otherwise", len(m))
		}
	}
}

// Plain TCP and TLS share a port, and real sockets.
func TestPlainAndTLS(t *testing.T) {
	b, at := loopback(t, Options{}, both)
	b.echoes()
	plain, under := dial(t, at), dial(t, at)
	secure := overTLS(under)
	talk(t, plain)
	talk(t, secure)
	if p, s := b.Counters().Open(TCP), b.Counters().Open(TLS); p != 1 || s != 1 {
		t.Errorf("open: %d plain, %d secure", p, s)
	}
	for c := range b.frames {
		if from := map[bool]net.Conn{false: plain, true: under}[c.Secure()]; c.Remote().String() != from.LocalAddr().String() || c.Local().String() != at {
			t.Errorf("from %v to %v", c.Remote(), c.Local())
		}
	}
}

// Close wakes a connection that waits for its client.
func TestCloseOverSockets(t *testing.T) {
	b, at := loopback(t, Options{}, both)
	b.frame = func(c *Conn, _ []byte) { go c.Close() }
	for _, c := range []net.Conn{dial(t, at), overTLS(dial(t, at))} {
		put(c, stun(0))
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Error(err)
		}
	}
	b.Close()
	b.over(ClosedByUs, 2)
}

// A client that has closed its side still gets what it asked for.
func TestHalfClosed(t *testing.T) {
	b, at := loopback(t, Options{}, both)
	b.echoes()
	c := dial(t, at)
	put(c, stun(0), stun(400))
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); len(got) != 20+420 || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	s := dial(t, at)
	secure := overTLS(s)
	put(secure, stun(0), stun(400))
	_ = secure.CloseWrite()
	if got, err := io.ReadAll(secure); len(got) != 20+420 || err != nil { // with TLS's goodbye
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestNeitherTLSNorTURN(t *testing.T) {
	for _, c := range []struct {
		send string
		k    Kind
		why  Reason
	}{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", both, NotTURN},
		{"POST / HTTP/1.1\r\n", both, NotTURN},
		{"SSH-2.0-OpenSSH_9.2\r\n", both, NotTURN},
		{"PROXY TCP4 1.2.3.4 1.2.3.5 1 2\r\n", both, NotTURN},
		{"\r\n\r\n\x00\r\nQUIT\n", both, NotTURN},
		{string(stockKiller), both, NotTURN},
		{string(channelData(4)), both, NotTURN},
		{"\x80\x2e\x01", both, NotTURN}, // SSLv2
		{string(stun(0)), Kind{TLS: true}, WrongKind},
		{"\x16\x03\x01\x00\x05", Kind{TCP: true}, WrongKind},
		{"\x16\x03\x01\x00\x05hello", both, HandshakeFailed},
		{"\x16garbage", both, HandshakeFailed},
	} {
		t.Run(fmt.Sprintf("%q", c.send), func(t *testing.T) {
			b, at := loopback(t, Options{}, c.k)
			conn := dial(t, at)
			put(conn, []byte(c.send))
			if c.why == HandshakeFailed {
				_, _ = io.ReadAll(conn) // an alert
			} else {
				closed(t, conn)
			}
			b.Close() // everything is counted then
			b.over(c.why, 1)
		})
	}
}

func TestCaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{MaxConns: 6, MaxConnsPerIP: 2}, proxy)
		in := func(from, header string) net.Conn {
			c := b.dial(from)
			put(c, []byte(header), stun(0))
			synctest.Wait()
			return c
		}
		out := func(why Reason, from, header string) {
			before := b.Counters().Over(why)
			silence(t, in(from, header))
			synctest.Wait()
			b.over(why, before+1)
		}
		first := in("203.0.113.5:1", "")
		in("203.0.113.5:2", "")
		out(MaxConnsPerIP, "203.0.113.5:3", "")
		out(MaxConnsPerIP, "[::ffff:203.0.113.5]:4", "")
		header := "PROXY TCP4 203.0.113.5 192.0.2.1 1024 3478\r\n"
		out(MaxConnsPerIP, "198.51.100.7:1", header) // the client counts, not the proxy
		first.Close()
		synctest.Wait()
		in("198.51.100.7:2", header)
		in("[2001:db8:1:ff00::1]:1", "") // these two are of one /56
		in("[2001:db8:1:ffff::2]:1", "")
		out(MaxConnsPerIP, "[2001:db8:1:ff01::3]:1", "")
		in("[2001:db8:1:fe00::3]:1", "")
		in("198.51.100.7:3", "PROXY UNKNOWN\r\n")
		out(MaxConns, "203.0.113.99:1", "")
		out(MaxConns, "198.51.100.7:4", "")
		if n := b.Counters().Open(TCP); n != 6 {
			t.Errorf("%d open", n)
		}
	})
}

// Handshakes are few at a time; one source has half of them, and the others
// are of use to others.
func TestMaxHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{MaxHandshakes: 4}, both)
		half := func(from string) net.Conn {
			c := b.dial(from)
			put(c, []byte{recordHandshake})
			synctest.Wait()
			return c
		}
		first := half("203.0.113.5:1")
		half("203.0.113.5:2")
		silence(t, half("203.0.113.5:3"))
		half("203.0.113.6:1")
		half("203.0.113.7:1")
		silence(t, half("203.0.113.8:1"))
		put(b.dial("203.0.113.8:2"), stun(0)) // plain TCP needs none
		b.conn(1)
		b.over(MaxHandshakes, 2)
		first.Close()
		synctest.Wait()
		if err := overTLS(b.dial("203.0.113.8:3")).Handshake(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := overTLS(b.dial("203.0.113.8:4")).Handshake(); err != nil { // the last one's is over
			t.Error(err)
		}
		synctest.Wait()
		if n := b.Counters().Open(Opening); n != 3 {
			t.Errorf("%d open", n)
		}
	})
}

// Nothing but its end ends a listener: it slows down, and recovers at once.
func TestAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		for range 10 {
			b.pipes.next <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		}
		put(b.dial("203.0.113.5:1"), stun(0))
		b.pipes.next <- syscall.ECONNABORTED
		put(b.dial("203.0.113.5:2"), stun(0))
		time.Sleep(time.Minute)
		b.Close()
		ms := time.Millisecond
		want := []time.Duration{5 * ms, 10 * ms, 20 * ms, 40 * ms, 80 * ms, 160 * ms, 320 * ms, 640 * ms, 1000 * ms, 1000 * ms, 0, 5 * ms, 0}
		if len(b.pipes.asked) != len(want)+1 {
			t.Fatal(len(b.pipes.asked))
		}
		for i, w := range want {
			if d := b.pipes.asked[i+1].Sub(b.pipes.asked[i]); d != w {
				t.Errorf("pause %d: %v, want %v", i, d, w)
			}
		}
		if n := b.Counters().AcceptErrors(); n != 11 || len(b.frames) != 2 {
			t.Errorf("%d errors, %d connections", n, len(b.frames))
		}
	})
}

// Close doesn't wait for a listener's pause, and can't be late for anything.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		put(b.dial("203.0.113.5:1"), stun(0))
		put(b.dial("203.0.113.5:2"), []byte{recordHandshake})
		silent := b.dial("203.0.113.5:3")
		b.conn(1)
		for range 8 {
			b.pipes.next <- syscall.EMFILE
		}
		time.Sleep(700 * time.Millisecond) // the pause is 640 ms now
		begin := time.Now()
		if err := errors.Join(b.Close(), b.Close()); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("it took %v", d)
		}
		silence(t, silent)
		b.over(Shutdown, 3)
		late := newPipeListener()
		if err := b.Serve(late, both); err == nil {
			t.Error("a closed server serves")
		}
		select {
		case <-late.closed:
		default:
			t.Error("the listener is left open")
		}
	})
}

// A listener that its owner closes ends alone.
func TestListenerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		other := newPipeListener()
		done := make(chan error)
		go func() { done <- b.Serve(other, both) }()
		c := b.dial("203.0.113.5:1")
		put(c, stun(0))
		b.conn(1)
		other.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
		put(c, stun(0))
		b.conn(1)
	})
}

// A client that stops reading is cut off, over real sockets: the kernel's
// buffers are full, ours too, and nobody else waits.
func TestSlowReader(t *testing.T) {
	b, at := loopback(t, Options{Write: 300 * time.Millisecond}, both)
	slow, fine := dial(t, at), dial(t, at)
	_ = slow.SetReadBuffer(4 << 10)
	put(slow, stun(0))
	conn := b.conn(1)
	b.echoes()
	for full := 0; full < 100; { // for a while: the writer takes what the kernel has room for
		switch v := conn.Send(channelData(1200)); v {
		case dataplane.QueueFull:
			full++
			put(fine, stun(0), channelData(0))
			read(t, fine, 20+4)
		case dataplane.Ended:
			t.Fatal("it ended while data was dropped")
		}
	}
	for conn.Send(channelData(1200)) != dataplane.Ended {
		put(fine, stun(0))
		read(t, fine, 20)
	}
	b.over(ClosedByClient, 0)
	n, err := io.Copy(io.Discard, slow)
	if limit := int64(4 << 20); n == 0 || n > limit || err == nil {
		t.Errorf("%d bytes were on their way, %v", n, err)
	}
	b.Close()
	b.over(WriteTimeout, 1)
}

func TestOptions(t *testing.T) {
	_, err := New(Options{MaxConns: -1, MaxConnsPerIP: -1, MaxHandshakes: -1, Handshake: -1, FirstFrame: -1,
		FrameTime: -1, Authenticate: -1, Idle: -1, Write: -1, QueueBytes: 100})
	for _, field := range []string{"Frame is nil", "Gone", "MaxConns is", "MaxConnsPerIP", "MaxHandshakes", "Handshake is",
		"FirstFrame", "FrameTime", "Authenticate", "Idle", "Write", "QueueBytes"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("nothing is said of %s: %v", field, err)
		}
	}
	s, err := New(Options{Frame: takeAll, Gone: func(*Conn) {}})
	if err != nil {
		t.Fatal(err)
	}
	if o := s.o; o.MaxConns != 10000 || o.MaxConnsPerIP != 256 || o.MaxHandshakes != 64 || o.QueueBytes != 64<<10 ||
		o.Handshake != 10*time.Second || o.FirstFrame != 10*time.Second || o.FrameTime != 10*time.Second ||
		o.Authenticate != 30*time.Second || o.Idle != time.Minute || o.Write != 10*time.Second {
		t.Errorf("%+v", o)
	}
	for want, k := range map[string]Kind{
		"neither": {}, "certificate": {TLS: true},
		"ProxyFrom has ::ffff":  {TCP: true, ProxyFrom: prefixes("::ffff:10.0.0.0/104")},
		"ProxyFrom has invalid": {TCP: true, ProxyFrom: []netip.Prefix{{}}},
	} {
		if err := s.Serve(newPipeListener(), k); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range Reason(NumReasons) {
		seen[r.String()] = true
	}
	for s := range State(NumStates) {
		seen[s.String()] = true
	}
	if len(seen) != NumReasons+NumStates || seen[""] || Reason(NumReasons).String() != "unknown" {
		t.Error(seen)
	}
}

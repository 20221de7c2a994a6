package stream

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"turnpike/relay/dataplane"
)

// distinct are deadlines that can't be taken for each other.
var distinct = Options{
	Handshake: 7 * time.Second, FirstFrame: 11 * time.Second, FrameTime: 13 * time.Second,
	Authenticate: 100 * time.Second, Idle: 61 * time.Second, Write: 5 * time.Second,
}

// ends runs client against a server and checks that its connection ends for a
// reason, at a time.
func ends(t *testing.T, name string, k Kind, r Reason, after time.Duration, client func(b *bed, c net.Conn)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, distinct, k)
			begin := time.Now()
			c := b.dial("198.51.100.7:5000")
			client(b, c)
			_, _ = c.Read(make([]byte, 1))
			if d := time.Since(begin); d != after {
				t.Errorf("it ended after %v, want %v", d, after)
			}
			time.Sleep(time.Second) // a client that drips notices
			synctest.Wait()
			b.over(r, 1)
		})
	})
}

// drip sends a byte a second.
func drip(c net.Conn, bs ...[]byte) {
	for _, x := range bytes.Join(bs, nil) {
		if _, err := c.Write([]byte{x}); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}

func TestDeadlines(t *testing.T) {
	proxied := Kind{TCP: true, TLS: true, ProxyFrom: prefixes("198.51.100.0/24")}
	ends(t, "silence", both, HandshakeTimeout, 7*time.Second, func(*bed, net.Conn) {})
	ends(t, "half a PROXY header", proxied, HandshakeTimeout, 7*time.Second, func(_ *bed, c net.Conn) {
		put(c, []byte("PROXY TCP4 192.0.2.9"))
	})
	ends(t, "half a PROXY header, slowly", proxied, HandshakeTimeout, 7*time.Second, func(_ *bed, c net.Conn) {
		go drip(c, []byte("PROXY TCP4 192.0.2.9"))
	})
	ends(t, "a PROXY header and silence", proxied, HandshakeTimeout, 7*time.Second, func(_ *bed, c net.Conn) {
		time.Sleep(5 * time.Second)
		put(c, []byte("PROXY TCP4 192.0.2.9 192.0.2.1 1024 3478\r\n"))
	})
	ends(t, "the begin of a handshake", both, HandshakeTimeout, 7*time.Second, func(_ *bed, c net.Conn) {
		put(c, []byte{recordHandshake})
	})
	ends(t, "a handshake, slowly", both, HandshakeTimeout, 7*time.Second, func(_ *bed, c net.Conn) {
		go drip(c, []byte{recordHandshake, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3, 0})
	})
	ends(t, "TLS and silence", both, FirstFrame, (4+11)*time.Second, func(_ *bed, c net.Conn) {
		time.Sleep(4 * time.Second)
		if err := overTLS(c).Handshake(); err != nil {
			t.Error(err)
		}
	})
	ends(t, "half a first message", both, FirstFrame, (6+11)*time.Second, func(_ *bed, c net.Conn) {
		time.Sleep(6 * time.Second)
		put(c, stun(8)[:20])
	})
	ends(t, "half a later message", both, FrameTimeout, (20+13)*time.Second, func(_ *bed, c net.Conn) {
		put(c, stun(0))
		time.Sleep(20 * time.Second)
		put(c, stun(0), stun(8)[:1])
	})
	ends(t, "a later message, slowly", both, FrameTimeout, (20+13)*time.Second, func(_ *bed, c net.Conn) {
		put(c, stun(0))
		time.Sleep(20 * time.Second)
		go drip(c, channelData(200))
	})
	ends(t, "half a message of a session", both, FrameTimeout, (500+13)*time.Second, func(b *bed, c net.Conn) {
		put(c, stun(0))
		b.conn(1).Hold()
		time.Sleep(500 * time.Second)
		put(c, channelData(8)[:7])
	})
	ends(t, "no session", both, Unauthenticated, 100*time.Second, func(_ *bed, c net.Conn) {
		for range 10 {
			put(c, stun(0))
			time.Sleep(10 * time.Second)
		}
	})
	ends(t, "a session that ended", both, Idle, (500+61)*time.Second, func(b *bed, c net.Conn) {
		put(c, stun(0))
		conn := b.conn(1)
		conn.Hold()
		time.Sleep(500 * time.Second)
		conn.Release()
	})
	ends(t, "a second session that ended", both, Idle, (50+50+500+61)*time.Second, func(b *bed, c net.Conn) {
		put(c, stun(0))
		conn := b.conn(1)
		conn.Hold()
		time.Sleep(50 * time.Second)
		conn.Release()
		time.Sleep(50 * time.Second)
		conn.Hold()
		time.Sleep(500 * time.Second)
		conn.Release()
	})
	ends(t, "a session before the end of the other is told", both, Idle, (500+61)*time.Second, func(b *bed, c net.Conn) {
		put(c, stun(0))
		conn := b.conn(1)
		conn.Hold()
		conn.Hold()
		conn.Release()
		time.Sleep(500 * time.Second)
		conn.Release()
	})
}

// A write that nobody takes ends the connection, not before its time.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, distinct, both)
		c := b.dial("198.51.100.7:5000")
		put(c, stun(0))
		conn := b.conn(1)
		conn.Hold()
		for range 3 { // each has its own time
			if v := conn.Send(stun(4)); v != dataplane.Allow {
				t.Error(v)
			}
			time.Sleep(distinct.Write - time.Nanosecond)
			read(t, c, len(stun(4)))
		}
		conn.Send(stun(4))
		time.Sleep(distinct.Write - time.Nanosecond)
		synctest.Wait()
		b.over(WriteTimeout, 0)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		b.over(WriteTimeout, 1)
	})
}

// What TLS writes of its own accord, where nobody flushes, has a deadline too.
func TestWriteDeadlineUnderTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		s, err := New(Options{Frame: takeAll, Gone: func(*Conn) {}, Write: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c := newConn(s, server, &both)
		begin := time.Now()
		if _, err := (&wire{Conn: server, c: c}).Write([]byte{1}); err == nil {
			t.Error("nobody has read it")
		}
		if d := time.Since(begin); d != 5*time.Second || c.over() != WriteTimeout {
			t.Errorf("%v after %v", c.over(), d)
		}
		c.watch.close()
	})
}

// Messages that come slowly, but each in time, are all taken: the time of a
// message is its own.
func TestSlowMessagesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, distinct, both)
		c := b.dial("198.51.100.7:5000")
		put(c, stun(0))
		b.conn(1).Hold()
		m := channelData(4)
		half := len(m) / 2
		put(c, m[:half])
		for range 20 { // the end of one and the begin of the next in one piece
			time.Sleep(distinct.FrameTime - time.Second)
			put(c, m[half:], m[:half])
		}
		synctest.Wait()
		if n := b.Counters().Open(TCP); n != 1 {
			t.Errorf("%d open", n)
		}
		if b.conn(20); len(b.told) != 0 {
			t.Errorf("%d messages too many", len(b.told))
		}
	})
}

// A timer that goes off finds what is due then, not what was when it was set.
func TestWatchFindsWhatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan Reason, 10)
		w := watch{epoch: time.Now(), due: func(r Reason) { got <- r }}
		w.start(clockIdle, 10*time.Second)
		w.start(clockFlush, 2*time.Second)
		w.stop(clockFlush)
		w.start(clockFrame, 5*time.Second)
		time.Sleep(4 * time.Second)
		w.start(clockFrame, 5*time.Second) // later than the timer
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal(<-got)
		}
		if a, b := <-got, <-got; a != FrameTimeout || b != Idle {
			t.Fatal(a, b)
		}
		w.start(clockIdle, time.Second) // two at once: the first is named, once
		w.start(clockFirstFrame, time.Second)
		if r := <-got; r != FirstFrame {
			t.Error(r)
		}
		w.start(clockIdle, time.Second)
		w.close()
		w.start(clockFrame, time.Second)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(got) != 0 {
			t.Error("it went off after its end")
		}
	})
}

// A connection is read at a pace, and at once again after a rest.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := framer(t)
		for _, step := range []struct {
			rest  time.Duration
			n     int
			takes time.Duration
		}{
			{0, 200, 0},
			{0, 50, time.Second},
			{500 * time.Millisecond, 25, 0},
			{0, 1, 20 * time.Millisecond},
			{time.Hour, 200, 0},
			{0, 100, 2 * time.Second},
		} {
			time.Sleep(step.rest)
			begin := time.Now()
			for range step.n {
				c.Pace()
			}
			if d := time.Since(begin); d != step.takes {
				t.Errorf("%d after a rest of %v took %v, want %v", step.n, step.rest, d, step.takes)
			}
		}
	})
}

package stream

import (
	"bytes"
	"io"
	"net"
	"testing"

	"turnpike/relay/dataplane"
)

const framesAtOnce = 6

func takeAll(_ *Conn, _ []byte, messages []dataplane.Span) int { return len(messages) }

// framer is a connection with nothing behind it, and what a client may send to
// it at once.
func framer(t testing.TB) (*Conn, []byte) {
	s, err := New(Options{Frame: takeAll, Gone: func(*Conn) {}})
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(s, &pieces{}, &both)
	return c, bytes.Repeat(channelData(1199), framesAtOnce)
}

// feed is one read and what comes of it.
func feed(c *Conn, in []byte) {
	c.in.end += copy(c.in.room(), in)
	c.whole()
}

func BenchmarkFrames(b *testing.B) {
	c, in := framer(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		feed(c, in)
	}
}

// drain is a client that reads everything at once.
type drain struct{ net.Conn }

func (drain) Write(b []byte) (int, error) { return len(b), nil }
func (drain) Close() error                { return nil }

// unread is a connection to a drain.
func unread(t testing.TB) *Conn {
	s, err := New(Options{Frame: takeAll, Gone: func(*Conn) {}})
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(s, drain{Conn: &pieces{}}, &both)
	t.Cleanup(func() { c.writers.Wait(); c.watch.close() })
	return c
}

func BenchmarkSend(b *testing.B) {
	c := unread(b)
	m := channelData(1200)
	b.ReportAllocs()
	for b.Loop() {
		for c.Send(m) == dataplane.QueueFull {
			c.writers.Wait()
		}
	}
}

// echo is a round trip of a client over loopback.
func echo(t testing.TB, secure bool) func() {
	o := Options{TLS: certificate(t), Frame: func(c *Conn, buf []byte, messages []dataplane.Span) int {
		for _, m := range messages {
			c.Send(m.Of(buf))
		}
		return len(messages)
	}, Gone: func(*Conn) {}}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l, both) }()
	t.Cleanup(func() { s.Close() })
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if secure {
		c = overTLS(c)
	}
	out := stun(1200)
	back := make([]byte, len(out))
	return func() {
		if _, err := c.Write(out); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, back); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for name, secure := range map[string]bool{"TCP": false, "TLS": true} {
		b.Run(name, func(b *testing.B) {
			roundTrip := echo(b, secure)
			b.ReportAllocs()
			for b.Loop() {
				roundTrip()
			}
		})
	}
}

package stream

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever begins handshakes and does not go on keeps nobody out for long: the
// oldest makes room, once it has had the time that an honest one takes.
func TestStalledHandshakesMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{MaxHandshakes: 2}, both)
		half := func(from string) net.Conn {
			c := b.dial(from)
			put(c, []byte{recordHandshake})
			synctest.Wait()
			return c
		}
		half("203.0.113.5:1")
		time.Sleep(600 * time.Millisecond)
		half("203.0.113.6:1")
		silence(t, half("203.0.113.7:1"))
		time.Sleep(399 * time.Millisecond)
		silence(t, half("203.0.113.7:2"))
		b.over(MaxHandshakes, 2)
		time.Sleep(time.Millisecond)
		if err := overTLS(b.dial("203.0.113.7:3")).Handshake(); err != nil {
			t.Errorf("kept out: %v", err)
		}
		synctest.Wait()
		b.over(MaxHandshakes, 3)
		half("203.0.113.5:2") // the first of its source has given its place back
		if n := b.Counters().Open(Opening); n != 2 {
			t.Errorf("%d open", n)
		}
	})
}

// A source that makes room for itself has one place less, and one more.
func TestHandshakesOfASourceAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{MaxHandshakes: 4}, both)
		half := func(from string) net.Conn {
			c := b.dial(from)
			put(c, []byte{recordHandshake})
			synctest.Wait()
			return c
		}
		var oldest []net.Conn
		for _, from := range []string{"203.0.113.5:1", "203.0.113.6:1", "203.0.113.6:2", "203.0.113.7:1"} {
			oldest = append(oldest, half(from))
		}
		time.Sleep(time.Second)
		for i, from := range []string{"203.0.113.5:2", "203.0.113.5:3"} {
			half(from)
			begin := time.Now()
			silence(t, oldest[i])
			if d := time.Since(begin); d != 0 {
				t.Errorf("%s: room was made after %v", from, d)
			}
		}
		silence(t, half("203.0.113.5:4")) // its source has half of them
		b.over(MaxHandshakes, 3)
		if n := b.Counters().Open(Opening); n != 4 {
			t.Errorf("%d open", n)
		}
	})
}

// A certificate authority's handshake (RFC 8737) is all there is of its
// connection: what it would send is not read.
func TestValidationEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := certificate(t)
		config.NextProtos = []string{"acme-tls/1", "stun.turn"}
		b := newBed(t, Options{TLS: config}, both)
		dial := func(protocol string) *tls.Conn {
			c := tls.Client(b.dial("203.0.113.5:1"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			return c
		}
		begin := time.Now()
		if n, err := dial("acme-tls/1").Read(make([]byte, 1)); n != 0 || err != io.EOF || time.Since(begin) != 0 {
			t.Errorf("%d bytes, %v after %v; want an end at once", n, err, time.Since(begin))
		}
		synctest.Wait()
		b.over(Validated, 1)
		dial("stun.turn")
		synctest.Wait()
		if n := b.Counters().Open(TLS); n != 1 {
			t.Errorf("%d open", n)
		}
	})
}

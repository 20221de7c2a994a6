package stream

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"turnpike/relay/dataplane"
)

// met is a client's connection and ours, with a session on it.
func (b *bed) met(from string) (net.Conn, *Conn) {
	b.t.Helper()
	var conn *Conn
	b.frame = func(c *Conn, _ []byte) { conn = c }
	client := b.dial(from)
	put(client, stun(0))
	<-b.told
	b.frame = nil
	conn.Hold()
	return client, conn
}

func allowed(t *testing.T, c *Conn, bs ...[]byte) {
	t.Helper()
	for _, b := range bs {
		if v := c.Send(b); v != dataplane.Allow {
			t.Fatal(v)
		}
	}
}

// What was queued while a write was under way leaves in one write, in order,
// and ChannelData is padded with zeros.
func TestSendIsOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		client, conn := b.met("198.51.100.7:5000")
		allowed(t, conn, stun(0))
		synctest.Wait() // it is being written
		unpadded := channelData(5)[:9]
		allowed(t, conn, unpadded, stun(4))
		unpadded[4] = 0xFF // Send has copied it
		read(t, client, 20)
		all := make([]byte, 1000)
		n, _ := client.Read(all)
		if want := append(channelData(5), stun(4)...); !bytes.Equal(all[:n], want) {
			t.Errorf("%x, want %x", all[:n], want)
		}
	})
}

func TestSendOverTLSIsOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := certificate(t)
		config.DynamicRecordSizingDisabled = true
		b := newBed(t, Options{TLS: config}, both)
		b.frame = func(c *Conn, _ []byte) {
			for range 4 {
				c.Send(channelData(1000))
			}
		}
		client := overTLS(b.dial("198.51.100.7:5000"))
		put(client, stun(0))
		if !b.conn(1).Secure() {
			t.Error("it is not secure")
		}
		synctest.Wait() // the writer may have begun with the first
		n := 0
		for records := 1; n < 4*1004; records++ {
			m, err := client.Read(make([]byte, 1<<14))
			if err != nil || records > 2 {
				t.Fatal(records, err)
			}
			n += m
		}
	})
}

// Data beyond QueueBytes is dropped and answers still have room; what is being
// written counts too. Beyond that the client is cut off.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{QueueBytes: 10000}, both)
		client, conn := b.met("198.51.100.7:5000")
		other, to := b.met("198.51.100.8:5000")
		allowed(t, conn, channelData(4996))
		synctest.Wait() // this one is being written
		allowed(t, conn, channelData(2496), dataIndication(2480))
		for _, m := range [][]byte{channelData(0), channelData(1000), dataIndication(0)} {
			if v := conn.Send(m); v != dataplane.QueueFull {
				t.Errorf("%v", v)
			}
		}
		allowed(t, conn, bytes.Repeat(stun(4076), 4)) // the answers' room
		if v := conn.Send(channelData(0)); v != dataplane.QueueFull {
			t.Errorf("%v", v)
		}
		synctest.Wait()
		b.over(SlowReader, 0)
		allowed(t, to, stun(4)) // another client doesn't notice
		read(t, other, 24)
		if v := conn.Send(stun(0)); v != dataplane.QueueFull {
			t.Errorf("%v", v)
		}
		if v := conn.Send(stun(0)); v != dataplane.Ended {
			t.Errorf("after its end: %v", v)
		}
		silence(t, client)
		synctest.Wait()
		b.over(SlowReader, 1)
		allowed(t, to, stun(4))
		read(t, other, 24)
	})
}

// A queue that was read is empty again.
func TestQueueIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{QueueBytes: 10000}, both)
		client, conn := b.met("198.51.100.7:5000")
		for range 5 {
			allowed(t, conn, channelData(4996), channelData(4996))
			if v := conn.Send(channelData(0)); v != dataplane.QueueFull {
				t.Errorf("%v", v)
			}
			read(t, client, 10000)
			synctest.Wait()
		}
	})
}

// Close lets go of what is queued first, and doesn't wait for it.
func TestCloseWritesWhatIsQueued(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, distinct, both)
			b.frame = func(c *Conn, _ []byte) {
				allowed(t, c, channelData(1000))
				allowed(t, c, stun(4))
				c.Close()
				c.Close()
				if v := c.Send(stun(0)); v != dataplane.Ended {
					t.Errorf("Send after Close: %v", v)
				}
			}
			var client net.Conn = b.dial("198.51.100.7:5000")
			if secure {
				client = overTLS(client)
			}
			put(client, stun(0))
			time.Sleep(time.Second)
			if got, err := io.ReadAll(client); len(got) != 1004+24 || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			synctest.Wait()
			b.over(ClosedByUs, 1)
		})
	}
}

// TLS says goodbye, so that the client can tell the end from a cut.
func TestCloseNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		under := b.dial("198.51.100.7:5000")
		client := overTLS(under)
		put(client, stun(0))
		b.conn(1).Close()
		if alert, _ := io.ReadAll(under); len(alert) != 5+2+1+16 { // RFC 8446 §5.2, with a tag
			t.Errorf("%x", alert)
		}
	})
}

// A client that doesn't take what is queued at the end is cut off in time, and
// keeps a server from closing for a second.
func TestEndOfAStuckClient(t *testing.T) {
	for _, c := range []struct {
		name  string
		close bool
		takes time.Duration
	}{{"Conn.Close alone", false, distinct.Write}, {"Server.Close", true, farewell}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, distinct, both)
				_, conn := b.met("198.51.100.7:5000")
				allowed(t, conn, channelData(1000))
				begin := time.Now()
				conn.Close()
				<-b.told // Gone doesn't wait for the client
				if d := time.Since(begin); d != 0 {
					t.Errorf("Gone came after %v", d)
				}
				if c.close {
					b.Close()
				} else {
					for b.Counters().Over(ClosedByUs) == 0 {
						time.Sleep(time.Second)
						synctest.Wait()
					}
				}
				if d := time.Since(begin); d != c.takes {
					t.Errorf("the end came after %v, want %v", d, c.takes)
				}
			})
		})
	}
}

// A client that closes ends the connection, and so does one whose socket
// breaks while something is written.
func TestClientCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		for i, writing := range []bool{false, true} {
			client, conn := b.met("198.51.100.7:5000")
			if writing {
				allowed(t, conn, stun(0))
				synctest.Wait()
				allowed(t, conn, stun(0))
			}
			client.Close()
			<-b.told
			synctest.Wait()
			b.over(ClosedByClient, uint64(i+1))
			if v := conn.Send(stun(0)); v != dataplane.Ended {
				t.Error(v)
			}
		}
		early := b.dial("198.51.100.7:5000")
		early.Close()
		synctest.Wait()
		b.over(ClosedByClient, 3)
	})
}

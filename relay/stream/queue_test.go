package stream

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"turnpike/relay/dataplane"
)

// recorded is the server's end of a connection that remembers what each write
// was.
type recorded struct {
	net.Conn
	mu     sync.Mutex // guards writes
	writes [][]byte
}

func (r *recorded) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.writes = append(r.writes, bytes.Clone(b))
	r.mu.Unlock()
	return r.Conn.Write(b)
}

// take returns the writes since the last take.
func (r *recorded) take() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writes
	r.writes = nil
	return w
}

// metRecorded is met with a record of what is written.
func (b *bed) metRecorded(secure bool) (client net.Conn, conn *Conn, r *recorded) {
	b.t.Helper()
	var server net.Conn
	client, server = net.Pipe()
	b.t.Cleanup(func() { client.Close() })
	r = &recorded{Conn: server}
	b.pipes.next <- addressed{r, tcpAddr("198.51.100.7:5000"), b.pipes.Addr()}
	if secure {
		client = overTLS(client)
	}
	b.frame = func(c *Conn, _ []byte) { conn = c }
	put(client, stun(0))
	<-b.told
	b.frame = nil
	conn.Hold()
	synctest.Wait()
	r.take()
	return client, conn, r
}

func relayTLS(t *testing.T) Options {
	config := certificate(t)
	config.DynamicRecordSizingDisabled = true // as package certs has it
	return Options{TLS: config}
}

// records is the lengths of the TLS records in b.
func records(b []byte) (all []int) {
	for len(b) >= 5 {
		n := int(binary.BigEndian.Uint16(b[3:]))
		all = append(all, n)
		b = b[min(5+n, len(b)):]
	}
	return all
}

func queued(t *testing.T, c *Conn, bs ...[]byte) {
	t.Helper()
	for _, b := range bs {
		if v := c.Queue(b); v != dataplane.Allow {
			t.Fatal(v)
		}
	}
}

// What is queued stays until Flush, and then leaves in one write, in order, and
// over TLS in one record. A Flush of nothing writes nothing and leaves no writer.
func TestFlushIsOneWriteAndOneRecord(t *testing.T) {
	for _, secure := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, relayTLS(t), both)
			client, conn, r := b.metRecorded(secure)
			conn.Flush()
			want := [][]byte{channelData(1000), channelData(5), dataIndication(8), channelData(1200), stun(4), channelData(0)}
			queued(t, conn, want[0], want[1][:9])
			queued(t, conn, want[2:]...)
			synctest.Wait()
			if n := len(r.take()); n != 0 {
				t.Errorf("secure %v: %d writes before Flush", secure, n)
			}
			all := bytes.Join(want, nil)
			for range 3 {
				conn.Flush()
				if got := read(t, client, len(all)); !bytes.Equal(got, all) {
					t.Fatalf("secure %v: other bytes came", secure)
				}
				synctest.Wait()
				conn.Flush()
				conn.Flush()
				synctest.Wait()
				if conn.writing {
					t.Error("there is a writer with nothing to write")
				}
				writes := r.take()
				if len(writes) != 1 {
					t.Fatalf("secure %v: %d writes", secure, len(writes))
				}
				if n := records(writes[0]); secure && (len(n) != 1 || n[0]+5 != len(writes[0])) {
					t.Errorf("records of %v bytes in a write of %d", n, len(writes[0]))
				}
				queued(t, conn, want...)
			}
			conn.Close() // what is queued is still written
			if got := read(t, client, len(all)); !bytes.Equal(got, all) {
				t.Errorf("secure %v: other bytes came after Close", secure)
			}
			silence(t, client)
		})
	}
}

// What is queued while a writer is at an earlier message goes with its next
// write, whether it was flushed or not.
func TestQueueBesideAWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		client, conn, r := b.metRecorded(false)
		allowed(t, conn, stun(0))
		synctest.Wait() // it is being written
		queued(t, conn, channelData(4), channelData(8))
		conn.Flush()
		queued(t, conn, channelData(12))
		read(t, client, 20+8+12+16)
		synctest.Wait()
		conn.Flush()
		synctest.Wait()
		writes := r.take()
		if len(writes) != 2 || !bytes.Equal(writes[1], slices.Concat(channelData(4), channelData(8), channelData(12))) {
			t.Errorf("%d writes: %x", len(writes), writes)
		}
	})
}

// Queue has the bounds of Send, without a writer as well.
func TestQueueWithoutFlushIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{QueueBytes: 10000}, both)
		client, conn, r := b.metRecorded(false)
		queued(t, conn, channelData(4996), channelData(4995)[:4999])
		for _, m := range [][]byte{channelData(0), dataIndication(0)} {
			if v := conn.Queue(m); v != dataplane.QueueFull {
				t.Errorf("%v", v)
			}
		}
		for range 4 { // the answers' room
			queued(t, conn, stun(4076))
		}
		if v := conn.Queue(channelData(0)); v != dataplane.QueueFull {
			t.Errorf("%v", v)
		}
		synctest.Wait()
		b.over(SlowReader, 0)
		if v := conn.Queue(stun(0)); v != dataplane.QueueFull {
			t.Errorf("%v", v)
		}
		if v := conn.Queue(channelData(0)); v != dataplane.Ended {
			t.Errorf("after its end: %v", v)
		}
		conn.Flush()
		silence(t, client)
		synctest.Wait()
		b.over(SlowReader, 1)
		if n := len(r.take()); n != 0 || conn.queued != nil {
			t.Errorf("%d writes, queued: %v; nothing is for one that was cut off", n, conn.queued != nil)
		}
	})
}

// Many who queue and flush at once, a client that reads, and a Close amid it:
// what comes is whole and in each one's order.
func TestQueueAndFlushFromMany(t *testing.T) {
	const senders, each = 4, 200
	b, at := loopback(t, Options{QueueBytes: 1 << 20}, both)
	client := dial(t, at)
	put(client, stun(0))
	conn := b.conn(1)
	conn.Hold()
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			m := channelData(8)
			m[4] = byte(sender)
			for i := range each {
				binary.BigEndian.PutUint16(m[5:], uint16(i))
				conn.Queue(m)
				if i%7 == 0 {
					conn.Flush()
				}
			}
			conn.Flush()
		})
	}
	go func() {
		all.Wait()
		conn.Close()
	}()
	got, err := io.ReadAll(client)
	if err != nil || len(got) != senders*each*12 {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	var next [senders]uint16
	for m := range slices.Chunk(got, 12) {
		if n := binary.BigEndian.Uint16(m[5:]); n != next[m[4]] {
			t.Fatalf("%d of sender %d, want %d", n, m[4], next[m[4]])
		}
		next[m[4]]++
	}
}

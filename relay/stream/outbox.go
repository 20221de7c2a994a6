package stream

import (
	"sync"

	"turnpike/relay/dataplane"
)

const (
	// answerRoom is what answers may take beyond Options.QueueBytes: data must
	// not crowd them out, and a client that does not read them either has no
	// use for the connection.
	answerRoom = 16 << 10

	batchSize = 2 << 10 // to begin with
)

// batch is messages to be written at once. It grows with what a connection
// needs, and the pool makes that allocations of the first moments only.
type batch struct{ b []byte }

var batches = sync.Pool{New: func() any { return &batch{make([]byte, 0, batchSize)} }}

// recycle gives a batch back.
func recycle(q *batch) {
	q.b = q.b[:0]
	batches.Put(q)
}

var padding [3]byte

// Send implements dataplane.Stream. An answer that finds no room ends the
// connection.
func (c *Conn) Send(b []byte) dataplane.Verdict {
	v := c.Queue(b)
	if v == dataplane.Allow {
		c.Flush()
	}
	return v
}

// Queue implements dataplane.Stream, as Send does.
func (c *Conn) Queue(b []byte) dataplane.Verdict {
	room := c.s.o.QueueBytes
	data := isData(b)
	if !data {
		room += answerRoom
	}
	v := c.enqueue(b, room)
	if v == dataplane.QueueFull && !data {
		c.end(SlowReader)
	}
	return v
}

// Flush implements dataplane.Stream: what is queued has a writer now.
func (c *Conn) Flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeLocked()
}

// writeLocked begins a writer, if there is something to write and none at it.
func (c *Conn) writeLocked() {
	if c.queued != nil && !c.writing && c.over() == Alive {
		c.writing = true
		c.writers.Add(1)
		go c.write()
	}
}

// enqueue queues a message, if no more than room is queued and being written
// with it.
func (c *Conn) enqueue(b []byte, room int) dataplane.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over() != Alive {
		return dataplane.Ended
	}
	waiting := c.flying
	if c.queued != nil {
		waiting += len(c.queued.b)
	}
	if waiting+padded(len(b)) > room {
		return dataplane.QueueFull
	}
	if c.queued == nil {
		c.queued = batches.Get().(*batch)
	}
	c.queued.b = append(append(c.queued.b, b...), padding[:padded(len(b))-len(b)]...)
	return dataplane.Allow
}

// runWriter writes what is queued, all of it at once, until there is nothing
// more.
func (c *Conn) runWriter() {
	defer c.writers.Done()
	for q := c.next(); q != nil; q = c.next() {
		c.watch.start(clockFlush, c.s.o.Write)
		_, err := c.conn.Write(q.b)
		c.watch.stop(clockFlush)
		recycle(q)
		if err != nil {
			c.end(ClosedByClient)
			c.discard()
			return
		}
	}
}

// next is what to write next. nil: nothing, and the next Send begins a writer.
func (c *Conn) next() *batch {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.queued
	c.queued, c.flying, c.writing = nil, 0, q != nil
	if q != nil {
		c.flying = len(q.b)
	}
	return q
}

// discard gives up what is queued.
func (c *Conn) discard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued != nil {
		recycle(c.queued)
		c.queued = nil
	}
}

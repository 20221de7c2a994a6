package mmsg

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"turnpike/relay/dataplane"
)

// clients finds a client's relay sockets. Each worker has one of its own for the
// clients whose datagrams the kernel gives it; the plane has one for streams.
// Readers take no lock: a list is changed by one atomic store at a time, and
// what a reader still walks through when it has been taken out stays as it was.
type clients struct {
	seed  maphash.Seed
	mixed [2]uint64
	table atomic.Pointer[[]atomic.Pointer[client]]

	mu sync.Mutex // guards writers and n
	n  int
}

type client struct {
	dataplane.Client
	socket *socket
	next   atomic.Pointer[client]
}

const minTable = 256

func (t *clients) init() {
	t.seed = maphash.MakeSeed()
	t.mixed = [2]uint64{rand.Uint64(), rand.Uint64()}
	table := make([]atomic.Pointer[client], minTable)
	t.table.Store(&table)
}

// hash spreads clients whose addresses somebody has chosen to collide.
func (t *clients) hash(c *dataplane.Client) uint64 {
	if c.Stream != nil {
		return maphash.Comparable(t.seed, c.Stream)
	}
	ip := c.Addr.Addr().As16()
	a, b := binary.LittleEndian.Uint64(ip[:8]), binary.LittleEndian.Uint64(ip[8:])
	hi, lo := bits.Mul64(a^t.mixed[0], b^t.mixed[1])
	hi, lo = bits.Mul64(hi^lo^t.mixed[0], uint64(c.Addr.Port())<<32^uint64(c.Listener)^t.mixed[1])
	return hi ^ lo
}

// find is a relay socket of a client, or nil.
func (t *clients) find(c *dataplane.Client) *socket { return t.beside(c, nil) }

// beside is a relay socket of a client that has one of each family: not s. nil:
// it has no other.
func (t *clients) beside(c *dataplane.Client, s *socket) *socket {
	table := *t.table.Load()
	for e := table[t.hash(c)&uint64(len(table)-1)].Load(); e != nil; e = e.next.Load() {
		if e.Addr == c.Addr && e.Listener == c.Listener && e.Stream == c.Stream && e.socket != s {
			return e.socket
		}
	}
	return nil
}

// add enters a client's relay socket; false: one of that family is there.
func (t *clients) add(c dataplane.Client, s *socket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if first := t.find(&c); first != nil && (first.v6 == s.v6 || t.beside(&c, first) != nil) {
		return false
	}
	table := *t.table.Load()
	if t.n >= len(table) {
		table = t.growLocked(table)
	}
	t.n++
	insert(table, t.hash(&c), c, s)
	return true
}

func insert(table []atomic.Pointer[client], hash uint64, c dataplane.Client, s *socket) {
	head := &table[hash&uint64(len(table)-1)]
	e := &client{Client: c, socket: s}
	e.next.Store(head.Load())
	head.Store(e)
}

// growLocked doubles the table. Its lists are new, since the old ones may have
// readers.
func (t *clients) growLocked(old []atomic.Pointer[client]) []atomic.Pointer[client] {
	table := make([]atomic.Pointer[client], 2*len(old))
	for i := range old {
		for e := old[i].Load(); e != nil; e = e.next.Load() {
			insert(table, t.hash(&e.Client), e.Client, e.socket)
		}
	}
	t.table.Store(&table)
	return table
}

// remove takes a client out, if it has this socket.
func (t *clients) remove(c dataplane.Client, s *socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	table := *t.table.Load()
	at := &table[t.hash(&c)&uint64(len(table)-1)]
	for e := at.Load(); e != nil; at, e = &e.next, e.next.Load() {
		if e.socket == s {
			at.Store(e.next.Load())
			t.n--
			return
		}
	}
}

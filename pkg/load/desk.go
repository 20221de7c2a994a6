package load

import "sync"

// desk is what a goroutine needs to receive a batch and to send one. There are
// as many as goroutines are at work at the same time, not as many as sockets.
type desk struct {
	in     inbox
	out    outbox
	chunks []chunk
	buf    []byte
	room   int   // of a slot, in which a chunk is framed
	time   int64 // when the chunks are sent
}

func (k *desk) slot(i int) []byte { return k.buf[i*k.room : (i+1)*k.room : (i+1)*k.room] }

// desks are those that nobody sits at.
type desks struct {
	frame int // the largest frame
	chunk int // the most of them in a chunk

	mu   sync.Mutex
	free []*desk
}

const (
	batch     = 64      // messages in a system call
	slotsRoom = 4 << 20 // bytes of all slots of a desk, if they are large
	// maxChunk is the most bytes that are sent at once.
	maxChunk = 65535 - 40 - 8 // of IPv6 too
)

// chunkOf is how many frames of a burst are sent at once.
func chunkOf(frame, burst int) int { return max(min(burst, maxChunk/frame, maxSegments), 1) }

func (d *desks) get() *desk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		k := d.free[n-1]
		d.free = d.free[:n-1]
		return k
	}
	room := d.frame * d.chunk
	slots := max(min(batch, slotsRoom/room), 1)
	return &desk{out: newOutbox(), chunks: make([]chunk, 0, slots), buf: make([]byte, slots*room), room: room}
}

func (d *desks) put(k *desk) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, k)
}

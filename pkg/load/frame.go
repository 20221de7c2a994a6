package load

import (
	"encoding/binary"
	"net/netip"

	"turnpike/relay/dataplane"
)

// framing is how a payload travels on a line.
type framing uint8

const (
	raw        framing = iota // as it is: between a peer and a relay
	channel                   // ChannelData
	indication                // Send and Data indications
	challenge                 // no payload: an Allocate without credentials
	binding                   // no payload: a Binding request
)

// MinSize is the smallest payload, which the stamp fills. MaxSize is the largest:
// less than what a datagram holds, and more than any media packet.
const (
	MinSize = stampSize
	MaxSize = 4000
)

// stamp is what every payload begins with. Sender and receiver are one process,
// so the time is of one clock and the order of bytes is of no matter.
type stamp struct {
	run  uint64 // this run, and which direction: nobody else's packets count
	flow uint64
	seq  uint64
	time int64 // nanoseconds, when it was sent
}

const stampSize = 32

func (s *stamp) put(b []byte) {
	_ = b[stampSize-1]
	binary.LittleEndian.PutUint64(b, s.run)
	binary.LittleEndian.PutUint64(b[8:], s.flow)
	binary.LittleEndian.PutUint64(b[16:], s.seq)
	binary.LittleEndian.PutUint64(b[24:], uint64(s.time))
}

func parseStamp(b []byte) (s stamp, ok bool) {
	if len(b) < stampSize {
		return s, false
	}
	return stamp{
		run: binary.LittleEndian.Uint64(b), flow: binary.LittleEndian.Uint64(b[8:]),
		seq: binary.LittleEndian.Uint64(b[16:]), time: int64(binary.LittleEndian.Uint64(b[24:])),
	}, true
}

// question is the transaction id of a request that only counts: it tells who
// asked and when, hidden by a mask that makes it look, and be, unpredictable.
type question struct {
	flow uint32
	time int64
}

func (q question) id(mask *transactionID) (id transactionID) {
	binary.LittleEndian.PutUint32(id[:], q.flow)
	binary.LittleEndian.PutUint64(id[4:], uint64(q.time))
	for i := range id {
		id[i] ^= mask[i]
	}
	return id
}

func questionOf(id []byte, mask *transactionID) question {
	var b transactionID
	for i := range b {
		b[i] = id[i] ^ mask[i]
	}
	return question{binary.LittleEndian.Uint32(b[:]), int64(binary.LittleEndian.Uint64(b[4:]))}
}

// frameSize is the size of a framed payload of n bytes on a line.
func (l *line) frameSize(n int) int {
	switch l.framing {
	case channel:
		if l.stream != nil {
			return 4 + padded(n)
		}
		return 4 + n
	case indication:
		return sendHeader(l.peer) + padded(n)
	case challenge:
		return stunHeader + 8
	case binding:
		return stunHeader
	}
	return n
}

// sendHeader is the size of what stands before the payload in a Send indication.
func sendHeader(peer netip.AddrPort) int {
	if peer.Addr().Is4() {
		return stunHeader + 12 + 4
	}
	return stunHeader + 24 + 4
}

// put writes one message with a payload of n bytes, of which it writes the
// stamp, at the start of b.
func (l *line) put(b []byte, n int, s *stamp) {
	switch l.framing {
	case channel:
		dataplane.PutChannelHeader(b, n, l.channel)
		s.put(b[4:])
	case indication:
		// The Send indication differs from a Data indication by its type.
		at := dataplane.PutDataHeader(b, n, l.peer)
		binary.BigEndian.PutUint16(b, typeSend)
		s.put(b[at:])
		clear(b[at+n : at+padded(n)])
	case challenge:
		putHeader(b, methodAllocate, 8, question{uint32(s.flow), s.time}.id(l.mask))
		copy(b[stunHeader:], "\x00\x19\x00\x04\x11\x00\x00\x00") // REQUESTED-TRANSPORT: UDP
	case binding:
		putHeader(b, methodBinding, 0, question{uint32(s.flow), s.time}.id(l.mask))
	default:
		s.put(b)
	}
}

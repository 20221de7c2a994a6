package stream

import (
	"net"
	"sync"

	"turnpike/relay/dataplane"
)

const (
	// maxMessage is the largest message taken: what a UDP listener takes, so
	// that the way a client comes makes no difference.
	maxMessage = 4096 + dataplane.MaxFraming

	// bufferSize holds a message of any size, and a good number of usual ones
	// to be read at once.
	bufferSize  = 8<<10 - 8*maxCut
	bufferStart = dataplane.Headroom

	maxCut = 64 // messages handed on at once
)

// buffer has 8 KiB in all.
type buffer struct {
	b     [bufferSize]byte
	spans [maxCut]dataplane.Span
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// input is what has been read and not been used. It has a buffer only while it
// holds bytes, and while more are read to them: a silent connection has none.
type input struct {
	buf        *buffer
	start, end int
}

// bytes is what is there.
func (in *input) bytes() []byte {
	if in.buf == nil {
		return nil
	}
	return in.buf.b[in.start:in.end]
}

// all is the buffer up to what is there.
func (in *input) all() []byte { return in.buf.b[:in.end:in.end] }

// cut finds the messages that are there as a whole, some of them if there are
// many. fault is that of what is behind them.
func (in *input) cut() (messages []dataplane.Span, fault Reason) {
	n := 0
	for at := in.start; at < in.end && n < maxCut; n++ {
		size, wire, fault := measure(in.buf.b[at:in.end])
		if fault != Alive || wire == 0 || in.end-at < wire {
			return in.buf.spans[:n], fault
		}
		in.buf.spans[n] = dataplane.Span{From: int32(at), To: int32(at + size)}
		at += wire
	}
	return in.buf.spans[:n], Alive
}

// take removes the first n bytes.
func (in *input) take(n int) {
	if in.start += n; in.start == in.end {
		in.release()
	}
}

// release removes all bytes.
func (in *input) release() {
	if in.buf != nil {
		buffers.Put(in.buf)
	}
	*in = input{}
}

// room is where to read more, and never empty as long as what is there is a
// part of a message. A part near the end moves to the front, which happens to a
// byte once at most: the next time it is used.
func (in *input) room() []byte {
	switch {
	case in.buf == nil:
		in.buf = buffers.Get().(*buffer)
		in.start, in.end = bufferStart, bufferStart
	case bufferSize-in.start < maxMessage:
		in.end = bufferStart + copy(in.buf.b[bufferStart:], in.bytes())
		in.start = bufferStart
	}
	return in.buf.b[in.end:]
}

// reader reads what a connection sends.
type reader interface {
	// fill waits for bytes, one at least, and adds them to the input.
	fill(*input) error
}

// connReader reads a connection that can't be asked whether bytes are there:
// it waits for the first with a buffer of one byte.
type connReader struct {
	conn  net.Conn
	first [1]byte
}

func (r *connReader) fill(in *input) error {
	b := r.first[:]
	if in.buf != nil {
		b = in.room()
	}
	n, err := r.conn.Read(b)
	if n == 0 {
		return err
	}
	if in.buf == nil {
		in.room()[0] = r.first[0]
	}
	in.end += n
	return nil // an error comes again
}

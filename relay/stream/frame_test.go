package stream

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"turnpike/relay/dataplane"
	table "turnpike/relay/relaytest/wire"
)

func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		hex     string
		n, wire int
		fault   Reason
	}{
		{"00", 0, 0, Alive},
		{"0001000821", 28, 28, Alive},
		{"000100082112a442", 28, 28, Alive},
		{"000100002112a4", 20, 20, Alive},
		{"000100082112a443", 0, 0, Malformed}, // RFC 3489 has no cookie
		{"000100072112a442", 0, 0, Malformed},
		{"0001000a", 0, 0, Malformed},
		{"0101106c", 4224, 4224, Alive},
		{"01011070", 0, 0, Oversize},
		{"0001ffec", 0, 0, Oversize}, // 20 bytes more are 0 in 16 bits
		{"0001fffc", 0, 0, Oversize},
		{"40", 0, 0, Alive},
		{"40000000", 4, 4, Alive},
		{"40000001", 5, 8, Alive},
		{"4fff000400", 8, 8, Alive},
		{"4000107c", 4224, 4224, Alive},
		{"4000107d", 0, 0, Oversize},
		{"4000fffc0000000000", 0, 0, Oversize}, // 4 bytes more are 0 in 16 bits
		{"4000ffff", 0, 0, Oversize},
		{"02", 0, 0, Malformed},
		{"16", 0, 0, Malformed},
		{"3f", 0, 0, Malformed},
		{"7fff0001", 5, 8, Alive}, // RFC 5766 has channels up to 0x7FFF
		{"80", 0, 0, Malformed},
		{"c0", 0, 0, Malformed},
	} {
		b, _ := hex.DecodeString(c.hex)
		n, wire, fault := measure(b)
		if n != c.n || wire != c.wire || fault != c.fault {
			t.Errorf("%s: %d %d %v, want %d %d %v", c.hex, n, wire, fault, c.n, c.wire, c.fault)
		}
	}
}

// pieces is a client that has sent all it ever will; each read gets the next
// piece of it, of the sizes given in turn.
type pieces struct {
	net.Conn
	data  []byte
	sizes []byte
	reads int
}

func (p *pieces) next(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, errors.New("a read into nothing")
	}
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	size := len(p.data)
	if len(p.sizes) > 0 {
		size = 1 + int(p.sizes[p.reads%len(p.sizes)])
	}
	p.reads++
	n := copy(b, p.data[:min(size, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func (*pieces) RemoteAddr() net.Addr { return nil }
func (*pieces) LocalAddr() net.Addr  { return nil }

func (p *pieces) Read(b []byte) (int, error) { return p.next(b) }

// fill makes pieces a reader like that of a socket.
func (p *pieces) fill(in *input) error {
	n, err := p.next(in.room())
	in.end += n
	return err
}

// cut is what a Conn makes of a client's bytes.
func cut(t testing.TB, p *pieces, socket bool) (frames [][]byte, why Reason) {
	s, err := New(Options{Gone: func(*Conn) {}, Frame: func(_ *Conn, buf []byte, messages []dataplane.Span) int {
		n := 1 + len(frames)%len(messages)
		for _, m := range messages[:n] {
			frames = append(frames, takeMessage(t, buf, m))
		}
		return n
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(s, p, &both)
	defer c.watch.close()
	if c.reader = reader(p); !socket {
		c.reader = &connReader{conn: p}
	}
	why = c.messages()
	if c.in.release(); c.in != (input{}) {
		t.Error("a buffer is left")
	}
	return frames, why
}

// reference cuts by the book, with everything at hand.
func reference(b []byte) (frames [][]byte, why Reason) {
	for len(b) > 0 {
		size, pad := 20, 0
		switch {
		case b[0] == 0 || b[0] == 1:
		case b[0] >= 0x40 && b[0] <= 0x7F:
			size = 4
		default:
			return frames, Malformed
		}
		if len(b) < 4 {
			break
		}
		length := uint64(b[2])<<8 | uint64(b[3])
		isSTUN := size == 20
		if isSTUN && length%4 != 0 {
			return frames, Malformed
		}
		size += int(length)
		for (size+pad)%4 != 0 {
			pad++
		}
		if size > maxMessage {
			return frames, Oversize
		}
		if isSTUN && len(b) >= 8 && !bytes.Equal(b[4:8], []byte{0x21, 0x12, 0xA4, 0x42}) {
			return frames, Malformed
		}
		if len(b) < size+pad {
			break
		}
		frames = append(frames, b[:size])
		b = b[size+pad:]
	}
	return frames, ClosedByClient
}

func checkCut(t *testing.T, data, sizes []byte) {
	t.Helper()
	want, wantWhy := reference(data)
	for _, socket := range []bool{true, false} {
		got, why := cut(t, &pieces{data: data, sizes: sizes}, socket)
		if why != wantWhy || !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("socket %v, %d bytes in pieces of %v: %d messages, %v; want %d, %v", socket, len(data), sizes, len(got), why, len(want), wantWhy)
		}
	}
}

// stockKiller makes the framing of pion/turn v4 spin for ever.
var stockKiller = []byte{0x40, 0, 0xFF, 0xFC, 0, 0, 0, 0, 0}

func FuzzFrames(f *testing.F) {
	f.Add(stockKiller, []byte{})
	f.Add([]byte{0, 0, 0xFF, 0xFC, 0, 0x40, 0, 0}, []byte{0}) // wrong in two ways
	f.Add(bytes.Join([][]byte{stun(0), channelData(5), channelData(0), stun(40), channelData(1201)}, nil), []byte{0})
	f.Add(bytes.Repeat(channelData(1199), 12), []byte{255, 0, 17})
	f.Add(append(channelData(4220), stun(4204)...), []byte{})
	f.Add(append(stun(4204), 0x16), []byte{200})
	f.Add(append([]byte{0x7F, 0xFF, 0, 1, 0, 0, 0, 0}, bytes.Repeat(channelData(0), 200)...), []byte{})
	f.Add(append(bytes.Repeat(channelData(3), 600), stun(4208)...), []byte{})
	seeds, err := table.Seeds()
	if err != nil {
		f.Fatal(err)
	}
	for i, b := range seeds {
		f.Add(append(b, stun(4)...), []byte{byte(i)})
	}
	f.Fuzz(func(t *testing.T, data, sizes []byte) {
		if len(data) > 64<<10 {
			return
		}
		checkCut(t, bytes.Clone(data), sizes)
	})
}

// Every message comes whole and unharmed, whatever the pieces and wherever in
// the buffer it lies.
func TestFramesOfAllSizes(t *testing.T) {
	var data []byte
	for n := range maxMessage - channelHeader + 1 {
		if n%7 == 0 || n > maxMessage-40 {
			data = append(data, channelData(n)...)
		}
		if n%44 == 0 && n <= maxMessage-stunHeader {
			data = append(data, stun(n)...)
		}
	}
	for _, sizes := range [][]byte{nil, {0, 255, 3}, {6}, {99, 255, 255, 255, 0}} {
		checkCut(t, data, sizes)
	}
}

// A large message byte by byte is moved in the buffer once at most.
func TestNothingIsMovedTwice(t *testing.T) {
	var in input
	b := in.room()
	in.end += len(b)
	in.take(len(b) - 100) // a part of 100 bytes at the very end
	moves := 0
	for range maxMessage - 101 {
		before := in.start
		in.room()[0] = 1
		in.end++
		if in.start != before {
			moves++
		}
	}
	if moves != 1 || len(in.bytes()) != maxMessage-1 {
		t.Errorf("%d moves, %d bytes", moves, len(in.bytes()))
	}
	in.release()
}

// What is used is not kept.
func TestNoBufferIsHeld(t *testing.T) {
	c, in := framer(t)
	feed(c, in)
	if c.in != (input{}) {
		t.Error("a buffer without a byte")
	}
	feed(c, in[:len(in)-1])
	if len(c.in.bytes()) != 1203 {
		t.Errorf("%d bytes of the last message", len(c.in.bytes()))
	}
	c.in.release()
	c.watch.close()
}

// A message that begins wrong ends the connection at once, not when it is
// whole.
func TestBadMessageEndsTheConnection(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		why  Reason
	}{
		{"pion's end", stockKiller, Oversize},
		{"pion's end in STUN", append([]byte{0, 1, 0xFF, 0xEC, 0x21, 0x12, 0xA4, 0x42}, make([]byte, 12)...), Oversize},
		{"large STUN", stun(maxMessage - stunHeader + 4)[:4], Oversize},
		{"large ChannelData", channelData(maxMessage - channelHeader + 1)[:4], Oversize},
		{"no cookie", append([]byte{0, 1, 0, 8}, make([]byte, 4)...), Malformed},
		{"odd length", []byte{0, 1, 0, 9}, Malformed},
		{"HTTP", []byte("POST / HTTP/1.1\r\n"), Oversize}, // as ChannelData it is long
		{"no message", []byte{0x80, 0, 0, 0}, Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, Options{}, both)
				good := b.dial("198.51.100.8:5000")
				bad := b.dial("198.51.100.7:5000")
				put(bad, stun(0), c.b)
				silence(t, bad)
				put(good, stun(4), channelData(3))
				synctest.Wait()
				b.over(c.why, 1)
				if n := b.Counters().Open(TCP); n != 1 {
					t.Errorf("%d open", n)
				}
				for range 3 + 1 {
					<-b.told
				}
			})
		})
	}
}

// Frames that are behind a Close in the buffer are not handed on.
func TestNoFrameAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, Options{}, both)
		b.frame = func(c *Conn, _ []byte) { c.Close() }
		c := b.dial("198.51.100.7:5000")
		put(c, stun(0), stun(4), stun(8))
		silence(t, c)
		synctest.Wait()
		for _, frames := range b.frames {
			if len(frames) != 1 {
				t.Errorf("%d messages", len(frames))
			}
		}
		b.over(ClosedByUs, 1)
	})
}

func TestIsData(t *testing.T) {
	for _, c := range []struct {
		b    []byte
		data bool
	}{
		{channelData(0), true}, {dataIndication(0), true}, {stun(0), false}, {nil, false}, {[]byte{0x01, 0x17}, false},
	} {
		if isData(c.b) != c.data {
			t.Errorf("%x: %v", c.b, !c.data)
		}
	}
	if binary.BigEndian.Uint16(dataplane.PutData(make([]byte, 100), 60, 4, tcpAddrPort("192.0.2.1:1"))) != dataType {
		t.Error("the plane's Data indications have another type")
	}
}

package load

import (
	"bytes"
	"errors"
	"testing"

	"github.com/pion/stun/v3"
)

// wire is some messages as they follow each other in a stream.
func wire(t testing.TB) (all []byte, messages [][]byte) {
	l := line{framing: channel, channel: 0x4001, stream: new(stream)}
	for _, size := range []int{32, 33, 34, 35, 4000} {
		b := make([]byte, l.frameSize(size))
		l.put(b, size, &stamp{seq: uint64(size)})
		messages = append(messages, b)
	}
	messages = append(messages, answer(t, stun.BindingSuccess), answer(t, stun.BindingSuccess, lifetime(5)), []byte{0x40, 0, 0, 0})
	return bytes.Join(messages, nil), messages
}

// However the stream is cut, the messages are the same.
func TestStreamFrames(t *testing.T) {
	all, want := wire(t)
	for _, step := range []int{1, 2, 3, 7, 64, 1000, len(all)} {
		f := frames{buf: make([]byte, 5000)}
		var got [][]byte
		for rest := all; ; {
			n := copy(f.room(), rest[:min(step, len(rest))])
			f.to, rest = f.to+n, rest[n:]
			for {
				b, err := f.next()
				if err != nil {
					t.Fatal(err)
				}
				if b == nil {
					break
				}
				got = append(got, bytes.Clone(b))
			}
			if len(rest) == 0 {
				break
			}
		}
		if len(got) != len(want) {
			t.Fatalf("in steps of %d: %d messages, want %d", step, len(got), len(want))
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("in steps of %d: message %d is %d bytes, want %d", step, i, len(got[i]), len(want[i]))
			}
		}
	}
}

func TestStreamNonsense(t *testing.T) {
	for name, b := range map[string][]byte{
		"neither":    {0x80, 0, 0, 0},
		"HTTP":       []byte("HTTP/1.1 400 Bad Request\r\n"),
		"odd STUN":   {0, 1, 0, 3},
		"endless":    {0x40, 0, 0xff, 0xff},
		"large STUN": {0, 1, 0xff, 0xfc},
	} {
		f := frames{buf: make([]byte, 5000)}
		f.to = copy(f.room(), b)
		if frame, err := f.next(); !errors.Is(err, errFraming) {
			t.Errorf("%s: %x, %v", name, frame, err)
		}
	}
}

func FuzzFrames(f *testing.F) {
	all, _ := wire(f)
	f.Add(all, 7)
	f.Add([]byte("HTTP/1.1 400"), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		in, took := frames{buf: make([]byte, 512)}, 0
		for step = max(step, 1); len(b) > 0; {
			room := in.room()
			n := copy(room, b[:min(step, len(b), len(room))])
			if n == 0 {
				t.Fatal("the buffer is full of a message that does not fit, and that was not said")
			}
			in.to, b = in.to+n, b[n:]
			for {
				m, err := in.next()
				if err != nil {
					return
				}
				if m == nil {
					break
				}
				if took++; len(m) < 4 {
					t.Fatalf("a message of %d bytes", len(m))
				}
			}
		}
	})
}

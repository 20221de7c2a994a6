package relay

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// bindingRequest is a Binding request.
func bindingRequest() []byte { return stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw }

// after sends n times message and then a Binding request, and tells how long it
// took until that was answered, and n answers of so many bytes before it.
func after(t *testing.T, conn net.Conn, n int, message []byte, each int) time.Duration {
	t.Helper()
	begin := time.Now()
	if _, err := conn.Write(append(bytes.Repeat(message, n), bindingRequest()...)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(begin.Add(10 * time.Second))
	header := make([]byte, 20)
	if _, err := io.CopyN(io.Discard, conn, int64(n*each)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, header); err != nil || binary.BigEndian.Uint16(header) != 0x0101 {
		t.Fatalf("%#x, %v", header, err)
	}
	if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(header[2:]))); err != nil {
		t.Fatal(err)
	}
	return time.Since(begin)
}

// A stranger's messages are taken at a pace, answered or not, and so are the
// questions of a client with a session and the data that it is refused. What is
// relayed is not.
func TestStrangersArePaced(t *testing.T) {
	in := newInside(t)
	nothing := []byte{0x40, 0, 0, 0} // ChannelData without data
	const answer = 32                // bytes, to a Binding request over IPv4
	stranger := func() net.Conn {
		conn, err := net.Dial("tcp", in.tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		after(t, conn, 0, nil, 0)
		return conn
	}
	if d := after(t, stranger(), 220, nothing, 0); d < 350*time.Millisecond {
		t.Errorf("a stranger's data: 220 in %v", d)
	}
	if d := after(t, stranger(), 220, bindingRequest(), answer); d < 350*time.Millisecond {
		t.Errorf("a stranger's requests: 220 in %v", d)
	}
	_, conn := in.overTCP()
	if d := after(t, conn, 220, nothing, 0); d < 350*time.Millisecond {
		t.Errorf("a client's data without a channel: 220 in %v", d)
	}
	c, conn := in.overTCP()
	if r, err := c.ChannelBind(0x4000, netip.MustParseAddrPort("93.184.218.1:4000")); err != nil || !r.OK() {
		t.Fatalf("%+v, %v", r, err)
	}
	if d := after(t, conn, 5000, nothing, 0); d > 5*time.Second {
		t.Errorf("a client's data: 5000 in %v", d)
	}
	if d := after(t, conn, 220, bindingRequest(), answer); d < 350*time.Millisecond {
		t.Errorf("a client's questions: 220 in %v", d)
	}
}

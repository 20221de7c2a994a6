package stream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// option reads an option of a socket.
func option(t *testing.T, c net.Conn, level, name int) (v int) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { v, err = syscall.GetsockoptInt(int(fd), level, name) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A connection's share of the kernel is bounded, and it finds out about a
// client that has gone without a word.
func TestSocketOptions(t *testing.T) {
	b, at := loopback(t, Options{}, both)
	put(dial(t, at), stun(0))
	accepted := b.conn(1).raw
	like := dial(t, at)
	_ = like.SetWriteBuffer(sendBuffer) // as much of it as this host gives
	for _, o := range []struct {
		name          string
		level, option int
		want          int
	}{
		{"SO_SNDBUF", syscall.SOL_SOCKET, syscall.SO_SNDBUF, option(t, like, syscall.SOL_SOCKET, syscall.SO_SNDBUF)},
		{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{"TCP_NODELAY", syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
		{"TCP_KEEPIDLE", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 60},
		{"TCP_KEEPINTVL", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, 15},
		{"TCP_KEEPCNT", syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 4},
	} {
		if v := option(t, accepted, o.level, o.option); v != o.want {
			t.Errorf("%s is %d, want %d", o.name, v, o.want)
		}
	}
}

// Who is cut off is reset: the kernel keeps nothing of them.
func TestCutIsAReset(t *testing.T) {
	b, at := loopback(t, Options{MaxConns: 1}, both)
	first := dial(t, at)
	put(first, stun(0))
	conn := b.conn(1)
	refused, err := net.Dial("tcp4", at)
	if err == nil { // it may be over as soon as it is there
		defer refused.Close()
		_, err = io.ReadAll(refused)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	b.over(MaxConns, 1)
	// Whoever is there when the server closes gets what is queued, and a farewell.
	answer := stun(40)
	allowed(t, conn, answer)
	b.Close()
	if got, err := io.ReadAll(first); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("%d bytes of %d, %v", len(got), len(answer), err)
	}
}

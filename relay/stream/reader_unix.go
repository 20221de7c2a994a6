//go:build unix

package stream

import (
	"io"
	"net"
	"os"
	"syscall"
)

// socketReader reads a socket. It takes a buffer for the attempt to read, not
// for the wait.
type socketReader struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // attempt, made once
	in  *input
	n   int
	err error
}

// newReader makes the reader of a socket.
func newReader(conn net.Conn) reader {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			r := &socketReader{raw: raw}
			r.try = r.attempt
			return r
		}
	}
	return &connReader{conn: conn}
}

func (r *socketReader) fill(in *input) error {
	r.in = in
	err := r.raw.Read(r.try)
	switch {
	case err != nil:
		return err
	case r.err != nil:
		return os.NewSyscallError("read", r.err)
	case r.n == 0:
		return io.EOF
	}
	in.end += r.n
	return nil
}

// attempt reads without waiting. false: call again when something may be there.
func (r *socketReader) attempt(fd uintptr) bool {
	b := r.in.room()
	for {
		if r.n, r.err = syscall.Read(int(fd), b); r.err != syscall.EINTR {
			break
		}
	}
	if r.err == syscall.EAGAIN && len(r.in.bytes()) == 0 {
		r.in.release()
	}
	return r.err != syscall.EAGAIN
}

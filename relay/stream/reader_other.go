//go:build !unix

package stream

import "net"

// newReader makes the reader of a socket.
func newReader(conn net.Conn) reader { return &connReader{conn: conn} }

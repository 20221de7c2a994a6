// Package std is the data plane that works wherever Go does: one goroutine a
// listener, one goroutine and one buffer a relay socket, one datagram a system
// call. It is the reference that package mmsg is measured against, and about
// as fast as an unguarded pion server (docs/performance.md).
//
// Sends never wait. Go's own UDPConn.Write parks the goroutine while a socket
// buffer is full, which would let one congested path delay every session of a
// listener; so on Unix the send is made by hand, once, and EAGAIN is a counted
// drop (send_unix.go). Elsewhere the standard library's call is used.
package std

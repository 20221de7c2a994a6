package wire

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// Server is what the table is run against.
type Server struct {
	Realm string
	Users map[Who]User
	// Relay and RelayIPv6 are those of relayed transport addresses.
	Relay, RelayIPv6 netip.Addr

	// Dial opens a five-tuple from that address of the clients' host.
	Dial func(over Over, local netip.AddrPort) (Conn, error)
	// Nonce is one that the server might have given the client seconds ago; nil
	// if nobody can tell.
	Nonce func(over Over, client netip.AddrPort, seconds int) string
	// Peer opens the peer's socket. nil: the server relays nothing, and steps
	// that are about data are left out.
	Peer func(netip.AddrPort) (net.PacketConn, error)
	// Patience bounds the wait for what the peer must get.
	Patience time.Duration
	// Drain tells the server to end when its clients have; nil if it can't.
	Drain func() error

	// Whole says that the server is given whole messages over any transport, so
	// that there is no stream to be closed.
	Whole bool
	// Stock says that the server is stock pion: what it answers is held against
	// the table by code, attributes and signature, not byte for byte. It serves
	// one message after the other, so that silence shows at once.
	Stock bool
}

// Conn is the client's end of a five-tuple.
type Conn interface {
	Write([]byte) error
	// Read returns the next message, with its padding. Its errors are
	// ErrNothing, or whatever the end of a stream brings.
	Read() ([]byte, error)
	Close() error
}

// ErrUnable says that a case asks for what the server has not to offer.
var ErrUnable = errors.New("wire: not for this server")

// ErrNothing says that there is no message, or that none came in time.
var ErrNothing = errors.New("wire: no message")

// user is who's credential; the false ones are made of alice's.
func (s *Server) user(who Who) User {
	alice := s.Users[Alice]
	switch who {
	case wrong:
		return User{alice.Name, "not " + alice.Password}
	case unknown:
		return User{"nobody:" + alice.Name, alice.Password}
	}
	return s.Users[who]
}

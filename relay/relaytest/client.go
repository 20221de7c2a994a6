package relaytest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v3"
)

// ErrNoAnswer says that a request, though repeated, was not answered in time.
var ErrNoAnswer = errors.New("relaytest: no answer")

// User is a long-term credential.
type User struct{ Name, Password string }

// Client is a raw TURN client. It says what it is told to say, byte for byte,
// and believes nothing to be impossible; it keeps no state of allocations.
//
// It is not safe for concurrent use. Two clients may share a Conn, one after
// the other: that is how one user speaks on another's five-tuple.
type Client struct {
	Conn   net.PacketConn // the caller's to close
	Server netip.AddrPort
	User   User
	// Timeout bounds the wait for an answer. The request is sent again at a
	// quarter and at half of it (RFC 8489 section 6.2.1 in small).
	Timeout time.Duration

	// Realm and Nonce are what requests are signed with. Do learns them from
	// the server's challenge; a test may set them.
	Realm, Nonce string

	// SHA256 says that the client knows RFC 8489 and uses SHA-256 where it is
	// offered. Algorithms are what was, see Realm.
	SHA256     bool
	Algorithms []byte

	data []Datagram // relayed data that came while an answer was awaited
}

// NewClient returns a client with a timeout of one second.
func NewClient(conn net.PacketConn, server netip.AddrPort, user User) *Client {
	return &Client{Conn: conn, Server: server, User: user, Timeout: time.Second}
}

// As returns a client of another user on the same five-tuple, which has yet to
// be challenged.
func (c *Client) As(user User) *Client {
	return &Client{Conn: c.Conn, Server: c.Server, User: user, Timeout: c.Timeout}
}

// Do sends a request. Challenged by 401 or 438 with a realm and a nonce, it
// signs and tries once more. An error response is a Response, not an error.
func (c *Client) Do(method stun.Method, attrs ...stun.Setter) (Response, error) {
	challenged := false
	for {
		request, err := c.Request(method, attrs, nil)
		if err != nil {
			return Response{}, err
		}
		r, err := c.Exchange(request)
		if err != nil || challenged || (r.Code != 401 && r.Code != 438) || r.Nonce == "" {
			return r, err
		}
		if err := c.learn(r); err != nil {
			return r, err
		}
		challenged = true
	}
}

// Request builds a request of a new transaction: attrs, then USERNAME, REALM,
// NONCE and MESSAGE-INTEGRITY if the client has a nonce (see Credentials), then
// after, which no integrity covers.
func (c *Client) Request(method stun.Method, attrs, after []stun.Setter) ([]byte, error) {
	all := append([]stun.Setter(nil), attrs...)
	if c.Nonce != "" {
		all = append(all, c.Credentials()...)
	}
	return build(method, stun.ClassRequest, append(all, after...)...)
}

func (c *Client) key() stun.MessageIntegrity {
	return stun.NewLongTermIntegrity(c.User.Name, c.Realm, c.User.Password)
}

// Allocate asks for a UDP relay.
func (c *Client) Allocate(attrs ...stun.Setter) (Response, error) {
	return c.Do(stun.MethodAllocate, append([]stun.Setter{RequestedTransport(17)}, attrs...)...)
}

// Refresh asks for the allocation to live d longer; 0 ends it.
func (c *Client) Refresh(d time.Duration) (Response, error) {
	return c.Do(stun.MethodRefresh, Lifetime(d))
}

// CreatePermission asks for permissions for the peers' addresses.
func (c *Client) CreatePermission(peers ...netip.AddrPort) (Response, error) {
	attrs := make([]stun.Setter, len(peers))
	for i, p := range peers {
		attrs[i] = XORPeer(p)
	}
	return c.Do(stun.MethodCreatePermission, attrs...)
}

// ChannelBind asks for a channel to peer.
func (c *Client) ChannelBind(channel uint16, peer netip.AddrPort) (Response, error) {
	return c.Do(stun.MethodChannelBind, ChannelNumber(channel), XORPeer(peer))
}

// Send relays b to peer in a Send indication. There is no answer.
func (c *Client) Send(peer netip.AddrPort, b []byte) error {
	m, err := build(stun.MethodSend, stun.ClassIndication, XORPeer(peer), Data(b))
	if err != nil {
		return err
	}
	return c.WriteRaw(m)
}

// SendChannel relays b over a channel. There is no answer.
func (c *Client) SendChannel(channel uint16, b []byte) error {
	return c.WriteRaw(channelData(channel, b))
}

// WriteRaw sends b to the server as it is.
func (c *Client) WriteRaw(b []byte) error {
	_, err := c.Conn.WriteTo(b, net.UDPAddrFromAddrPort(c.Server))
	return err
}

// Exchange sends a request as it is and returns the response of the same
// transaction. Silence is ErrNoAnswer.
func (c *Client) Exchange(request []byte) (Response, error) {
	if len(request) < 20 {
		return Response{}, fmt.Errorf("relaytest: a request of %d bytes has no transaction", len(request))
	}
	start := time.Now()
	for _, wait := range []time.Duration{c.Timeout / 4, c.Timeout / 2, c.Timeout} {
		if err := c.WriteRaw(request); err != nil {
			return Response{}, err
		}
		r, err := c.readResponse(request[8:20], start.Add(wait))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return r, err
		}
	}
	return Response{}, ErrNoAnswer
}

func (c *Client) readResponse(tx []byte, deadline time.Time) (Response, error) {
	for {
		b, err := c.read(deadline)
		if err != nil {
			return Response{}, err
		}
		if d, ok := parseDatagram(b); ok {
			c.data = append(c.data, d)
			continue
		}
		m := &stun.Message{Raw: b}
		if m.Decode() != nil || !bytes.Equal(m.TransactionID[:], tx) {
			continue // an answer to an earlier transmission
		}
		return parseResponse(m, c.signed)
	}
}

// read returns the next datagram of the server.
func (c *Client) read(deadline time.Time) ([]byte, error) {
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.Conn.ReadFrom(buf)
		if err != nil {
			return nil, err
		}
		if from.String() == c.Server.String() {
			return buf[:n], nil
		}
	}
}

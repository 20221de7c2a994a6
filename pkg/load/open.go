package load

import (
	"fmt"
	"net"
	"net/netip"

	"turnpike/relay/dataplane"
)

const (
	minChannel = dataplane.MinChannel
	channels   = dataplane.MaxChannel - dataplane.MinChannel + 1

	sharedBuffer = 32 << 20 // bytes, of a socket of all clients or peers
	ownBuffer    = 2 << 20  // of a socket of one client
)

// openShared opens the sockets that all clients, or all peers, share.
func (b *bench) openShared() error {
	relays := len(b.clients) > b.o.Clients
	if b.o.ClientNet.IsValid() && b.o.Server.Transport == UDP {
		ends := []*end{&b.near}
		if relays {
			ends = append(ends, &b.far)
		}
		for _, e := range ends {
			if _, err := b.share(e, netip.AddrPortFrom(unspecified(b.server.Addr()), 0), true); err != nil {
				return err
			}
		}
	}
	if b.o.Scenario != Relay || relays {
		return nil
	}
	at := b.o.PeerAddress
	if !at.Addr().IsValid() {
		local, err := routeTo(b.server)
		if err != nil {
			return fmt.Errorf("peer socket: %w", err)
		}
		at = netip.AddrPortFrom(local, at.Port())
	}
	var err error
	b.peer, err = b.share(&b.far, at, false)
	return err
}

// share opens one socket for all lines of an end.
func (b *bench) share(e *end, at netip.AddrPort, many bool) (netip.AddrPort, error) {
	conn, err := net.ListenUDP(network("udp", at.Addr()), net.UDPAddrFromAddrPort(at))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("opening a socket: %w", err)
	}
	s, err := b.adopt(conn, sharedBuffer, many)
	if err != nil {
		return netip.AddrPort{}, err
	}
	e.shared = s
	for i := range e.lines {
		e.lines[i].socket = s
	}
	go b.runReceive(s, e.arrive)
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), nil
}

// adopt begins to receive on a socket.
func (b *bench) adopt(conn *net.UDPConn, buffer int, many bool) (*socket, error) {
	s, err := newSocket(conn, buffer, many, &b.desks, b.yield)
	if err != nil {
		conn.Close()
		return nil, err
	}
	b.onClose(s.close)
	b.receivers.Add(1)
	return s, nil
}

// open gives a client's line its way to the server, if it has none yet.
func (b *bench) open(c *client) error {
	l := c.line
	if l.socket != nil || l.stream != nil {
		return nil
	}
	d := b.near.arrive
	if int(c.index) >= b.o.Clients {
		d = b.far.arrive
	}
	local := b.o.Bind
	if l.local.IsValid() {
		local = l.local
	}
	if b.o.Server.Transport != UDP {
		return b.connect(l, local, d)
	}
	var from *net.UDPAddr
	if local.IsValid() {
		from = net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	conn, err := net.DialUDP(network("udp", b.server.Addr()), from, net.UDPAddrFromAddrPort(b.server))
	if err != nil {
		return fmt.Errorf("%w: %w", errConnect, err)
	}
	s, err := b.adopt(conn, ownBuffer, false)
	if err != nil {
		return fmt.Errorf("%w: %w", errConnect, err)
	}
	l.socket = s
	go b.runReceive(s, d)
	return nil
}

func (b *bench) connect(l *line, local netip.Addr, d *direction) error {
	s, err := dialStream(b.server, netip.AddrPortFrom(local, 0), b.secure)
	if err != nil {
		return fmt.Errorf("%w: %w", errConnect, err)
	}
	l.stream = s
	b.onClose(s.close)
	b.receivers.Add(1)
	go b.runStream(s, l, d)
	return nil
}

func network(name string, ip netip.Addr) string {
	if ip.Is4() {
		return name + "4"
	}
	return name + "6"
}

func unspecified(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// routeTo is the local address of the route to a server. Nothing is sent.
func routeTo(server netip.AddrPort) (netip.Addr, error) {
	conn, err := net.DialUDP(network("udp", server.Addr()), nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

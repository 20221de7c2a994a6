package planetest

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"turnpike/relay/dataplane"
)

// Network is a fresh plane and a way to open sockets of other hosts around it.
type Network struct {
	Plane dataplane.Plane
	// IP is an address that listeners, relays and hosts of the test live on;
	// Alias is a second one that reaches the same sockets or none: the public
	// address of a relay behind a NAT.
	IP, Alias netip.Addr
	// Host opens a UDP socket on IP.
	Host func() net.PacketConn
	// Other is the same of the other address family.
	Other Hosts
}

// Hosts are the addresses and sockets of a Network in one family.
type Hosts struct {
	IP, Alias netip.Addr
	Host      func() net.PacketConn
}

func (h Hosts) of(p dataplane.Plane) Network {
	return Network{Plane: p, IP: h.IP, Alias: h.Alias, Host: h.Host}
}

const patience = 10 * time.Second

// bed is a network with one client, its allocation and one peer.
type bed struct {
	t testing.TB
	Network
	listener netip.AddrPort
	id       dataplane.ListenerID
	controls chan []byte // what was handed up
	client   *host
	peer     *host
	other    *host // a second peer, reached without a channel
	relay    *dataplane.Relay
	judge    *judge
	flow     *dataplane.Flow
}

// host is a socket of another host.
type host struct {
	t    testing.TB
	conn net.PacketConn
	udp  *net.UDPConn // conn, if it is one: its netip methods allocate nothing
	addr netip.AddrPort
	buf  []byte
}

func newHost(t testing.TB, n Network) *host {
	conn := n.Host()
	t.Cleanup(func() { conn.Close() })
	udp, _ := conn.(*net.UDPConn)
	return &host{t: t, conn: conn, udp: udp, addr: addrPort(conn.LocalAddr()), buf: make([]byte, 65536)}
}

func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

func (h *host) send(to netip.AddrPort, b []byte) {
	h.t.Helper()
	var err error
	if h.udp != nil {
		_, err = h.udp.WriteToUDPAddrPort(b, to)
	} else {
		_, err = h.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
	if err != nil {
		h.t.Fatalf("send to %s: %v", to, err)
	}
}

func (h *host) recv() ([]byte, netip.AddrPort) {
	h.t.Helper()
	h.conn.SetReadDeadline(time.Now().Add(patience))
	if h.udp != nil {
		n, from, err := h.udp.ReadFromUDPAddrPort(h.buf)
		if err != nil {
			h.t.Fatalf("nothing came: %v", err)
		}
		return h.buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	}
	n, from, err := h.conn.ReadFrom(h.buf)
	if err != nil {
		h.t.Fatalf("nothing came: %v", err)
	}
	return h.buf[:n], addrPort(from)
}

func (h *host) expect(want []byte, from netip.AddrPort) {
	h.t.Helper()
	b, addr := h.recv()
	if !bytes.Equal(b, want) || addr != from {
		h.t.Fatalf("got %d bytes %.32x from %s, want %d bytes %.32x from %s", len(b), b, addr, len(want), want, from)
	}
}

const channel = 0x4001

// newBed opens a listener, a relay and three hosts, and installs the flow.
func newBed(t testing.TB, open func(testing.TB) Network) *bed {
	b := &bed{t: t, Network: open(t), controls: make(chan []byte, 64)}
	t.Cleanup(func() { b.Plane.Close() })
	id, at, err := b.Plane.Listen(netip.AddrPortFrom(b.IP, 0), b.control)
	if err != nil {
		t.Fatal(err)
	}
	b.listener, b.id = at, id
	b.client, b.peer, b.other = newHost(t, b.Network), newHost(t, b.Network), newHost(t, b.Network)
	b.judge = newJudge(channel, b.peer.addr, b.other.addr)
	b.relay = b.openRelay()
	b.flow = b.install(b.client, b.relay, b.judge)
	return b
}

// control echoes what it is handed, so that it also serves as a barrier.
func (b *bed) control(_ dataplane.Client, m []byte, _ time.Time, out []byte) []byte {
	select {
	case b.controls <- bytes.Clone(m):
	default:
	}
	return append(out, m...)
}

// barrier returns when everything h sent to the listener has been dealt with.
func (b *bed) barrier(h *host) {
	b.t.Helper()
	mark := []byte("\x00\x00barrier")
	h.send(b.listener, mark)
	h.expect(mark, b.listener)
	<-b.controls
}

// openRelay opens a relay on a port that is free.
func (b *bed) openRelay() *dataplane.Relay { return b.Network.openRelay(b.t) }

func (n Network) openRelay(t testing.TB) *dataplane.Relay {
	t.Helper()
	for range 1000 {
		probe := newHost(t, n) // a port that is free now
		port := probe.addr.Port()
		probe.conn.Close()
		r, err := n.Plane.OpenRelay(netip.AddrPortFrom(n.IP, port), netip.AddrPortFrom(n.Alias, port))
		if err == nil {
			return r
		}
	}
	t.Fatal("no relay port to be had")
	return nil
}

func (b *bed) install(client *host, r *dataplane.Relay, p dataplane.Pass) *dataplane.Flow {
	b.t.Helper()
	f := &dataplane.Flow{Client: dataplane.Client{Listener: b.id, Addr: client.addr}, Relay: r, Pass: p}
	if err := b.Plane.Install(f); err != nil {
		b.t.Fatal(err)
	}
	return f
}

func payload(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + n)
	}
	return b
}

func channelData(number uint16, b []byte) []byte {
	m := binary.BigEndian.AppendUint16(nil, number)
	m = binary.BigEndian.AppendUint16(m, uint16(len(b)))
	return append(m, b...)
}

// sendIndication builds a Send indication independently of the code under test.
func sendIndication(peer netip.AddrPort, b []byte) []byte {
	return indication(0x0016, peer, b)
}

func indication(kind uint16, peer netip.AddrPort, b []byte) []byte {
	m := binary.BigEndian.AppendUint16(nil, kind)
	m = append(m, 0, 0, 0x21, 0x12, 0xa4, 0x42)
	m = append(m, "transaction1"...)
	ip := peer.Addr().AsSlice()
	family := byte(1)
	if len(ip) == 16 {
		family = 2
	}
	m = binary.BigEndian.AppendUint16(m, 0x0012)
	m = binary.BigEndian.AppendUint16(m, uint16(4+len(ip)))
	m = append(m, 0, family)
	m = binary.BigEndian.AppendUint16(m, peer.Port()^0x2112)
	for i := range ip {
		m = append(m, ip[i]^m[4+i])
	}
	m = binary.BigEndian.AppendUint16(m, 0x0013)
	m = binary.BigEndian.AppendUint16(m, uint16(len(b)))
	m = append(m, b...)
	for len(m)%4 != 0 {
		m = append(m, 0)
	}
	binary.BigEndian.PutUint16(m[2:], uint16(len(m)-20))
	return m
}

// expectData expects a Data indication of peer with payload b.
func (b *bed) expectData(h *host, peer netip.AddrPort, want []byte) {
	b.t.Helper()
	got, from := h.recv()
	model := indication(0x0017, peer, want)
	if len(got) != len(model) {
		b.t.Fatalf("got %d bytes %.64x, want a Data indication of %d", len(got), got, len(model))
	}
	if bytes.Equal(got[8:20], make([]byte, 12)) {
		b.t.Fatal("transaction id of zeros")
	}
	// The address is masked with the transaction id: build the model again.
	copy(model[8:20], got[8:20])
	ip := peer.Addr().AsSlice()
	for i := range ip {
		model[28+i] = ip[i] ^ model[4+i]
	}
	if !bytes.Equal(got, model) || from != b.listener {
		b.t.Fatalf("got  %x from %s\nwant %x from %s", got, from, model, b.listener)
	}
}

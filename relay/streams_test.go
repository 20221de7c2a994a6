package relay_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"turnpike/auth"
	"turnpike/pkg/certs"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
	"turnpike/relay/stream"
)

// streamBed is a socketBed with one listener for UDP, TCP and TLS.
func streamBed(t *testing.T, s setup) (*bed, *certs.Certificate) {
	t.Helper()
	return streamBedOn(t, socketPlanes[0], s)
}

func streamBedOn(t *testing.T, plane socketPlane, s setup) (*bed, *certs.Certificate) {
	t.Helper()
	certificate, err := certs.SelfSigned([]string{loopback.String()}, time.Now())
	must(t, err)
	more := s.options
	s.options = func(o *relay.Options) {
		o.Listen[0].TCP, o.Listen[0].TLS = true, true
		o.Streams.TLS = certs.Relay(certificate, tls.VersionTLS12)
		if more != nil {
			more(o)
		}
	}
	return planeBed(t, plane, s), certificate
}

// at is where a transport is served.
func (b *bed) at(over gate.Transport) netip.AddrPort {
	b.t.Helper()
	for _, at := range b.bound {
		if at.Transport == over {
			return at.Addr
		}
	}
	b.t.Fatalf("nothing bound for %s in %v", over, b.bound)
	return netip.AddrPort{}
}

// dial connects to the server, with TLS if asked.
func (b *bed) dial(over gate.Transport, c *certs.Certificate) net.Conn {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.at(over).String())
	must(b.t, err)
	b.t.Cleanup(func() { conn.Close() })
	if over == gate.TLS {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(c.PEM())
		conn = tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: loopback.String(), NextProtos: []string{"stun.turn"}})
	}
	return conn
}

// party is an allocation of a client over some transport. Closing conn, if it
// has one, ends the connection.
type party struct {
	net.PacketConn
	client *turn.Client
	conn   net.Conn
}

func (b *bed) over(over gate.Transport, c *certs.Certificate, user string) *party {
	b.t.Helper()
	p := new(party)
	if over == gate.UDP {
		p.client = b.client(user)
	} else {
		p.conn = b.dial(over, c)
		credential, err := b.issuer.Issue(auth.Request{User: user}, time.Now())
		must(b.t, err)
		p.client = b.clientWith(turn.NewSTUNConn(p.conn), credential.Username, credential.Password)
	}
	var err error
	p.PacketConn, err = p.client.Allocate()
	must(b.t, err)
	b.t.Cleanup(func() { p.Close() })
	return p
}

// introduce gives both permission for the other.
func introduce(t *testing.T, a, b *party) {
	t.Helper()
	must(t, a.client.CreatePermission(b.LocalAddr()))
	must(t, b.client.CreatePermission(a.LocalAddr()))
}

// Clients of every transport reach each other, and what they carried is
// counted to the byte.
func TestTransportsReachEachOther(t *testing.T) {
	b, certificate := streamBed(t, setup{})
	sizes := []int{5, 6, 7, 8, 160, 1200} // pion's client waits for a ninth byte of every message
	total := 0
	for _, n := range sizes {
		total += n
	}
	transports := []gate.Transport{gate.UDP, gate.TCP, gate.TLS}
	for _, x := range transports {
		for _, y := range transports {
			alice := b.over(x, certificate, "alice")
			bob := b.over(y, certificate, "bob")
			introduce(t, alice, bob)
			for range 2 { // by indication, then by the channel that pion's client has bound
				for _, n := range sizes {
					exchange(t, alice, bob, n)
				}
			}
			alice.Close()
			bob.Close()
			records := b.wait(2)
			a, z := records["alice"], records["bob"]
			if a.Transport != x.String() || z.Transport != y.String() {
				t.Errorf("%s to %s: recorded as %s to %s", x, y, a.Transport, z.Transport)
			}
			for _, r := range []relay.Record{a, z} {
				if r.BytesToPeer != uint64(2*total) || r.PacketsToPeer != uint64(2*len(sizes)) {
					t.Errorf("%s to %s, %s: %d packets, %d bytes to the peer; want %d, %d",
						x, y, r.User, r.PacketsToPeer, r.BytesToPeer, 2*len(sizes), 2*total)
				}
			}
		}
	}
}

// A session is over when its connection is, however that ended, and gives back
// what it held.
func TestSessionEndsWithItsConnection(t *testing.T) {
	b, certificate := streamBed(t, setup{})
	before := b.server.Stats().RelayPortsFree
	for _, over := range []gate.Transport{gate.TCP, gate.TLS} {
		b.over(over, certificate, "alice").conn.Close()
		if r := b.wait(1)["alice"]; r.Why != relay.EndDisconnected {
			t.Errorf("%s: ended as %s", over, r.Why)
		}
	}
	// Cut before the answer, so that the engine meets a session whose connection
	// has gone already.
	credential, err := b.issuer.Issue(auth.Request{User: "bob"}, time.Now())
	must(t, err)
	for range 100 {
		conn := b.dial(gate.TCP, nil)
		raw := relaytest.NewClient(turn.NewSTUNConn(conn), b.at(gate.TCP), relaytest.User{Name: credential.Username, Password: credential.Password})
		hello, err := raw.Request(stun.MethodAllocate, nil, nil)
		must(t, err)
		challenge, err := raw.Exchange(hello)
		must(t, err)
		raw.Realm, raw.Nonce = challenge.Realm, challenge.Nonce
		request, err := raw.Request(stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17)}, nil)
		must(t, err)
		must(t, raw.WriteRaw(request))
		conn.Close()
	}
	c := b.server.Stats().Streams
	gone := func() bool {
		return c.Accepted() == 102 && c.Open(stream.Opening)+c.Open(stream.TCP)+c.Open(stream.TLS) == 0
	}
	for deadline := time.Now().Add(10 * time.Second); !(gone() && b.server.Sessions() == 0) && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	left := b.server.Sessions()
	b.close()
	if s := b.server.Stats(); s.RelayPortsFree != before || left != 0 {
		t.Errorf("%d ports free of %d, %d sessions left", s.RelayPortsFree, before, left)
	}
}

// A connection with an allocation outlives the time for authentication, and
// one without does not.
func TestAllocationHoldsItsConnection(t *testing.T) {
	b, _ := streamBed(t, setup{options: func(o *relay.Options) {
		o.Streams.FirstFrame, o.Streams.Authenticate = 300*time.Millisecond, 300*time.Millisecond
	}})
	alice := b.over(gate.TCP, nil, "alice")
	bob := b.over(gate.TCP, nil, "bob")
	idle := b.dial(gate.TCP, nil) // younger than both
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Fatal("an idle connection was sent something")
	}
	introduce(t, alice, bob)
	exchange(t, alice, bob, 100)
	b.close()
	c := b.server.Stats().Streams
	// What a client says while the server stops ends its connection as well.
	down := c.Over(stream.Shutdown) + c.Over(stream.ClosedByUs)
	if n := c.Over(stream.Unauthenticated) + c.Over(stream.FirstFrame); n != 1 || down != 2 {
		t.Errorf("%d closed for saying nothing, %d by the server's end; want 1 and 2", n, down)
	}
}

// A client that comes over IPv6 is served like any other, and told so.
func TestClientsComeOverIPv6(t *testing.T) {
	b, _ := streamBed(t, setup{options: func(o *relay.Options) {
		o.Listen = append(o.Listen, relay.Listener{Addr: netip.MustParseAddrPort("[::1]:0"), UDP: true, TCP: true})
	}})
	credential, err := b.issuer.Issue(auth.Request{User: "alice"}, time.Now())
	must(t, err)
	user := relaytest.User{Name: credential.Username, Password: credential.Password}
	for _, at := range b.bound {
		if !at.Addr.Addr().Is6() {
			continue
		}
		var conn net.PacketConn
		if at.Transport == gate.UDP {
			conn, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("[::1]:0")))
			must(t, err)
		} else {
			tcp, err := net.Dial("tcp", at.Addr.String())
			must(t, err)
			conn = turn.NewSTUNConn(tcp)
		}
		c := relaytest.NewClient(conn, at.Addr, user)
		r := expect(t, 0)(c.Allocate())
		if r.Mapped.String() != conn.LocalAddr().String() || r.Relayed.Addr() != loopback {
			t.Errorf("%s: mapped %s, relayed %s", at.Transport, r.Mapped, r.Relayed)
		}
		expect(t, 0)(c.Refresh(0))
		conn.Close()
	}
	b.wait(2)
}

// While the server drains, who is there stays and nobody comes.
func TestDrain(t *testing.T) {
	b := memBed(t, setup{})
	alice, bob := b.over(gate.UDP, nil, "alice"), b.over(gate.UDP, nil, "bob")
	introduce(t, alice, bob)
	left := make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { left <- b.server.Drain(ctx) }()
	for len(b.server.Ready()) == 0 {
		runtime.Gosched() // until Drain runs
	}
	if r := b.server.Ready(); len(r) != 1 || r[0] != "draining" {
		t.Errorf("ready: %q", r)
	}
	_, err := b.client("carol").Allocate()
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a new allocation: %v, want 403", err)
	}
	exchange(t, alice, bob, 100)
	alice.Close()
	b.wait(1)
	if len(left) != 0 {
		t.Error("drained with a session left")
	}
	bob.Close()
	b.wait(1)
	if n := <-left; n != 0 {
		t.Errorf("%d left when drained", n)
	}
	s := b.server.Stats()
	if s.AllocationsTotal["draining"] != 1 || !s.Draining {
		t.Errorf("%d counted as draining", s.AllocationsTotal["draining"])
	}
}

// The deadline of a drain tells how many it leaves.
func TestDrainEnds(t *testing.T) {
	b := memBed(t, setup{})
	b.allocate("alice")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left := b.server.Drain(ctx); left != 1 {
		t.Errorf("%d left, want 1", left)
	}
}

// The client that ends the last session of a drain hears so, though the server
// is gone at once.
func TestDrainAnswersTheLast(t *testing.T) {
	for range 20 {
		b, _ := streamBed(t, setup{})
		credential, err := b.issuer.Issue(auth.Request{User: "alice"}, time.Now())
		must(t, err)
		c := relaytest.NewClient(turn.NewSTUNConn(b.dial(gate.TCP, nil)), b.at(gate.TCP), relaytest.User{Name: credential.Username, Password: credential.Password})
		c.Timeout = 10 * time.Second
		expect(t, 0)(c.Allocate())
		drained := make(chan struct{})
		go func() {
			b.server.Drain(context.Background())
			b.stop()
			close(drained)
		}()
		expect(t, 0)(c.Refresh(0))
		<-drained
		b.close()
	}
}

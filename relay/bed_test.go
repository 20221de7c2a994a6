package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v4"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mem"
)

const realm = "test"

// bed is a running server on some plane, and what its clients need.
type bed struct {
	t      testing.TB
	server *relay.Server
	plane  dataplane.Plane
	bound  []relay.Bound
	addr   netip.AddrPort // the first of them
	issuer *auth.Issuer
	secret auth.Secret // the issuer's

	verifier *auth.Verifier // in force at the start

	host   func() net.PacketConn // a socket of a client or a peer
	stop   context.CancelFunc
	served chan error

	ended chan relay.Record
}

// setup is what a test changes about the server.
type setup struct {
	role    func(*auth.Role)
	options func(*relay.Options)
	policy  netpolicy.Options
}

// Addresses of the test network. In memory anything goes; on sockets it is
// loopback, where only relay ports can be reached.
var (
	memServer = netip.MustParseAddr("93.184.216.1")
	memClient = netip.MustParseAddr("93.184.217.1")
	loopback  = netip.MustParseAddr("127.0.0.1")
)

func memBed(t testing.TB, s setup) *bed {
	plane := mem.New(nil)
	return newBed(t, plane, memServer, s, func() net.PacketConn {
		c, err := plane.Host(netip.AddrPortFrom(memClient, 0))
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}

func socketBed(t testing.TB, s setup) *bed { return planeBed(t, socketPlanes[0], s) }

func planeBed(t testing.TB, p socketPlane, s setup) *bed {
	plane, err := p.open()
	must(t, err)
	return newBed(t, plane, loopback, s, func() net.PacketConn {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}

func newBed(t testing.TB, plane dataplane.Plane, ip netip.Addr, s setup, host func() net.PacketConn) *bed {
	b := &bed{t: t, plane: plane, host: host, served: make(chan error, 1), ended: make(chan relay.Record, 20000)}
	role := auth.DefaultRole()
	if s.role != nil {
		s.role(&role)
	}
	secret, err := auth.NewRandomSecret(rand.Reader)
	must(t, err)
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "k", Secret: secret}}, Roles: []auth.Role{role}})
	must(t, err)
	b.secret = secret
	b.verifier, err = auth.NewVerifier(ring, realm)
	must(t, err)
	b.issuer, err = auth.NewIssuer(ring, rand.Reader)
	must(t, err)
	ledger, err := ratelimit.NewLedger(ratelimit.LedgerOptions{})
	must(t, err)
	plenty := ratelimit.Rate{PerSecond: 1e6, Burst: 1e6}
	replies, err := ratelimit.NewBudget(ratelimit.BudgetOptions{Source: plenty, Network: plenty, All: plenty})
	must(t, err)
	failures, err := ratelimit.NewLimiter(ratelimit.Options{PerSecond: 1e6, Burst: 1e6, Scope: ratelimit.Port})
	must(t, err)
	key := make([]byte, 32)
	rand.Read(key)
	o := relay.Options{
		Listen: []relay.Listener{{Addr: netip.AddrPortFrom(ip, 0), UDP: true}},
		Relays: []relay.Pool{{Bind: ip, MinPort: 20000, MaxPort: 60000}},
		Realm:  realm, NonceKey: key, Plane: plane, Verifier: b.verifier, Ledger: ledger, Replies: replies, Bindings: replies, Failures: failures,
		Policy: func(listening []netip.AddrPort) (*netpolicy.Policy, error) { return b.policy(s.policy, listening) },
		Ended:  func(r relay.Record) { b.ended <- r },
	}
	if s.options != nil {
		s.options(&o)
	}
	b.server, err = relay.New(o)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	listening := make(chan []relay.Bound, 1)
	go func() {
		b.served <- b.server.Serve(ctx, func(bound []relay.Bound) { listening <- bound })
	}()
	select {
	case b.bound = <-listening:
		b.addr = b.bound[0].Addr
	case err := <-b.served:
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

func (b *bed) policy(o netpolicy.Options, listening []netip.AddrPort) (*netpolicy.Policy, error) {
	o.Own = listening
	o.RelayAddrs = []netip.Addr{listening[0].Addr(), netip.IPv6Loopback()}
	o.HostAddrs = o.RelayAddrs
	return netpolicy.New(o)
}

// close stops the server. A second call does nothing.
func (b *bed) close() {
	b.stop()
	if err, ok := <-b.served; ok {
		close(b.served)
		must(b.t, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client is pion's client with a credential of a user, listening.
func (b *bed) client(user string) *turn.Client {
	b.t.Helper()
	c, err := b.issuer.Issue(auth.Request{User: user}, time.Now())
	must(b.t, err)
	return b.clientWith(b.host(), c.Username, c.Password)
}

func (b *bed) clientWith(conn net.PacketConn, username, password string) *turn.Client {
	b.t.Helper()
	quiet := logging.NewDefaultLoggerFactory()
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: b.addr.String(), TURNServerAddr: b.addr.String(), Conn: conn,
		Username: username, Password: password, Realm: realm, LoggerFactory: quiet,
	})
	must(b.t, err)
	must(b.t, client.Listen())
	b.t.Cleanup(func() { client.Close(); conn.Close() })
	return client
}

// allocate makes an allocation of a user's client.
func (b *bed) allocate(user string) net.PacketConn {
	b.t.Helper()
	relayed, err := b.client(user).Allocate()
	must(b.t, err)
	b.t.Cleanup(func() { relayed.Close() }) // its error says that it is closed already
	return relayed
}

// wait waits for n sessions to end and returns their records by user.
func (b *bed) wait(n int) map[string]relay.Record {
	b.t.Helper()
	records := map[string]relay.Record{}
	for range n {
		select {
		case r := <-b.ended:
			records[r.User] = r
		case <-time.After(time.Hour): // of a fake clock, or go test's own limit
			b.t.Fatalf("%d of %d sessions ended", len(records), n)
		}
	}
	return records
}

// exchange sends a payload each way between two sockets and checks what comes.
func exchange(t testing.TB, a, b net.PacketConn, n int) {
	t.Helper()
	payload := bytes.Repeat([]byte{byte(n)}, n)
	transfer(t, a, b, payload)
	transfer(t, b, a, payload)
}

func transfer(t testing.TB, from, to net.PacketConn, payload []byte) {
	t.Helper()
	if _, err := from.WriteTo(payload, to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	to.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 4096)
	n, addr, err := to.ReadFrom(got)
	if err != nil || !bytes.Equal(got[:n], payload) || addr.String() != from.LocalAddr().String() {
		t.Fatalf("from %s: got %d bytes of %s, %v; want %d", from.LocalAddr(), n, addr, err, len(payload))
	}
}

// permit sends from a to b once, so that a has a permission for b.
func permit(t testing.TB, a, b net.PacketConn) {
	t.Helper()
	if _, err := a.WriteTo([]byte("knock"), b.LocalAddr()); err != nil {
		t.Fatal(err)
	}
}

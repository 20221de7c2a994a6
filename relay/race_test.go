package relay

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mem"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
)

// inside is a server in memory whose steps a test takes itself, to put an end
// between two of them.
type inside struct {
	*Server
	t      *testing.T
	plane  *mem.Plane
	ledger *ratelimit.Ledger
	issuer *auth.Issuer
	who    *auth.Identity
	client dataplane.Client
	host   net.PacketConn // the client's
	tcp    netip.AddrPort // where streams are served
	ends   chan End
}

func newInside(t *testing.T, change ...func(*Options)) *inside {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	in := &inside{t: t, ends: make(chan End, maxRecords), plane: mem.New(nil), client: dataplane.Client{Addr: netip.MustParseAddrPort("93.184.217.1:5000")}}
	secret, err := auth.NewRandomSecret(rand.Reader)
	fail(err)
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "k", Secret: secret}}})
	fail(err)
	verifier, err := auth.NewVerifier(ring, "test")
	fail(err)
	in.issuer, err = auth.NewIssuer(ring, rand.Reader)
	fail(err)
	in.ledger, err = ratelimit.NewLedger(ratelimit.LedgerOptions{})
	fail(err)
	few := ratelimit.Rate{PerSecond: 1, Burst: 1}
	replies, err := ratelimit.NewBudget(ratelimit.BudgetOptions{Source: few, Network: few, All: few})
	fail(err)
	failures, err := ratelimit.NewLimiter(ratelimit.Options{PerSecond: 1, Burst: 1, Scope: ratelimit.Port})
	fail(err)
	role := auth.DefaultRole()
	in.who = &auth.Identity{Role: &role, User: "alice", Username: "alice"}
	ip := netip.MustParseAddr("93.184.216.1")
	o := Options{
		Listen: []Listener{{Addr: netip.AddrPortFrom(ip, 3478), UDP: true}, {Addr: netip.MustParseAddrPort("127.0.0.1:0"), TCP: true}}, Relays: []Pool{{Bind: ip, MinPort: 20000, MaxPort: 20009}},
		Realm: "test", NonceKey: make([]byte, 32), Plane: in.plane, Verifier: verifier, Ledger: in.ledger, Replies: replies, Bindings: replies, Failures: failures, Engines: 1,
		Ended:  func(r Record) { in.ends <- r.Why },
		Policy: func([]netip.AddrPort) (*netpolicy.Policy, error) { return netpolicy.New(netpolicy.Options{}) },
	}
	for _, f := range change {
		f(&o)
	}
	in.Server, err = New(o)
	fail(err)
	in.host, err = in.plane.Host(in.client.Addr)
	fail(err)
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan []Bound, 1), make(chan error, 1)
	go func() { down <- in.Serve(ctx, func(b []Bound) { up <- b }) }()
	in.tcp = (<-up)[1].Addr
	t.Cleanup(func() { cancel(); fail(<-down); in.host.Close() })
	return in
}

func (in *inside) request(m gate.Method) *gate.Request {
	return &gate.Request{Client: in.client, Method: m, Identity: in.who, Lifetime: DefaultLifetime, Family: gate.IPv4,
		Peers: []netip.AddrPort{netip.MustParseAddrPort("93.184.218.1:4000")}, Channel: 0x4000}
}

// answered tells whether the client's next answer is a success.
func (in *inside) answered() bool {
	in.t.Helper()
	b := make([]byte, 1500)
	in.host.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, _, err := in.host.ReadFrom(b); err != nil {
		in.t.Fatal(err)
	}
	return binary.BigEndian.Uint16(b)&0x0110 == 0x0100
}

// allocate serves an Allocate, with what change makes of pion's answers.
func (in *inside) allocate(r *gate.Request, change func([]part)) *session {
	done := make(chan struct{})
	x := in.newSession(r, time.Now())
	in.sessions.add(x)
	x.serve(func() []part {
		x.reservation, _, _ = in.o.Places.Reserve(x.subject(), in.Server.allowance(r.Identity.Role), time.Now(), nil)
		return x.startAllocate(r)
	}, func(parts []part) {
		change(parts)
		x.finishAllocate(r, parts)
		close(done)
	})
	<-done
	return x
}

// stick keeps the engine at one request until free is called.
func (in *inside) stick() (free func()) {
	busy, going := make(chan struct{}), make(chan struct{})
	in.engines[0].Submit(func() (engine.Request, bool) { close(busy); <-going; return engine.Request{}, false }, func(engine.Result) {})
	<-busy
	return sync.OnceFunc(func() { close(going) })
}

// What pion has served while the session was being ended is not confirmed.
func TestNothingIsGrantedToAnEndedSession(t *testing.T) {
	for _, c := range []struct {
		method gate.Method
		finish func(*session) func(*gate.Request, []part)
	}{
		{gate.Refresh, func(x *session) func(*gate.Request, []part) { return x.finishRefresh }},
		{gate.CreatePermission, func(x *session) func(*gate.Request, []part) { return x.finishPermission }},
		{gate.ChannelBind, func(x *session) func(*gate.Request, []part) { return x.finishChannel }},
	} {
		in := newInside(t)
		in.forward(in.request(gate.Allocate), time.Now())
		if !in.answered() {
			t.Fatal("no allocation")
		}
		x := in.sessions.get(in.client)
		in.end(x, EndIdle) // the reaper, between start and finish
		c.finish(x)(in.request(c.method), []part{{half: &x.halves[0], result: engine.Result{Lifetime: DefaultLifetime}}})
		if in.answered() {
			t.Errorf("%s: the client was told that its session lives", c.method)
		}
		if p, n := x.peers.Load().live(0); p != 0 || n != 0 {
			t.Errorf("%s: %d permissions, %d channels", c.method, p, n)
		}
	}
}

// An Allocate that pion served and we can't answer leaves nothing; a session
// whose state at pion is unknown ends.
func TestFaultsLeaveNothing(t *testing.T) {
	in := newInside(t)
	x := in.allocate(in.request(gate.Allocate), func(parts []part) { parts[0].result = engine.Result{Err: engine.ErrFault} })
	if in.answered() || in.plane.Live(x.halves[0].relay.Public) {
		t.Error("an Allocate without an allocation was confirmed, or its relay lives on")
	}

	in.forward(in.request(gate.Allocate), time.Now())
	if !in.answered() {
		t.Fatal("no allocation")
	}
	y := in.sessions.get(in.client)
	y.finishRefresh(in.request(gate.Refresh), []part{{half: &y.halves[0], result: engine.Result{Err: engine.ErrFault}}})
	if in.answered() {
		t.Error("a Refresh was confirmed that pion did not serve")
	}
	in.reap(time.Now())
	if st := in.Stats(); st.RelayPortsFree != 10 || st.Allocations[[2]string{"udp", "ipv4"}] != 0 || in.ledger.Stats().Accounts != 0 {
		t.Errorf("%d of 10 ports are back, %d allocations live, ledger %+v", st.RelayPortsFree, st.Allocations[[2]string{"udp", "ipv4"}], in.ledger.Stats())
	}
}

// One session may have a few requests waiting, and not the queue to itself.
func TestOneSessionDoesNotFillTheQueue(t *testing.T) {
	in := newInside(t)
	in.forward(in.request(gate.Allocate), time.Now())
	if !in.answered() {
		t.Fatal("no allocation")
	}
	free := in.stick()
	for range 100 {
		in.forward(in.request(gate.CreatePermission), time.Now())
	}
	if st := in.Stats(); st.EngineQueue != maxInFlight || st.Dropped["session_busy"] != 100-maxInFlight {
		t.Errorf("%d waiting, %d dropped", st.EngineQueue, st.Dropped["session_busy"])
	}
	free()
	for range maxInFlight {
		if !in.answered() {
			t.Error("refused")
		}
	}
	in.forward(in.request(gate.CreatePermission), time.Now())
	if !in.answered() {
		t.Error("refused after the queue was empty")
	}
}

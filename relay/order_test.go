package relay

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v4"

	"turnpike/auth"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mem"
	"turnpike/relay/engine"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

// segment collects what a client writes, to be sent at once.
type segment struct {
	net.PacketConn
	b []byte
}

func (s *segment) WriteTo(b []byte, _ net.Addr) (int, error) {
	s.b = append(s.b, b...)
	return len(b), nil
}

// overTCP is a client with an allocation, and its connection.
func (in *inside) overTCP() (*relaytest.Client, net.Conn) {
	in.t.Helper()
	conn, err := net.Dial("tcp", in.tcp.String())
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { conn.Close() })
	credential, err := in.issuer.Issue(auth.Request{User: "bob"}, time.Now())
	if err != nil {
		in.t.Fatal(err)
	}
	c := relaytest.NewClient(turn.NewSTUNConn(conn), in.tcp, relaytest.User{Name: credential.Username, Password: credential.Password})
	c.Timeout = 10 * time.Second
	if r, err := c.Allocate(); err != nil || !r.OK() {
		in.t.Fatalf("no allocation: %+v, %v", r, err)
	}
	return c, conn
}

// peer is a socket of the peer that in.request asks for.
func (in *inside) peer() (net.PacketConn, netip.AddrPort) {
	in.t.Helper()
	at := netip.MustParseAddrPort("93.184.218.1:4000")
	p, err := in.plane.Host(at)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(func() { p.Close() })
	return p, at
}

// gets checks what comes to a socket next.
func (in *inside) gets(c net.PacketConn, want string) {
	in.t.Helper()
	b := make([]byte, 100)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, _, err := c.ReadFrom(b); err != nil || string(b[:n]) != want {
		in.t.Fatalf("got %q, %v; want %q", b[:n], err, want)
	}
}

func (in *inside) waiting(n int) {
	for in.engines[0].Depth() < n {
		runtime.Gosched()
	}
}

// Over a stream every request is served, however many come at once, and what
// comes behind them finds what they have asked for.
func TestStreamKeepsOrder(t *testing.T) {
	const requests = 100
	in := newInside(t)
	peer, at := in.peer()
	c, conn := in.overTCP()
	all := &segment{PacketConn: c.Conn}
	c.Conn = all
	for range requests {
		b, err := c.Request(stun.MethodCreatePermission, []stun.Setter{relaytest.XORPeer(at)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteTo(b, nil)
	}
	c.Send(at, []byte("first"))
	free := in.stick()
	defer free()
	if _, err := conn.Write(all.b); err != nil {
		t.Fatal(err)
	}
	in.waiting(1)
	free()
	in.gets(peer, "first")
	b := make([]byte, 1500)
	for i := range requests {
		all.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, _, err := all.ReadFrom(b); err != nil || binary.BigEndian.Uint16(b) != 0x0108 {
			t.Fatalf("answer %d: %#x, %v", i, b[:2], err)
		}
	}
	if d := in.Stats().Dropped; d["session_busy"] != 0 || d["queue_full"] != 0 {
		t.Errorf("dropped: %v", d)
	}
}

// The data of a stream waits for a request before it, but not for ever.
func TestStuckEngineDoesNotStopStreams(t *testing.T) {
	in := newInside(t)
	peer, at := in.peer()
	c, _ := in.overTCP()
	if r, err := c.ChannelBind(0x4000, at); err != nil || !r.OK() {
		t.Fatalf("%+v, %v", r, err)
	}
	free := in.stick()
	defer free()
	b, err := c.Request(stun.MethodRefresh, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.WriteRaw(b)
	c.SendChannel(0x4000, []byte("data"))
	in.gets(peer, "data")
	if in.engines[0].Depth() != 1 {
		t.Error("the Refresh is served already")
	}
}

// wire is a client's connection that remembers its last answer.
type wire struct{ answers chan []byte }

func (s *wire) Send(b []byte) dataplane.Verdict {
	s.answers <- append([]byte(nil), b...)
	return dataplane.Allow
}

func (s *wire) Queue(b []byte) dataplane.Verdict { return s.Send(b) }
func (s *wire) Flush()                           {}

// refused checks that the next answer is a 500.
func (s *wire) refused(t *testing.T) {
	t.Helper()
	m := new(stun.Message)
	select {
	case m.Raw = <-s.answers:
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
	var code stun.ErrorCodeAttribute
	if m.Decode() != nil || code.GetFrom(m) != nil || code.Code != codeServerError {
		t.Errorf("answered %v, want 500", m)
	}
}

// A request over a stream is not sent again, so that one which can't be queued
// is answered all the same.
func TestStreamIsToldOfOverload(t *testing.T) {
	in := newInside(t)
	s := &wire{make(chan []byte, 100)}
	in.client.Stream = s
	in.forward(in.request(gate.Allocate), time.Now())
	<-s.answers
	free := in.stick()
	defer free()
	for range maxInFlight {
		go in.forward(in.request(gate.CreatePermission), time.Now())
	}
	in.waiting(maxInFlight)
	in.forward(in.request(gate.CreatePermission), time.Now())
	s.refused(t)

	other := &wire{make(chan []byte, 1)}
	in.client.Stream = other
	for in.engines[0].Submit(func() (engine.Request, bool) { return engine.Request{}, false }, nil) {
	}
	in.forward(in.request(gate.Allocate), time.Now())
	other.refused(t)
	if n := in.Sessions(); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
	free()
	for range maxInFlight {
		<-s.answers
	}
}

// Everyone who waits for the last session learns of its end.
func TestTwoDrains(t *testing.T) {
	in := newInside(t)
	in.forward(in.request(gate.Allocate), time.Now())
	in.answered()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	left := make(chan int, 2)
	for range 2 {
		go func() { left <- in.Drain(ctx) }()
	}
	for !in.draining.Load() {
		runtime.Gosched()
	}
	in.end(in.sessions.get(in.client), EndIdle)
	for range 2 {
		if n := <-left; n != 0 {
			t.Errorf("%d left", n)
		}
	}
}

// An Allocate that begins while Drain does is either counted or refused.
func TestDrainMissesNoAllocate(t *testing.T) {
	in := newInside(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	left := make(chan int, 1)
	for range 2000 {
		in.draining.Store(false)
		go func() { left <- in.Drain(gone) }()
		in.forward(in.request(gate.Allocate), time.Now())
		granted := in.answered()
		if n := <-left; granted && n == 0 {
			t.Fatal("drained, and there is a session")
		}
		if granted {
			in.end(in.sessions.get(in.client), EndIdle)
			in.tellPion()
		}
	}
}

// A connection is not left without an answer by a server that does not serve.
func TestStreamIsClosedWhileNotServing(t *testing.T) {
	in := newInside(t)
	_, conn := in.overTCP()
	in.serving.Store(false)
	defer in.serving.Store(true)
	if _, err := conn.Write(bindingRequest()); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := conn.Read(make([]byte, 100)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v; want the end", n, err)
	}
}

// What a source is answered over UDP, where it may be forged, is nothing to its
// connections: all they ask is answered.
func TestStreamHasItsOwnBudget(t *testing.T) {
	in := newInside(t) // with a budget of one
	_, conn := in.overTCP()
	const asked = 20
	for range asked {
		if _, err := conn.Write(bindingRequest()); err != nil {
			t.Fatal(err)
		}
	}
	answers, b := turn.NewSTUNConn(conn), make([]byte, 1500)
	for i := range asked {
		answers.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, _, err := answers.ReadFrom(b); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
}

// Whose connection the stopping server cuts has not gone by itself.
func TestCutIsNotDisconnected(t *testing.T) {
	in := newInside(t)
	for serving, want := range map[bool]End{true: EndDisconnected, false: EndShutdown} {
		_, conn := in.overTCP()
		in.serving.Store(serving)
		conn.Close()
		if why := <-in.ends; why != want {
			t.Errorf("serving %t: ended as %s", serving, why)
		}
		in.serving.Store(true)
	}
}

// A port that is taken stops Serve, and what was opened before it is closed.
func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := netip.MustParseAddrPort("127.0.0.1:0")
	for _, l := range []Listener{{Addr: taken.Addr().(*net.TCPAddr).AddrPort(), TCP: true}, {Addr: netip.MustParseAddrPort("192.0.2.1:0"), TCP: true}} {
		o := newInside(t).o
		o.Plane = mem.New(nil)
		o.Listen = []Listener{{Addr: free, UDP: true, TCP: true}, l, {Addr: free, TCP: true}}
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Serve(t.Context(), nil); err == nil || !strings.Contains(err.Error(), l.Addr.String()) {
			t.Errorf("%s: %v", l.Addr, err)
		}
		if _, _, err := o.Plane.Listen(free, nil); err == nil {
			t.Error("the plane is open")
		}
		s.accepting.Wait() // for the first listener, which only its end ends
	}
}

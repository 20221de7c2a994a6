package engine

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/turn/v4"
)

var (
	relay4 = netip.MustParseAddrPort("192.0.2.1:50000")
	relay6 = netip.MustParseAddrPort("[2001:db8::1]:50000")
	peerA  = netip.MustParseAddrPort("198.51.100.7:4000")
	peerB  = netip.MustParseAddrPort("198.51.100.8:4000")
	peer6  = netip.MustParseAddrPort("[2001:db8::7]:4000")
)

// newEngine starts an engine that is closed, and found without a fault except
// those named, when the test ends.
func newEngine(t testing.TB, o Options, expected ...Fault) *Engine {
	t.Helper()
	return newWatched(t, o, turn.EventHandler{}, expected...)
}

func newWatched(t testing.TB, o Options, events turn.EventHandler, expected ...Fault) *Engine {
	t.Helper()
	e, err := start(o, events)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeChecked(t, e, expected...) })
	return e
}

// closeChecked closes an engine. It is called inside a synctest bubble, whose
// goroutines have to be gone when its function returns.
func closeChecked(t testing.TB, e *Engine, expected ...Fault) {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wanted := map[Fault]bool{}
	for _, f := range expected {
		wanted[f] = true
	}
	for f := Fault(0); f < NumFaults; f++ {
		if n := e.Faults(f); (n != 0) != wanted[f] {
			t.Errorf("fault %v counted %d times, expected: %v", f, n, wanted[f])
		}
	}
}

// legOf makes a leg at a fixed address that counts its closed calls.
func legOf(e *Engine, addr netip.AddrPort) (*Leg, *atomic.Int32) {
	closed := new(atomic.Int32)
	return e.NewLeg(
		func() (netip.AddrPort, error) { return addr, nil },
		func() { closed.Add(1) },
	), closed
}

func allocate(l *Leg, d time.Duration) Request {
	return Request{Leg: l, Method: Allocate, Lifetime: d}
}

func refresh(l *Leg, d time.Duration) Request {
	return Request{Leg: l, Method: Refresh, Lifetime: d}
}

func permit(l *Leg, peers ...netip.AddrPort) Request {
	return Request{Leg: l, Method: CreatePermission, Peers: peers}
}

func bind(l *Leg, channel uint16, peer netip.AddrPort) Request {
	return Request{Leg: l, Method: ChannelBind, Channel: channel, Peer: peer}
}

// want runs a request and compares all of its result.
func want(t testing.TB, e *Engine, r Request, w Result) {
	t.Helper()
	got, err := e.Do(r)
	if got != w || !errors.Is(err, w.Err) || (err == nil) != (w.Err == nil) {
		t.Errorf("method %d: got %+v, %v; want %+v", r.Method, got, err, w)
	}
}

func TestLifeCycle(t *testing.T) {
	for _, addr := range []netip.AddrPort{relay4, relay6, netip.MustParseAddrPort("[::ffff:192.0.2.1]:50000")} {
		t.Run(addr.String(), func(t *testing.T) {
			e := newEngine(t, Options{})
			l, closed := legOf(e, addr)
			plain := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
			const d = 600 * time.Second
			want(t, e, permit(l, peerA), Result{Unanswered: true})
			want(t, e, allocate(l, d), Result{Lifetime: d, Relayed: plain})
			want(t, e, allocate(l, d), Result{Code: 437})
			want(t, e, refresh(l, MaxLifetime), Result{Lifetime: MaxLifetime})
			want(t, e, permit(l, peerA, peerB, peer6), Result{})
			want(t, e, bind(l, 0x4000, peerA), Result{})
			want(t, e, bind(l, 0x4000, peerA), Result{})
			want(t, e, bind(l, 0x4000, peerB), Result{Code: 400})
			want(t, e, bind(l, 0x4001, peerA), Result{Code: 400})
			want(t, e, bind(l, 0x7FFF, peer6), Result{})
			if n := closed.Load(); n != 0 {
				t.Fatalf("closed ran %d times on an open leg", n)
			}
			want(t, e, refresh(l, 0), Result{})
			if n := closed.Load(); n != 1 {
				t.Fatalf("closed ran %d times when Refresh 0 was done", n)
			}
			want(t, e, permit(l, peerA), Result{Unanswered: true})
			want(t, e, bind(l, 0x4000, peerA), Result{Unanswered: true})
			want(t, e, refresh(l, d), Result{Unanswered: true})
			want(t, e, refresh(l, 0), Result{})
			want(t, e, allocate(l, d), Result{Err: ErrLeg})
			if n := closed.Load(); n != 1 {
				t.Errorf("closed ran %d times in all", n)
			}
		})
	}
}

func TestOpenError(t *testing.T) {
	e := newEngine(t, Options{})
	failing := true
	closed := 0
	l := e.NewLeg(func() (netip.AddrPort, error) {
		if failing {
			return netip.AddrPort{}, errors.New("no port left")
		}
		return relay4, nil
	}, func() { closed++ })
	want(t, e, allocate(l, time.Minute), Result{Code: 508})
	want(t, e, allocate(l, time.Minute), Result{Code: 508})
	want(t, e, permit(l, peerA), Result{Unanswered: true})
	if n := e.door.server.AllocationCount(); n != 0 || closed != 0 {
		t.Errorf("a failed open left %d allocations, %d closed calls", n, closed)
	}
	failing = false
	want(t, e, allocate(l, time.Minute), Result{Lifetime: time.Minute, Relayed: relay4})
	want(t, e, refresh(l, 0), Result{})
	if closed != 1 {
		t.Errorf("closed ran %d times", closed)
	}
}

func TestOpenWithoutAddress(t *testing.T) {
	for _, addr := range []string{"192.0.2.1:0", "0.0.0.0:5", "[fe80::1%eth0]:5", ""} {
		t.Run(addr, func(t *testing.T) {
			e := newEngine(t, Options{}, FaultOpen)
			var ap netip.AddrPort
			if addr != "" {
				ap = netip.MustParseAddrPort(addr)
			}
			l, closed := legOf(e, ap)
			want(t, e, allocate(l, time.Minute), Result{Code: 508})
			if n := closed.Load(); n != 1 {
				t.Errorf("what open opened was closed %d times", n)
			}
			want(t, e, allocate(l, time.Minute), Result{Err: ErrLeg})
		})
	}
}

// TestRefused: what pion would take and must not be given.
func TestRefused(t *testing.T) {
	e := newEngine(t, Options{})
	other := newEngine(t, Options{})
	foreign, _ := legOf(other, relay4)
	l, _ := legOf(e, relay4)
	zoned := netip.MustParseAddrPort("[fe80::1%eth0]:5")
	many := make([]netip.AddrPort, MaxPeers+1)
	for i := range many {
		many[i] = peerA
	}
	tests := []struct {
		name string
		r    Request
		err  error
	}{
		{"no leg", allocate(nil, time.Minute), ErrLeg},
		{"foreign leg", allocate(foreign, time.Minute), ErrLeg},
		{"no method", Request{Leg: l}, ErrMethod},
		{"unknown method", Request{Leg: l, Method: ChannelBind + 1}, ErrMethod},
		{"allocate 0", allocate(l, 0), ErrLifetime},
		{"allocate too long", allocate(l, MaxLifetime+1), ErrLifetime},
		{"refresh too long", refresh(l, time.Hour), ErrLifetime},
		{"refresh negative", refresh(l, -1), ErrLifetime},
		{"no peers", permit(l), ErrPeer},
		{"too many peers", permit(l, many...), ErrPeer},
		{"invalid peer", permit(l, peerA, netip.AddrPort{}), ErrPeer},
		{"zoned peer", permit(l, zoned), ErrPeer},
		{"channel too low", bind(l, 0x3FFF, peerA), ErrPeer},
		{"channel too high", bind(l, 0x8000, peerA), ErrPeer},
		{"channel to no peer", bind(l, 0x4000, netip.AddrPort{}), ErrPeer},
		{"channel to zoned peer", bind(l, 0x4000, zoned), ErrPeer},
		{"channel to port 0", bind(l, 0x4000, netip.AddrPortFrom(peerA.Addr(), 0)), ErrPeer},
	}
	before := e.Logged(LevelDebug)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { want(t, e, tt.r, Result{Err: tt.err}) })
	}
	if e.Logged(LevelDebug) != before {
		t.Error("pion heard of a refused request")
	}
}

func TestLongestRequest(t *testing.T) {
	e := newEngine(t, Options{})
	l, _ := legOf(e, relay4)
	want(t, e, allocate(l, time.Minute), Result{Lifetime: time.Minute, Relayed: relay4})
	peers := make([]netip.AddrPort, MaxPeers)
	for i := range peers {
		a := peer6.Addr().As16()
		a[15] = byte(i)
		peers[i] = netip.AddrPortFrom(netip.AddrFrom16(a), 1)
	}
	want(t, e, permit(l, peers...), Result{})
}

func TestOptions(t *testing.T) {
	bad := []Options{{Queue: -1}, {Queue: maxQueue + 1}, {Slack: -1}, {Slack: maxSlack + 1}}
	for _, o := range bad {
		if e, err := New(o); err == nil {
			e.Close()
			t.Errorf("New(%+v) succeeded", o)
		}
	}
	e, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}

// TestSlack: pion is given more than is granted, below an hour for all that is
// allowed, and a leg past its granted lifetime is kept from pion.
func TestSlack(t *testing.T) {
	for _, granted := range []time.Duration{1, time.Second, time.Minute + time.Nanosecond, MaxLifetime} {
		for _, slack := range []time.Duration{1, time.Second, maxSlack} {
			given := time.Duration(wireSeconds(granted, slack)) * time.Second
			if given < granted+slack || given >= time.Hour {
				t.Errorf("granted %v, slack %v: given %v", granted, slack, given)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		e, _ := New(Options{})
		l, closed := legOf(e, relay4)
		want(t, e, allocate(l, MaxLifetime), Result{Lifetime: MaxLifetime, Relayed: relay4})
		time.Sleep(MaxLifetime - time.Nanosecond)
		want(t, e, permit(l, peerA), Result{})
		time.Sleep(time.Nanosecond)
		before := e.Logged(LevelDebug)
		want(t, e, permit(l, peerA), Result{Unanswered: true})
		want(t, e, bind(l, 0x4000, peerA), Result{Unanswered: true})
		want(t, e, refresh(l, time.Minute), Result{Unanswered: true})
		if e.Logged(LevelDebug) != before {
			t.Error("pion heard of a request past the granted lifetime")
		}
		time.Sleep(maxSlack - time.Nanosecond)
		if n := closed.Load(); n != 0 {
			t.Error("pion's timer fired within the slack")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := closed.Load(); n != 1 {
			t.Errorf("closed ran %d times when pion's timer had fired", n)
		}
		closeChecked(t, e, FaultExpired)
	})
}

// TestNonce: none is refused in 117 hours, at any distance between requests.
func TestNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := New(Options{})
		begin := time.Now()
		nonces := map[string]bool{}
		for gap := time.Second; time.Since(begin) < 117*time.Hour; gap = gap*3/2%(95*time.Minute) + time.Second {
			time.Sleep(gap)
			l, _ := legOf(e, relay4)
			serial, messages := e.door.serial, uint64(2)
			if e.door.nonce == "" || time.Since(e.door.nonceAt) >= 30*time.Minute {
				messages++ // the probe
			}
			want(t, e, allocate(l, time.Minute), Result{Lifetime: time.Minute, Relayed: relay4})
			want(t, e, refresh(l, 0), Result{})
			if sent := e.door.serial - serial; sent != messages {
				t.Fatalf("%d messages instead of %d after %v: a nonce was refused", sent, messages, time.Since(begin))
			}
			nonces[e.door.nonce] = true
		}
		if len(nonces) < 50 {
			t.Errorf("%d nonces in 117 hours", len(nonces))
		}
		closeChecked(t, e)
	})
}

// TestStaleNonce: with a clock that stands still the nonce is never renewed, and
// pion's 438 is.
func TestStaleNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frozen := time.Now()
		e, _ := New(Options{Now: func() time.Time { return frozen }})
		for range 20 {
			l, _ := legOf(e, relay4)
			want(t, e, allocate(l, time.Minute), Result{Lifetime: time.Minute, Relayed: relay4})
			want(t, e, permit(l, peerA), Result{})
			want(t, e, refresh(l, 0), Result{})
			time.Sleep(3 * time.Hour)
		}
		closeChecked(t, e)
	})
}

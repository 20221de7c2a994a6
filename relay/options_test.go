package relay

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike/pkg/netpolicy"
	"turnpike/relay/engine"
)

func TestPoolsAreChecked(t *testing.T) {
	ip, other := netip.MustParseAddr("93.184.216.1"), netip.MustParseAddr("2606:2800::1")
	for _, c := range []struct {
		pools []Pool
		fault string // part of the error; none: good
	}{
		{[]Pool{{Bind: ip}}, ""},
		{[]Pool{{Bind: ip, MinPort: 100, MaxPort: 199}, {Bind: ip, MinPort: 200, MaxPort: 299}}, ""},
		{[]Pool{{Bind: other}, {Bind: ip}}, ""},
		{[]Pool{{Bind: netip.IPv6Unspecified()}}, "Relays[0].Bind"},
		{nil, "set Relays"},
		{[]Pool{{}}, "Relays[0].Bind"},
		{[]Pool{{Bind: netip.IPv4Unspecified()}}, "Relays[0].Bind"},
		{[]Pool{{Bind: netip.MustParseAddr("::ffff:93.184.216.1")}}, "Relays[0].Bind"},
		{[]Pool{{Bind: ip, Public: other}}, "Relays[0].Public"},
		{[]Pool{{Bind: ip, Public: netip.IPv4Unspecified()}}, "Relays[0].Public"},
		{[]Pool{{Bind: ip, MinPort: 200, MaxPort: 100}}, "Relays[0] has ports"},
		{[]Pool{{Bind: ip, MaxPort: 100}}, "Relays[0] has ports"},
		{[]Pool{{Bind: ip, MinPort: 100, MaxPort: 200}, {Bind: ip, MinPort: 200, MaxPort: 300}}, "Relays[0] and Relays[1]"},
	} {
		_, err := newPorts(c.pools)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%+v: %v, want %q", c.pools, err, c.fault)
		}
	}
}

// Everything that is missing or wrong is named at once.
func TestOptionsAreChecked(t *testing.T) {
	_, err := New(Options{Listen: []Listener{
		{Addr: netip.MustParseAddrPort("0.0.0.0:3478"), UDP: true},
		{Addr: netip.MustParseAddrPort("192.0.2.1:3478")},
		{Addr: netip.MustParseAddrPort("192.0.2.1:3479"), UDP: true, ProxyFrom: []netip.Prefix{{}}},
		{Addr: netip.MustParseAddrPort("192.0.2.1:3480"), TCP: true, ProxyFrom: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
		{Addr: netip.MustParseAddrPort("192.0.2.1:5349"), TLS: true},
	}, Limits: Limits{Permissions: -1}})
	for _, want := range []string{"0.0.0.0:3478", "192.0.2.1:3478 without a transport", "192.0.2.1:3479 with ProxyFrom", "192.0.2.1:3480 with ::ffff:10.0.0.0/104 in", "192.0.2.1:5349 with TLS", "set Plane", "set Verifier", "set Ledger", "set Policy", "negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// A pion that hangs makes the server unready: nothing else can be done about it.
func TestReadyWatchesTheEngines(t *testing.T) {
	now := time.Now()
	e, err := engine.New(engine.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	at := now
	s := &Server{engines: []*engine.Engine{e}, now: func() time.Time { return at }}
	if r := s.Ready(); len(r) != 1 || r[0] != "not serving" {
		t.Errorf("before Serve: %q", r)
	}
	s.serving.Store(true)
	hung, free := make(chan struct{}), make(chan struct{})
	e.Submit(func() (engine.Request, bool) { close(hung); <-free; return engine.Request{}, false }, func(engine.Result) {})
	<-hung
	if at = now.Add(stallLimit); len(s.Ready()) != 0 {
		t.Errorf("unready after %s: %q", stallLimit, s.Ready())
	}
	if at = now.Add(stallLimit + time.Second); len(s.Ready()) != 1 || !strings.Contains(s.Ready()[0], "engine 0") {
		t.Errorf("a stalled engine: %q", s.Ready())
	}
	close(free)
}

// A policy that comes while Serve makes its own is not undone by it, and each
// has a generation of its own.
func TestSetPolicyBeforeServe(t *testing.T) {
	s, newer, own := new(Server), policyOf(t, netpolicy.Options{}), policyOf(t, netpolicy.Options{})
	s.SetPolicy(newer)
	s.setPolicy(own, true)
	if p := s.policy.Load(); p.Policy != newer || p.generation != 1 {
		t.Errorf("generation %d, the newer one: %v", p.generation, p.Policy == newer)
	}
	s.SetPolicy(own)
	if p := s.policy.Load(); p.Policy != own || p.generation != 2 {
		t.Errorf("generation %d", p.generation)
	}
}

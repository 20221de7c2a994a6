package relay_test

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

var otherServers = []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::1]:3478"), netip.MustParseAddrPort("198.51.100.1:3478")}

// sentAway checks a 300: signed, with the server of the client's family first.
func sentAway(t *testing.T, c *relaytest.Client) {
	t.Helper()
	r := expect(t, 300)(c.Allocate())
	if want := []netip.AddrPort{otherServers[1], otherServers[0]}; !r.Signed || !slices.Equal(r.Alternates, want) || r.Domain != "" {
		t.Errorf("signed: %t, alternates %v, domain %q", r.Signed, r.Alternates, r.Domain)
	}
}

func redirecting(d relay.Redirect, more ...setup) setup {
	d.Servers, d.Domain = otherServers, "turn.example.org"
	return setup{options: func(o *relay.Options) {
		for _, s := range more {
			s.options(o)
		}
		o.Redirect = d
	}}
}

// Who is always sent away leaves nothing here; who has shown no credential is
// told nothing.
func TestRedirectAlways(t *testing.T) {
	b := memBed(t, redirecting(relay.Redirect{Always: true}))
	c := b.raw("alice")
	sentAway(t, c)
	sentAway(t, c) // on the same five-tuple: there is no session
	stranger := b.raw("bob")
	stranger.User.Password = "wrong"
	if r := expect(t, 401)(stranger.Allocate()); len(r.Alternates) != 0 {
		t.Errorf("a stranger is told of %v", r.Alternates)
	}
	expect(t, 442)(c.Do(stun.MethodAllocate, relaytest.RequestedTransport(6))) // what is wrong stays wrong
	if st := b.server.Stats(); st.AllocationsTotal["redirected"] != 2 || st.AllocationsTotal["success"] != 0 || b.server.Sessions() != 0 {
		t.Errorf("%v, %d sessions", st.AllocationsTotal, b.server.Sessions())
	}
}

// Without a server of the client's family the client is served.
func TestRedirectOtherFamily(t *testing.T) {
	b := memBed(t, setup{options: func(o *relay.Options) {
		o.Redirect = relay.Redirect{Always: true, Draining: true, Servers: otherServers[:1]}
	}})
	alice, _ := b.allocated("alice")
	startDrain(t, b)
	expect(t, 403)(b.raw("bob").Allocate())
	expect(t, 0)(alice.Refresh(0))
}

func startDrain(t *testing.T, b *bed) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- b.server.Drain(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	for len(b.server.Ready()) == 0 {
		runtime.Gosched() // until Drain runs
	}
}

// A draining server keeps its sessions and sends the new ones away.
func TestRedirectDraining(t *testing.T) {
	b := memBed(t, redirecting(relay.Redirect{Draining: true}))
	alice, _ := b.allocated("alice")
	startDrain(t, b)
	sentAway(t, b.raw("bob"))
	expect(t, 437)(alice.Allocate())
	expect(t, 0)(alice.Refresh(relay.DefaultLifetime))
	st := b.server.Stats()
	if st.AllocationsTotal["redirected"] != 1 || st.AllocationsTotal["draining"] != 0 || b.server.Sessions() != 1 {
		t.Errorf("%v, %d sessions", st.AllocationsTotal, b.server.Sessions())
	}
	expect(t, 0)(alice.Refresh(0))
}

// A full server sends away whom it has no port for, and takes clients again when
// it has. A quota is none of its ports.
func TestRedirectFull(t *testing.T) {
	b := memBed(t, redirecting(relay.Redirect{Full: true}, onPorts(40001, 40002)))
	first, _ := b.allocated("alice")
	second, _ := b.allocated("alice")
	late := b.raw("bob")
	sentAway(t, late)
	expect(t, 508)(late.Allocate(reserved(gate.Token{1}))) // a port of this server, or none
	st := b.server.Stats()
	if st.AllocationsTotal["redirected"] != 1 || st.AllocationsTotal["capacity"] != 0 || st.AllocationsTotal["token"] != 1 {
		t.Errorf("%v", st.AllocationsTotal)
	}
	expect(t, 0)(first.Refresh(0))
	expect(t, 0)(late.Allocate())
	expect(t, 0)(late.Refresh(0))
	expect(t, 0)(second.Refresh(0))
}

// Each occasion is its own.
func TestRedirectOnOccasion(t *testing.T) {
	full := memBed(t, redirecting(relay.Redirect{Draining: true}, onPorts(40001, 40001)))
	full.allocated("alice")
	expect(t, 508)(full.raw("bob").Allocate())
	draining := memBed(t, redirecting(relay.Redirect{Full: true}))
	startDrain(t, draining)
	expect(t, 403)(draining.raw("bob").Allocate())
	limited := redirecting(relay.Redirect{Full: true, Draining: true})
	limited.role = func(r *auth.Role) { r.Allocations = 1 }
	quota := memBed(t, limited)
	quota.allocated("alice")
	expect(t, 486)(quota.raw("alice").Allocate())
}

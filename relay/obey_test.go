package relay

import (
	"net/netip"
	"testing"
	"time"

	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/gate"
)

func nobody(netip.Addr) bool { return false }

// A policy that comes while a permission is being given takes it back, and the
// client is not told that it has it.
func TestPolicyComesBesideAPermission(t *testing.T) {
	deny := policyOf(t, netpolicy.Options{Deny: netpolicy.Lines(netip.MustParsePrefix("93.184.218.0/24"))})
	for _, method := range []gate.Method{gate.CreatePermission, gate.ChannelBind} {
		in := newInside(t)
		in.forward(in.request(gate.Allocate), time.Now())
		if !in.answered() {
			t.Fatal("no allocation")
		}
		free := in.stick()
		in.forward(in.request(method), time.Now()) // judged by the policy before
		in.SetPolicy(deny)
		free()
		if in.answered() {
			t.Errorf("%s: the client was told that it may", method)
		}
		x := in.sessions.get(in.client)
		if n, _ := x.peers.Load().live(0); n != 0 {
			t.Errorf("%s: %d permissions", method, n)
		}
	}
}

// Who is denied while the Allocate is served has no session afterwards.
func TestClientIsDeniedBesideItsAllocate(t *testing.T) {
	in := newInside(t)
	free := in.stick()
	in.forward(in.request(gate.Allocate), time.Now())
	in.SetClients(nobody)
	free()
	if why := <-in.ends; why != EndDenied {
		t.Errorf("ended as %s", why)
	}
	if n := in.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// Limits that make no sense are refused, and those before stay.
func TestLimitsAreChecked(t *testing.T) {
	in := newInside(t)
	before := *in.limits.Load()
	for _, bad := range []Limits{{Permissions: -1}, {TenantAllocations: -1}, {NewPeers: ratelimit.Rate{PerSecond: 1}}} {
		if in.SetLimits(bad) == nil || *in.limits.Load() != before {
			t.Errorf("%+v was taken", bad)
		}
	}
	if err := in.SetAccess(nil, make([]byte, 31)); err == nil {
		t.Error("a nonce key of 31 bytes was taken")
	}
}

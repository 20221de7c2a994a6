package relay

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"turnpike/auth"
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

// Who is revoked while the Allocate is served has no session afterwards.
func TestUserIsRevokedBesideItsAllocate(t *testing.T) {
	in := newInside(t)
	free := in.stick()
	in.forward(in.request(gate.Allocate), time.Now())
	if _, n, err := in.Revoke(auth.Revocation{Kind: auth.RevokeUser, User: in.who.User}); n != 0 || err != nil {
		t.Errorf("%d sessions, %v", n, err)
	}
	free()
	if why := <-in.ends; why != EndRevoked {
		t.Errorf("ended as %s", why)
	}
	if n := in.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A role that changes while an Allocate is served, or a Refresh, holds for the
// session all the same.
func TestRoleChangesBesideItsSession(t *testing.T) {
	in := newInside(t)
	role := auth.DefaultRole()
	role.MaxSession = time.Hour
	free := in.stick()
	in.forward(in.request(gate.Allocate), time.Now())
	in.reload(role)
	free()
	if !in.answered() {
		t.Fatal("no allocation")
	}
	x := in.sessions.get(in.client)
	in.stick()() // the engine is done with the Allocate
	if l := x.limit.Load(); l.at != int64(time.Hour) || x.role.Load().MaxSession != time.Hour {
		t.Errorf("limit %v under %+v", time.Duration(l.at), x.role.Load())
	}
	role.MaxSession = time.Minute
	in.reload(role)
	if at := x.halves[0].expires.Load(); at != int64(time.Minute) {
		t.Errorf("ends after %v", time.Duration(at))
	}
	old := &limit{at: int64(2 * time.Hour)}
	now := x.limit.Swap(old) // what a Refresh has read before the reload
	x.halves[0].expires.Store(int64(2 * time.Hour))
	x.limit.Store(now)
	if !x.extend(&x.halves[0], x.start, DefaultLifetime) || x.halves[0].expires.Load() != now.at {
		t.Errorf("extended to %v", time.Duration(x.halves[0].expires.Load()))
	}
}

func (in *inside) reload(role auth.Role) {
	in.t.Helper()
	secret, _ := auth.NewRandomSecret(rand.Reader)
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "k", Secret: secret}}, Roles: []auth.Role{role}})
	if err != nil {
		in.t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(ring, "test")
	if err != nil {
		in.t.Fatal(err)
	}
	if err := in.SetAccess(verifier, nil); err != nil {
		in.t.Fatal(err)
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

// A static user who is taken out while the Allocate is served has no session
// afterwards.
func TestStaticUserIsTakenOutBesideItsAllocate(t *testing.T) {
	in := newInside(t)
	password, err := auth.ParseSecret("Hn5Vb2Xq8Lr4Zc7T")
	if err != nil {
		t.Fatal(err)
	}
	ring, err := auth.NewKeyring(auth.Options{Static: []auth.StaticUser{{ID: "home", Name: "alice", Password: password}}})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := auth.NewVerifier(ring, "test")
	if err != nil {
		t.Fatal(err)
	}
	who, outcome := verifier.Verify("alice", time.Now(), auth.MD5, func([]byte) bool { return true })
	if outcome != auth.OK {
		t.Fatal(outcome)
	}
	in.who = &who
	free := in.stick()
	in.forward(in.request(gate.Allocate), time.Now())
	in.reload(auth.DefaultRole())
	free()
	if why := <-in.ends; why != EndRevoked {
		t.Errorf("ended as %s", why)
	}
	if n := in.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

package relay_test

import (
	"crypto/rand"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/gate"
	"turnpike/relay/stream"
)

// The sessions of a client that may not come any more end, what else it sends
// is not answered, and it may begin anew when it may come again.
func TestDeniedClients(t *testing.T) {
	b := memBed(t, setup{})
	c, _ := b.allocated("alice")
	b.server.SetClients(func(a netip.Addr) bool { return a != memClient })
	if r := b.wait(1)["alice"]; r.Why != relay.EndDenied {
		t.Errorf("ended as %s", r.Why)
	}
	before := b.server.Stats().Dropped["client_denied"]
	c.Timeout = 100 * time.Millisecond
	if r, err := c.Do(stun.MethodBinding); err == nil {
		t.Errorf("answered: %+v", r)
	}
	if n := b.server.Stats().Dropped["client_denied"] - before; n == 0 {
		t.Error("nothing was counted")
	}
	b.server.SetClients(nil)
	c.Timeout = time.Second
	expect(t, 0)(c.Allocate())
}

func TestDeniedConnectionsAreClosed(t *testing.T) {
	b, certificate := streamBed(t, setup{})
	b.over(gate.TCP, certificate, "alice")
	b.over(gate.TLS, certificate, "bob")
	silent := b.dial(gate.TCP, nil)
	defer silent.Close()
	b.server.SetClients(func(netip.Addr) bool { return false })
	for user, r := range b.wait(2) {
		if r.Why != relay.EndDenied && r.Why != relay.EndDisconnected {
			t.Errorf("%s: ended as %s", user, r.Why)
		}
	}
	if late, err := net.Dial("tcp", b.at(gate.TCP).String()); err == nil { // or it was closed before that returns
		defer late.Close()
		late.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := late.Read(make([]byte, 1)); err == nil {
			t.Error("a denied client was answered")
		}
	}
	// silent may have been accepted before or after SetClients.
	silent.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("a denied client was answered")
	}
	if n := b.server.Stats().Streams.Over(stream.Denied); n != 4 {
		t.Errorf("%d connections closed as denied, want 4", n)
	}
}

// Secrets, roles and the nonce key change under live sessions: these go on under
// what they began with, and others begin under the new.
func TestAccessIsReplaced(t *testing.T) {
	b := memBed(t, setup{})
	old, _ := b.allocated("alice")
	secret, err := auth.NewRandomSecret(rand.Reader)
	must(t, err)
	role := auth.DefaultRole()
	role.Allocations = 1
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "next", Secret: secret}}, Roles: []auth.Role{role}})
	must(t, err)
	verifier, err := auth.NewVerifier(ring, realm)
	must(t, err)
	key := make([]byte, 32)
	rand.Read(key)
	must(t, b.server.SetAccess(verifier, key))

	expect(t, 0)(old.Refresh(600 * time.Second))
	expect(t, 401)(b.raw("alice").Allocate())
	b.issuer, err = auth.NewIssuer(ring, rand.Reader)
	must(t, err)
	b.allocated("bob")
	expect(t, 486)(b.raw("bob").Allocate())
}

func TestLimitsAreReplaced(t *testing.T) {
	b := memBed(t, setup{})
	c, _ := b.allocated("alice")
	expect(t, 0)(c.CreatePermission(peerN(1), peerN(2)))
	must(t, b.server.SetLimits(relay.Limits{Permissions: 2}))
	expect(t, 508)(c.CreatePermission(peerN(3)))
	expect(t, 0)(c.CreatePermission(peerN(1)))
	must(t, b.server.SetLimits(relay.Limits{Permissions: 3}))
	expect(t, 0)(c.CreatePermission(peerN(3)))
}

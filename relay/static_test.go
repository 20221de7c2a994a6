package relay_test

import (
	"testing"
	"testing/synctest"
	"time"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/relaytest"
)

const staticPassword = "Hn5Vb2Xq8Lr4Zc7T"

// staticVerifier knows one static user and no other.
func staticVerifier(t *testing.T, name, password string) *auth.Verifier {
	t.Helper()
	secret, err := auth.ParseSecret(password)
	must(t, err)
	ring, err := auth.NewKeyring(auth.Options{Static: []auth.StaticUser{{ID: "home", Name: name, Password: secret}}})
	must(t, err)
	v, err := auth.NewVerifier(ring, realm)
	must(t, err)
	return v
}

// A static user's session goes on as long as there is that user with that
// password, and ends as it is changed; its credential has no expiry to end it.
func TestStaticUserGoesOnUntilRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := memBed(t, setup{options: func(o *relay.Options) { o.EndExpired = true }})
		must(t, b.server.SetAccess(staticVerifier(t, "alice", staticPassword), nil))
		conn := b.host()
		defer conn.Close()
		alice := relaytest.NewClient(conn, b.addr, relaytest.User{Name: "alice", Password: staticPassword})
		expect(t, 0)(alice.Allocate())
		time.Sleep(5 * time.Minute)
		if r := expect(t, 0)(alice.Refresh(600 * time.Second)); r.Lifetime != 600*time.Second {
			t.Errorf("granted %s", r.Lifetime)
		}

		must(t, b.server.SetAccess(staticVerifier(t, "alice", staticPassword), nil)) // nothing has changed for her
		expect(t, 0)(alice.CreatePermission(peerN(1)))

		must(t, b.server.SetAccess(staticVerifier(t, "alice", "Wm3Kd9Sx6Fg1Jp5Y"), nil))
		if r := <-b.ended; r.Why != relay.EndRevoked || r.User != "alice" || r.End.Sub(r.Start) != 5*time.Minute {
			t.Errorf("%s of %s after %s", r.Why, r.User, r.End.Sub(r.Start))
		}
		expect(t, 401)(alice.Refresh(600 * time.Second))
		expect(t, 401)(alice.Allocate())

		alice.User.Password = "Wm3Kd9Sx6Fg1Jp5Y"
		expect(t, 0)(alice.Allocate())
		must(t, b.server.SetAccess(staticVerifier(t, "bob", staticPassword), nil))
		if r := <-b.ended; r.Why != relay.EndRevoked {
			t.Errorf("%s", r.Why)
		}
		expect(t, 401)(alice.CreatePermission(peerN(1)))
	})
}

// A revocation names static users by their ids and names, as others.
func TestStaticUserIsRevoked(t *testing.T) {
	for _, r := range []auth.Revocation{{Kind: auth.RevokeKey, ID: "home"}, {Kind: auth.RevokeUser, User: "alice"}} {
		synctest.Test(t, func(t *testing.T) {
			b := memBed(t, setup{})
			must(t, b.server.SetAccess(staticVerifier(t, "alice", staticPassword), nil))
			conn := b.host()
			defer conn.Close()
			alice := relaytest.NewClient(conn, b.addr, relaytest.User{Name: "alice", Password: staticPassword})
			expect(t, 0)(alice.Allocate())
			if _, n, err := b.server.Revoke(r); n != 1 || err != nil {
				t.Errorf("%s: %d sessions ended, %v", r.Kind, n, err)
			}
			expect(t, 401)(alice.Allocate())
		})
	}
}

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
// password; its credential has no expiry to end it.
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
		expect(t, 401)(alice.Refresh(600 * time.Second))
		must(t, b.server.SetAccess(staticVerifier(t, "bob", staticPassword), nil))
		expect(t, 401)(alice.CreatePermission(peerN(1)))
	})
}

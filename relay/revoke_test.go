package relay_test

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/gate"
)

// silenceWithin is what a revocation promises.
const silenceWithin = 2 * time.Second

// pump sends from one to the other until stop is closed, and keeps when the other
// last heard of it.
type pump struct{ heard, last atomic.Int64 }

func newPump(from, to net.PacketConn, stop <-chan struct{}) *pump {
	p := new(pump)
	go func() {
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				_, _ = from.WriteTo([]byte("media"), to.LocalAddr()) // fails once the session is over
			}
		}
	}()
	go func() {
		for b := make([]byte, 1500); ; {
			if _, _, err := to.ReadFrom(b); err != nil {
				return
			}
			p.last.Store(time.Now().UnixNano())
			p.heard.Add(1)
		}
	}()
	return p
}

// A revocation silences live sessions, in both directions, whatever the client
// came over, and their clients can't come again.
func TestRevokedSessionsFallSilent(t *testing.T) {
	for _, plane := range socketPlanes {
		for _, over := range []gate.Transport{gate.UDP, gate.TCP, gate.TLS} {
			t.Run(plane.name+" "+over.String(), func(t *testing.T) {
				t.Parallel()
				b, certificate := streamBedOn(t, plane, setup{})
				alice, bob := b.over(over, certificate, "alice"), b.over(gate.UDP, certificate, "bob")
				introduce(t, alice, bob)
				exchange(t, alice, bob, 100)
				alice.SetReadDeadline(time.Time{})
				bob.SetReadDeadline(time.Time{})
				stop := make(chan struct{})
				defer close(stop)
				there, back := newPump(alice, bob, stop), newPump(bob, alice, stop)
				for there.heard.Load() < 10 || back.heard.Load() < 10 {
					time.Sleep(time.Millisecond)
				}
				begun := time.Now()
				_, n, err := b.server.Revoke(auth.Revocation{Kind: auth.RevokeUser, User: "alice", Before: time.Now().Add(time.Second)})
				must(t, err)
				if n != 1 {
					t.Errorf("%d sessions ended, want 1", n)
				}
				if r := b.wait(1)["alice"]; r.Why != relay.EndRevoked || r.BytesToPeer == 0 || r.BytesToClient == 0 {
					t.Errorf("record: %+v", r)
				}
				time.Sleep(silenceWithin + silenceWithin/4) // the time that is measured: the pumps go on meanwhile
				last := time.Unix(0, max(there.last.Load(), back.last.Load()))
				t.Logf("silent after %v", last.Sub(begun).Round(10*time.Microsecond))
				if last.After(begun.Add(silenceWithin)) {
					t.Errorf("heard %v after the revocation", last.Sub(begun))
				}
				if st := b.server.Stats(); st.Ended["revoked"] != 1 || st.Ended["client"] != 0 || b.server.Sessions() != 1 {
					t.Errorf("ended %v, %d sessions", st.Ended, b.server.Sessions())
				}
			})
		}
	}
}

// Each kind of revocation ends those whom it names and nobody else, and what was
// recorded of their credentials is of no use any more.
func TestReplayAfterRevocation(t *testing.T) {
	b := memBed(t, setup{})
	alice, _ := b.allocated("alice")
	bob, _ := b.allocated("bob")
	if _, n, err := b.server.Revoke(auth.Revocation{Kind: auth.RevokeUser, User: "alice", Tenant: "another"}); n != 0 || err != nil {
		t.Fatalf("%d of another tenant's, %v", n, err)
	}
	record := func(kind auth.RevocationKind, id string) {
		t.Helper()
		if _, n, err := b.server.Revoke(auth.Revocation{Kind: kind, ID: id}); n != 1 || err != nil {
			t.Fatalf("%s: %d sessions, %v", kind, n, err)
		}
	}
	name, err := auth.ParseUsername(alice.User.Name)
	must(t, err)
	record(auth.RevokeCredential, name.CredentialID)
	if r := b.wait(1)["alice"]; r.Why != relay.EndRevoked || r.CredentialID != name.CredentialID {
		t.Errorf("%+v", r)
	}
	expect(t, 401)(alice.Refresh(600 * time.Second))
	expect(t, 401)(alice.Allocate())
	expect(t, 0)(bob.Refresh(600 * time.Second))
	again, _ := b.allocated("alice") // another credential of hers
	expect(t, 0)(again.Refresh(0))
	b.wait(1)

	record(auth.RevokeKey, "k")
	if r := b.wait(1)["bob"]; r.Why != relay.EndRevoked {
		t.Errorf("%+v", r)
	}
	expect(t, 401)(bob.Allocate())
	expect(t, 401)(again.Allocate())
	expect(t, 401)(b.raw("carol").Allocate())
	gate := b.server.Stats().Gate // the client tries a refused credential again with a fresh nonce
	if n, wrong := gate.Authenticated(auth.Revoked), gate.Authenticated(auth.WrongSignature); n < 5 || wrong != 0 {
		t.Errorf("%d refused as revoked and %d as wrong, want 5 or more and 0", n, wrong)
	}
	if _, _, err := b.server.Revoke(auth.Revocation{Kind: auth.RevokeUser}); err == nil {
		t.Error("nobody was revoked")
	}
}

// What is revoked stays so under another verifier.
func TestRevocationsOutliveAReload(t *testing.T) {
	b := memBed(t, setup{})
	alice, _ := b.allocated("alice")
	_, _, err := b.server.Revoke(auth.Revocation{Kind: auth.RevokeKey, ID: "k"})
	must(t, err)
	must(t, b.server.SetAccess(b.verifier, nil))
	expect(t, 401)(alice.Allocate())
}

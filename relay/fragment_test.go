package relay_test

import (
	"testing"

	"github.com/pion/stun/v3"

	"turnpike/relay/relaytest"
)

// Who asks that nothing be fragmented is served where the plane can do so, and
// told where it can't (RFC 8656 §7.2); between two relays nothing is fragmented.
func TestDontFragment(t *testing.T) {
	onEveryPlane(t, setup{}, func(t *testing.T, b *bed) {
		whole := relaytest.Attr{Type: stun.AttrDontFragment}
		alice, code := b.raw("alice"), 420
		if b.plane.Caps().DontFragment {
			code = 0
		}
		from := expect(t, code)(alice.Allocate(whole)).Relayed
		if code != 0 {
			return
		}
		bob, to := b.allocated("bob")
		expect(t, 0)(alice.CreatePermission(to))
		expect(t, 0)(bob.CreatePermission(from))
		m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
			relaytest.XORPeer(to), whole, relaytest.Data([]byte("whole")))
		must(t, err)
		must(t, alice.WriteRaw(m.Raw))
		if d, err := bob.Receive(); err != nil || string(d.Payload) != "whole" || d.Peer != from {
			t.Errorf("bob received %+v, %v", d, err)
		}
	})
}

package planetest

import (
	"encoding/binary"
	"testing"

	"turnpike/relay/dataplane"
)

// dontFragment adds DONT-FRAGMENT (RFC 8656 §18.9) to an indication.
func dontFragment(m []byte) []byte {
	m = append(m, 0x00, 0x1a, 0, 0)
	binary.BigEndian.PutUint16(m[2:], uint16(len(m)-20))
	return m
}

func keepsWhole(t *testing.T, b *bed) {
	can := b.Plane.Caps().DontFragment
	for _, n := range []int{0, 1, 160, 1200} {
		whole := dontFragment(sendIndication(b.other.addr, payload(n)))
		b.client.send(b.listener, whole)
		if can {
			b.other.expect(payload(n), b.relay.Bind)
		} else {
			b.client.expect(whole, b.listener)
		}
	}
	if can {
		b.client.send(b.listener, dontFragment(sendIndication(b.other.addr, payload(b.Plane.Caps().MaxPayload+1))))
		b.barrier(b.client)
	}
	b.Plane.Remove(b.relay)
	c := b.Plane.Counters()
	if sent, up := c.ToPeer.Packets(), c.Control.Packets(); can && (sent != 4 || c.Dropped(dataplane.Oversize) != 1) || !can && (sent != 0 || up != 4) {
		t.Errorf("%d were sent, %d handed up, %d too large", sent, up, c.Dropped(dataplane.Oversize))
	}
}

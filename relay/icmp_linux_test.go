package relay_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay"
	"turnpike/relay/dataplane"
	"turnpike/relay/dataplane/mmsg"
	"turnpike/relay/gate"
	"turnpike/relay/relaytest"
)

const attrICMP stun.AttrType = 0x8004

// publicBed is a server whose peers are hosts of a public network.
func publicBed(t *testing.T) *bed {
	plane, err := mmsg.New(mmsg.Options{})
	must(t, err)
	host := netip.MustParseAddr("93.184.216.1")
	s := setup{options: func(o *relay.Options) {
		o.Listen[0].TCP = true
		o.Relays = append(o.Relays, relay.Pool{Bind: netip.MustParseAddr("2606:2800:220:1::1"), MinPort: 20000, MaxPort: 60000})
	}}
	return newBed(t, plane, host, s, func() net.PacketConn { return relaytest.ListenUDP(t, netip.MustParseAddr("93.184.216.20")) })
}

// A client hears that a peer's port is closed, over UDP and TCP, for IPv4 and
// IPv6 (RFC 8656 §11.5), and may ask that nothing be fragmented (§7.2).
func TestClientsHearOfICMP(t *testing.T) {
	if !relaytest.InNamespace(t, relaytest.Namespace{Own: []netip.Prefix{netip.MustParsePrefix("93.184.216.0/24"), netip.MustParsePrefix("2606:2800:220:1::/64")}}) {
		return
	}
	b := publicBed(t)
	for ip, want := range map[string]uint16{"93.184.216.30": 3<<9 | 3, "2606:2800:220:1::30": 1<<9 | 4} {
		for _, over := range []gate.Transport{gate.UDP, gate.TCP} {
			c := b.raw(ip + over.String())
			if over == gate.TCP {
				c.Server = b.at(gate.TCP)
				c.Conn = &caller{at: c.Server}
			}
			peer := netip.AddrPortFrom(netip.MustParseAddr(ip), 9)
			family := byte(gate.FamilyOf(peer.Addr()))
			expect(t, 0)(c.Allocate(relaytest.Family(family), relaytest.Attr{Type: stun.AttrDontFragment}))
			expect(t, 0)(c.CreatePermission(peer))
			must(t, c.Send(peer, []byte("anyone?")))
			if got := hearICMP(t, c.Conn, peer); got != want {
				t.Errorf("%s over %s: the client hears %#x, want %#x", peer, over, got, want)
			}
			must(t, c.Conn.Close())
		}
	}
	if n := b.server.Stats().Plane.Notices(dataplane.NoticeSent); n != 4 {
		t.Errorf("%d counted", n)
	}
}

// hearICMP is the type and code that a Data indication about peer tells.
func hearICMP(t *testing.T, conn net.PacketConn, peer netip.AddrPort) uint16 {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	buf := make([]byte, 1500)
	n, _, err := conn.ReadFrom(buf)
	must(t, err)
	m := &stun.Message{Raw: buf[:n]}
	must(t, m.Decode())
	var x stun.XORMappedAddress
	must(t, x.GetFromAs(m, stun.AttrXORPeerAddress))
	at, _ := netip.AddrFromSlice(x.IP)
	v, err := m.Get(attrICMP)
	if err != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) || m.Contains(stun.AttrData) ||
		netip.AddrPortFrom(at.Unmap(), uint16(x.Port)) != peer || len(v) != 8 || !bytes.Equal(v[:2], []byte{0, 0}) {
		t.Fatalf("%s with %x, %v", m, v, err)
	}
	return binary.BigEndian.Uint16(v[2:])
}

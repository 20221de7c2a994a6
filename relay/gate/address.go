package gate

import (
	"encoding/binary"
	"net/netip"

	"github.com/pion/stun/v3"
)

// putAddress writes a 20-byte or 8-byte address (RFC 8489 §14.1).
func putAddress(b []byte, a netip.AddrPort) {
	binary.BigEndian.PutUint16(b[2:], a.Port())
	if addr := a.Addr().Unmap(); addr.Is4() {
		b[1] = byte(IPv4)
		v4 := addr.As4()
		copy(b[4:], v4[:])
	} else {
		b[1] = byte(IPv6)
		v6 := addr.As16()
		copy(b[4:], v6[:])
	}
}

// putXOR writes an address in XOR form (RFC 8489 §14.2).
func putXOR(b []byte, a netip.AddrPort, tx *[12]byte) {
	putAddress(b, netip.AddrPortFrom(a.Addr(), a.Port()^magicCookie>>16))
	xorAddress(b[4:], tx)
}

// addressSize is the size of an address in either form.
func addressSize(a netip.AddrPort) int {
	if a.Addr().Unmap().Is4() {
		return 8
	}
	return 20
}

// getXOR reads an XOR address. The size must be the family's own: a shorter one
// crashed pion/stun (pull request 278) and passed pion/turn as another address.
func getXOR(b []byte, tx *[12]byte) (netip.AddrPort, bool) {
	var addr netip.Addr
	switch {
	case len(b) == 8 && b[1] == byte(IPv4):
		var v4 [4]byte
		copy(v4[:], b[4:])
		xorAddress(v4[:], tx)
		addr = netip.AddrFrom4(v4)
	case len(b) == 20 && b[1] == byte(IPv6):
		var v6 [16]byte
		copy(v6[:], b[4:])
		xorAddress(v6[:], tx)
		addr = netip.AddrFrom16(v6)
	default:
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[2:])^magicCookie>>16), true
}

// xorAddress xors 4 or 16 bytes with the magic cookie and the transaction id.
func xorAddress(b []byte, tx *[12]byte) {
	binary.BigEndian.PutUint32(b, binary.BigEndian.Uint32(b)^magicCookie)
	for i := range b[4:] {
		b[4+i] ^= tx[i]
	}
}

// peers reads every XOR-PEER-ADDRESS that counts. false: one is malformed.
func (m *message) peers() ([]netip.AddrPort, bool) {
	var list []netip.AddrPort
	for rest := m.raw[headerSize:m.end]; len(rest) > 0; {
		var typ stun.AttrType
		var value []byte
		typ, value, rest, _ = next(rest) // the walk has been here before
		if typ != stun.AttrXORPeerAddress {
			continue
		}
		peer, ok := getXOR(value, &m.tx)
		if !ok {
			return nil, false
		}
		list = append(list, peer)
	}
	return list, true
}

// reaches reports whether the session has a relayed transport address of the
// peer's family. An IPv4-mapped IPv6 address is of neither: it looks like the one
// and would be sent to as the other (CVE-2026-27624).
func (s *Session) reaches(peer netip.Addr) bool {
	return !peer.Is4In6() && s.has(FamilyOf(peer))
}

package dataplane

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/netip"
	"testing"

	"turnpike/relay/relaytest/wire"
)

// stun builds an indication of a type with attributes; the address attribute
// is XORed by hand so that the test does not lean on the code under test.
func stun(kind uint16, attrs ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = append(b, 0, 0, 0x21, 0x12, 0xa4, 0x42)
	b = append(b, "0123456789ab"...)
	for _, a := range attrs {
		b = append(b, a...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	return b
}

func attr(kind uint16, v []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(v)))
	b = append(b, v...)
	return append(b, make([]byte, (4-len(v)%4)%4)...)
}

func peerAttr(addr netip.AddrPort) []byte {
	mask := append([]byte{0x21, 0x12, 0xa4, 0x42}, "0123456789ab"...)
	v := []byte{0, 1, byte(addr.Port()>>8) ^ 0x21, byte(addr.Port()) ^ 0x12}
	if addr.Addr().Is6() {
		v[1] = 2
	}
	for i, b := range addr.Addr().AsSlice() {
		v = append(v, b^mask[i])
	}
	return attr(0x0012, v)
}

var (
	peer4 = netip.MustParseAddrPort("203.0.113.9:4000")
	peer6 = netip.MustParseAddrPort("[2001:db8::9]:4000")
)

func withFingerprint(b []byte) []byte {
	b = append(b, 0x80, 0x28, 0, 4, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	sum := crc32.ChecksumIEEE(b[:len(b)-8]) ^ 0x5354554e
	binary.BigEndian.PutUint32(b[len(b)-4:], sum)
	return b
}

func TestParseSend(t *testing.T) {
	data := attr(attrData, []byte("hello"))
	broken := withFingerprint(stun(typeSend, peerAttr(peer4), data))
	broken[len(broken)-1] ^= 1
	for _, c := range []struct {
		name string
		b    []byte
		peer netip.AddrPort // invalid: refused
		want string
	}{
		{"IPv4", stun(typeSend, peerAttr(peer4), data), peer4, "hello"},
		{"IPv6", stun(typeSend, peerAttr(peer6), data), peer6, "hello"},
		{"data first", stun(typeSend, data, peerAttr(peer4)), peer4, "hello"},
		{"empty data", stun(typeSend, peerAttr(peer4), attr(attrData, nil)), peer4, ""},
		{"optional attribute", stun(typeSend, attr(0x8022, []byte("client")), peerAttr(peer4), data), peer4, "hello"},
		{"the first peer counts, RFC 8489 §14", stun(typeSend, peerAttr(peer4), peerAttr(peer6), data), peer4, "hello"},
		{"fingerprint", withFingerprint(stun(typeSend, peerAttr(peer4), data)), peer4, "hello"},
		{"wrong fingerprint", broken, netip.AddrPort{}, ""},
		{"fingerprint not last", stun(typeSend, attr(attrFingerprint, []byte("1234")), peerAttr(peer4), data), netip.AddrPort{}, ""},
		{"DONT-FRAGMENT", stun(typeSend, peerAttr(peer4), attr(0x001a, nil), data), peer4, "hello"},
		{"DONT-FRAGMENT with a value", stun(typeSend, peerAttr(peer4), attr(0x001a, []byte{1}), data), netip.AddrPort{}, ""},
		{"unknown required attribute", stun(typeSend, peerAttr(peer4), attr(0x7fff, nil), data), netip.AddrPort{}, ""},
		{"no peer", stun(typeSend, data), netip.AddrPort{}, ""},
		{"no data", stun(typeSend, peerAttr(peer4)), netip.AddrPort{}, ""},
		{"port 0", stun(typeSend, peerAttr(netip.AddrPortFrom(peer4.Addr(), 0)), data), netip.AddrPort{}, ""},
		{"IPv4-mapped peer", stun(typeSend, peerAttr(netip.MustParseAddrPort("[::ffff:127.0.0.1]:80")), data), netip.AddrPort{}, ""},
		{"truncated peer", stun(typeSend, attr(0x0012, []byte{0, 1, 1, 1, 1}), data), netip.AddrPort{}, ""},
		{"family 3", stun(typeSend, attr(0x0012, []byte{0, 3, 1, 1, 1, 1, 1, 1}), data), netip.AddrPort{}, ""},
		{"other indication", stun(typeData, peerAttr(peer4), data), netip.AddrPort{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, ok := ParseSend(c.b)
			if ok != c.peer.IsValid() || ok && (d.Peer != c.peer || string(d.Payload) != c.want || d.DontFragment != (c.name == "DONT-FRAGMENT")) {
				t.Errorf("got %+v %v", d, ok)
			}
		})
	}
}

// The message that ends a process with pion/stun before v3.1.3
// (https://github.com/pion/stun/pull/278): DATA, then an empty
// XOR-PEER-ADDRESS at the very end of 32 bytes.
func TestParseSendShortAddressAtTheEnd(t *testing.T) {
	b, _ := hex.DecodeString("0016000c2112a4423031323334353637383961620013000401020304" + "00120000")
	if len(b) != 32 {
		t.Fatal(len(b))
	}
	if _, ok := ParseSend(b[:len(b):len(b)]); ok {
		t.Error("accepted")
	}
}

// A plane that would fragment hands up what asks it not to.
func TestDontFragmentIsHonouredOrHandedUp(t *testing.T) {
	whole := stun(typeSend, attr(attrDontFragment, nil), peerAttr(peer4), attr(attrData, []byte("hello")))
	if d, kind := ParseData(whole, true); kind != ToPeer || !d.DontFragment {
		t.Errorf("%+v %d", d, kind)
	}
	if _, kind := ParseData(whole, false); kind != HandUp {
		t.Error(kind)
	}
	if d, kind := ParseData(stun(typeSend, peerAttr(peer4), attr(attrData, nil)), false); kind != ToPeer || d.DontFragment {
		t.Errorf("%+v %d", d, kind)
	}
}

func TestParseSendNeedsItsLength(t *testing.T) {
	good := stun(typeSend, peerAttr(peer4), attr(attrData, []byte("hello")))
	for n := range good {
		if _, ok := ParseSend(good[:n]); ok {
			t.Errorf("accepted %d bytes of %d", n, len(good))
		}
	}
	if _, ok := ParseSend(append(bytes.Clone(good), 0, 0, 0, 0)); ok {
		t.Error("accepted trailing bytes")
	}
}

func TestPutDataRoundTrip(t *testing.T) {
	for _, peer := range []netip.AddrPort{peer4, peer6} {
		for n := range 9 {
			buf := bytes.Repeat([]byte{0xee}, Headroom+n+Tailroom)
			m := PutData(buf, Headroom, n, peer)
			if padding := m[len(m)-(4-n%4)%4:]; !bytes.Equal(padding, make([]byte, len(padding))) {
				t.Errorf("%d bytes: padding %x", n, padding)
			}
			binary.BigEndian.PutUint16(m, typeSend) // same attributes
			got, ok := ParseSend(m)
			if !ok || got.Peer != peer || !bytes.Equal(got.Payload, bytes.Repeat([]byte{0xee}, n)) {
				t.Errorf("%d bytes from %s: got %+v %v", n, peer, got, ok)
			}
		}
	}
}

// addWire adds the messages of the table of the wire, and of real clients.
func addWire(f *testing.F) {
	seeds, err := wire.Seeds()
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range seeds {
		f.Add(b)
	}
}

func FuzzParseSend(f *testing.F) {
	f.Add(stun(typeSend, peerAttr(peer4), attr(attrData, []byte("hello"))))
	f.Add(stun(typeSend, peerAttr(peer6), attr(attrData, nil)))
	f.Add(stun(typeSend, attr(attrDontFragment, nil), peerAttr(peer6), attr(attrData, []byte("whole"))))
	f.Add(withFingerprint(stun(typeSend, peerAttr(peer4), attr(attrData, []byte("hello")))))
	addWire(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b):len(b)]
		d, ok := ParseSend(b)
		if !ok {
			return
		}
		if d.Peer.Port() == 0 || !d.Peer.IsValid() || d.Peer.Addr().Is4In6() {
			t.Errorf("peer %s", d.Peer)
		}
		if at := offset(b, d.Payload); at < stunHeader+4 || at+len(d.Payload) > len(b) {
			t.Errorf("payload at %d, %d bytes of %d", at, len(d.Payload), len(b))
		}
	})
}

func FuzzParseChannelData(f *testing.F) {
	f.Add([]byte{0x40, 0x00, 0x00, 0x01, 0xaa})
	f.Add([]byte{0x40, 0x00, 0xff, 0xfc, 0, 0, 0, 0, 0})
	addWire(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		number, payload, ok := ParseChannelData(b)
		if ok && (number < MinChannel || number > MaxOldChannel || len(payload)+channelHeader > len(b) ||
			len(payload) != int(b[2])<<8|int(b[3])) {
			t.Errorf("%x: %#x %d bytes", b, number, len(payload))
		}
	})
}

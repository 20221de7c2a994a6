package dataplane

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// RFC 8656 §11.5, and figure 11 of §18.13: 7 bits of type, 9 of code.
func TestPutNotice(t *testing.T) {
	for _, c := range []struct {
		e    ICMP
		want []byte
	}{
		{ICMP{peer4, 3, 3, 99}, []byte{0, 0, 0x06, 0x03, 0, 0, 0, 0}},
		{ICMP{peer4, 3, 4, 1400}, []byte{0, 0, 0x06, 0x04, 0, 0, 0x05, 0x78}},
		{ICMP{peer4, 11, 0, 99}, []byte{0, 0, 0x16, 0x00, 0, 0, 0, 0}},
		{ICMP{peer4, 2, 0, 99}, []byte{0, 0, 0x04, 0x00, 0, 0, 0, 0}}, // no type of ICMPv4
		{ICMP{peer6, 1, 4, 99}, []byte{0, 0, 0x02, 0x04, 0, 0, 0, 0}},
		{ICMP{peer6, 2, 0, 1280}, []byte{0, 0, 0x04, 0x00, 0, 0, 0x05, 0x00}},
		{ICMP{peer6, 3, 255, 99}, []byte{0, 0, 0x06, 0xff, 0, 0, 0, 0}},
	} {
		got := bytes.Repeat([]byte{0xee}, MaxNotice+1)
		got = got[:PutNotice(got, c.e)]
		if bytes.Equal(got[8:20], make([]byte, 12)) {
			t.Errorf("%+v: transaction id of zeros", c.e)
		}
		copy(got[24+4:], unmasked(got, c.e.Peer))
		copy(got[8:20], "0123456789ab")
		want := stun(typeData, peerAttr(c.e.Peer), attr(0x8004, c.want))
		copy(want[24+4:], c.e.Peer.Addr().AsSlice())
		if !bytes.Equal(got, want) {
			t.Errorf("%+v:\n got %x\nwant %x", c.e, got, want)
		}
	}
}

// unmasked is the address in the XOR-PEER-ADDRESS that m begins with.
func unmasked(m []byte, peer netip.AddrPort) []byte {
	ip := bytes.Clone(m[28 : 28+len(peer.Addr().AsSlice())])
	for i := range ip {
		ip[i] ^= m[4+i]
	}
	return ip
}

func TestICMPForClients(t *testing.T) {
	for peer, want := range map[netip.AddrPort]map[uint8]bool{peer4: {3: true, 11: true}, peer6: {1: true, 2: true, 3: true}} {
		for kind := range 256 {
			if got := (ICMP{Peer: peer, Type: uint8(kind)}).ForClients(); got != want[uint8(kind)] {
				t.Errorf("type %d about %s: %t", kind, peer, got)
			}
		}
	}
}

func TestNoticeNames(t *testing.T) {
	names := map[string]bool{}
	for n := range NumNotices {
		names[Notice(n).String()] = true
	}
	if len(names) != NumNotices || names[""] || names["unknown"] || Notice(NumNotices).String() != "unknown" {
		t.Errorf("names %v", names)
	}
}

// A notice is a STUN message whose attributes are whole, whatever it is about.
func FuzzPutNotice(f *testing.F) {
	f.Add([]byte{203, 0, 113, 9}, uint16(4000), uint8(3), uint8(4), uint32(1400))
	f.Add(peer6.Addr().AsSlice(), uint16(4000), uint8(2), uint8(0), uint32(1280))
	f.Fuzz(func(t *testing.T, ip []byte, port uint16, kind, code uint8, mtu uint32) {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok {
			return
		}
		e := ICMP{netip.AddrPortFrom(addr, port), kind, code, mtu}
		b := make([]byte, MaxNotice)
		b = b[:PutNotice(b, e)]
		if len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader {
			t.Fatalf("%x", b)
		}
		peer := attr(attrXORPeerAddress, b[24:len(b)-12])
		word := binary.BigEndian.Uint16(b[len(b)-6:])
		if !bytes.Equal(b[stunHeader:len(b)-12], peer) || uint8(word>>9) != kind&0x7f || uint8(word) != code ||
			!e.tooBig() && binary.BigEndian.Uint32(b[len(b)-4:]) != 0 {
			t.Fatalf("%+v: %x", e, b)
		}
	})
}

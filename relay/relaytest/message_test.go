package relaytest

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestXORPeer(t *testing.T) {
	for _, tt := range []struct {
		peer   string
		family byte
		size   int
	}{
		{"192.0.2.1:32853", 1, 8},
		{"0.0.0.0:1", 1, 8},
		{"[2001:db8:1234:5678:11:2233:4455:6677]:32853", 2, 20},
		{"[::ffff:127.0.0.1]:9", 2, 20}, // must not become 127.0.0.1
	} {
		peer := netip.MustParseAddrPort(tt.peer)
		raw, err := build(stun.MethodSend, stun.ClassIndication, XORPeer(peer))
		if err != nil {
			t.Fatal(err)
		}
		m := &stun.Message{Raw: raw}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		v, err := m.Get(stun.AttrXORPeerAddress)
		if err != nil || len(v) != tt.size || v[1] != tt.family {
			t.Errorf("%s: %x, %v; want family %d in %d bytes", tt.peer, v, err, tt.family, tt.size)
		}
		if got, want := xorAddr(m, stun.AttrXORPeerAddress), netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()); got != want {
			t.Errorf("%s: read back as %s", tt.peer, got)
		}
	}
}

func TestRequestBytes(t *testing.T) {
	c := &Client{User: User{"alice", "pw"}, Realm: "r", Nonce: "n"}
	raw, err := c.Request(stun.MethodRefresh,
		[]stun.Setter{Lifetime(time.Minute)}, []stun.Setter{ChannelNumber(0x9000)})
	if err != nil {
		t.Fatal(err)
	}
	m := &stun.Message{Raw: raw}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	var order []stun.AttrType
	for _, a := range m.Attributes {
		order = append(order, a.Type)
	}
	want := []stun.AttrType{stun.AttrLifetime, stun.AttrUsername, stun.AttrRealm, stun.AttrNonce,
		stun.AttrMessageIntegrity, stun.AttrChannelNumber}
	if len(order) != len(want) {
		t.Fatalf("attributes %v, want %v", order, want)
	}
	for i := range want {
		if order[i] != want[i] {
			t.Fatalf("attributes %v, want %v", order, want)
		}
	}
	if err := stun.NewLongTermIntegrity("alice", "r", "pw").Check(m); err != nil {
		t.Errorf("MESSAGE-INTEGRITY does not cover the request up to itself: %v", err)
	}
	if v, _ := m.Get(stun.AttrLifetime); !bytes.Equal(v, []byte{0, 0, 0, 60}) {
		t.Errorf("LIFETIME %x", v)
	}
	if v, _ := m.Get(stun.AttrChannelNumber); !bytes.Equal(v, []byte{0x90, 0, 0, 0}) {
		t.Errorf("CHANNEL-NUMBER %x", v)
	}
}

func signedBy(key stun.MessageIntegrity) func(*stun.Message) bool {
	return func(m *stun.Message) bool { return key.Check(m) == nil }
}

func TestParseResponse(t *testing.T) {
	key := stun.NewLongTermIntegrity("alice", "r", "pw")
	relayed := netip.MustParseAddrPort("198.51.100.7:50000")
	xorRelayed := stun.XORMappedAddress{IP: relayed.Addr().AsSlice(), Port: int(relayed.Port())}
	m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse),
		setter(func(m *stun.Message) error { return xorRelayed.AddToAs(m, stun.AttrXORRelayedAddress) }),
		Lifetime(600*time.Second), key)
	r, err := parseResponse(m, signedBy(key))
	if err != nil || !r.OK() || r.Relayed != relayed || r.Lifetime != 600*time.Second || !r.Signed || r.Mapped.IsValid() {
		t.Errorf("%+v, %v", r, err)
	}
	if r, _ := parseResponse(m, signedBy(stun.NewLongTermIntegrity("bob", "r", "pw"))); r.Signed {
		t.Error("a response under another key counts as signed")
	}

	m = stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse),
		stun.CodeStaleNonce, text(stun.AttrRealm, "r"), text(stun.AttrNonce, "n"))
	if r, err := parseResponse(m, signedBy(key)); err != nil || r.Code != 438 || r.Realm != "r" || r.Nonce != "n" || r.Signed {
		t.Errorf("%+v, %v", r, err)
	}
	m = stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse))
	if r, err := parseResponse(m, signedBy(key)); err != nil || r.Code != -1 || r.OK() {
		t.Errorf("no ERROR-CODE: %+v, %v", r, err)
	}
	m = stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse),
		Attr{stun.AttrErrorCode, []byte{0, 0, 0, 0}})
	if r, err := parseResponse(m, signedBy(key)); err != nil || r.Code != -1 || r.OK() {
		t.Errorf("ERROR-CODE 0: %+v, %v", r, err)
	}
	if _, err := parseResponse(stun.MustBuild(stun.TransactionID, stun.BindingRequest), signedBy(key)); err == nil {
		t.Error("a request passes for a response")
	}
}

type setter func(*stun.Message) error

func (s setter) AddTo(m *stun.Message) error { return s(m) }

func TestDatagram(t *testing.T) {
	d, ok := parseDatagram(channelData(0x4001, []byte("hi")))
	if !ok || d.Channel != 0x4001 || string(d.Payload) != "hi" {
		t.Errorf("%+v, %t", d, ok)
	}
	for _, bad := range []string{"", "40", "40010003aabb", "0016000c2112a442"} {
		b, err := hex.DecodeString(bad)
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := parseDatagram(b); ok {
			t.Errorf("%q passes for %+v", bad, d)
		}
	}
}

// FuzzRead feeds what a server could send to the client's parsers.
func FuzzRead(f *testing.F) {
	key := stun.NewLongTermIntegrity("alice", "r", "pw")
	f.Add(channelData(0x4001, []byte("hi")))
	for _, attrs := range [][]stun.Setter{
		{stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.CodeUnauthorized, text(stun.AttrRealm, "r")},
		{stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), Attr{stun.AttrErrorCode, []byte{0, 0, 0, 0}}},
		{stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse), Lifetime(time.Second), key},
		{stun.NewType(stun.MethodData, stun.ClassIndication), XORPeer(netip.MustParseAddrPort("192.0.2.1:1")), Data([]byte("hi"))},
		{stun.NewType(stun.MethodData, stun.ClassIndication), Data(nil), Attr{stun.AttrXORPeerAddress, nil}},
	} {
		f.Add(stun.MustBuild(append([]stun.Setter{stun.TransactionID}, attrs...)...).Raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, ok := parseDatagram(b); ok && len(d.Payload) > len(b) {
			t.Errorf("%d bytes of payload in %d", len(d.Payload), len(b))
		}
		m := &stun.Message{Raw: b}
		if m.Decode() != nil {
			return
		}
		if r, err := parseResponse(m, signedBy(key)); err == nil && r.OK() != (m.Type.Class == stun.ClassSuccessResponse) {
			t.Errorf("%s read as %s", m.Type, r)
		}
	})
}

package load

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay/dataplane"
)

var (
	addr4 = netip.MustParseAddrPort("192.0.2.7:4242")
	addr6 = netip.MustParseAddrPort("[2001:db8::7]:4242")
	anID  = transactionID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
)

// pion decodes what we encode.
func TestRequestsAreSound(t *testing.T) {
	key := longTermKey("user", "realm", "password")
	for _, peer := range []netip.AddrPort{addr4, addr6} {
		b := begin(nil, methodChannelBind, anID)
		b = attribute(b, attrChannelNumber, []byte{0x40, 1, 0, 0})
		b = xorAddress(b, attrXORPeer, peer)
		b = sign(b, "user", "realm", "nonce-5", key)
		b = finish(b)

		m := &stun.Message{Raw: b}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		var got stun.XORMappedAddress
		if err := got.GetFromAs(m, stun.AttrXORPeerAddress); err != nil || got.Port != int(peer.Port()) || !got.IP.Equal(peer.Addr().AsSlice()) {
			t.Errorf("%s is read as %s, %v", peer, got, err)
		}
		if m.Type != stun.NewType(stun.MethodChannelBind, stun.ClassRequest) || m.TransactionID != anID {
			t.Errorf("%s", m)
		}
		if err := stun.NewLongTermIntegrity("user", "realm", "password").Check(m); err != nil {
			t.Error(err)
		}
	}
}

// answer is a response as pion makes it.
func answer(t testing.TB, kind stun.MessageType, attrs ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.NewTransactionIDSetter(anID), kind}, attrs...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// xorRelayed is XOR-RELAYED-ADDRESS.
type xorRelayed netip.AddrPort

func (a xorRelayed) AddTo(m *stun.Message) error {
	ap := netip.AddrPort(a)
	x := stun.XORMappedAddress{IP: net.IP(ap.Addr().AsSlice()), Port: int(ap.Port())}
	return x.AddToAs(m, stun.AttrXORRelayedAddress)
}

func lifetime(s uint32) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrLifetime, Value: binary.BigEndian.AppendUint32(nil, s)}
}

func TestParseResponse(t *testing.T) {
	key := longTermKey("user", "realm", "password")
	for _, relay := range []netip.AddrPort{addr4, addr6} {
		b := answer(t, stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse), xorRelayed(relay), lifetime(777),
			stun.MessageIntegrity(key), stun.NewSoftware("behind the integrity"), lifetime(1), stun.Fingerprint)
		r, ok := parseResponse(b)
		if !ok || !r.success() || r.method() != methodAllocate || r.id != anID || r.relayed != relay || r.lifetime != 777*time.Second {
			t.Errorf("%+v, %t", r, ok)
		}
		if !r.verify(b, key) || r.verify(b, longTermKey("user", "realm", "other")) {
			t.Error("MESSAGE-INTEGRITY is not judged")
		}
	}
	r, ok := parseResponse(answer(t, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse),
		stun.ErrorCodeAttribute{Code: 438, Reason: []byte("Stale Nonce")}, stun.NewRealm("r"), stun.NewNonce("n")))
	if !ok || r.success() || r.code != 438 || string(r.reason) != "Stale Nonce" || string(r.realm) != "r" || string(r.nonce) != "n" || r.verify(nil, key) {
		t.Errorf("%+v, %t", r, ok)
	}
	for name, b := range map[string][]byte{
		"empty":     {},
		"a request": answer(t, stun.BindingRequest),
		"data":      answer(t, stun.NewType(stun.MethodData, stun.ClassIndication)),
		"short":     answer(t, stun.BindingSuccess, lifetime(1))[:24],
		"odd":       append(answer(t, stun.BindingSuccess), 0, 0, 0),
		"a lie":     answer(t, stun.BindingSuccess, stun.RawAttribute{Type: stun.AttrLifetime, Value: []byte{1}}),
	} {
		if r, ok := parseResponse(b); ok {
			t.Errorf("%s is read: %+v", name, r)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	key := longTermKey("user", "realm", "password")
	f.Add(answer(f, stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse), xorRelayed(addr6), lifetime(600), stun.MessageIntegrity(key)))
	f.Add(answer(f, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.ErrorCodeAttribute{Code: 401}, stun.NewNonce("n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseResponse(b)
		if !ok {
			return
		}
		before := bytes.Clone(b)
		r.verify(b, key)
		if !bytes.Equal(b, before) {
			t.Error("verify has changed the message")
		}
		m := &stun.Message{Raw: b}
		if err := m.Decode(); err != nil {
			t.Errorf("pion does not read it: %v", err)
		}
	})
}

// A Data indication as our server frames it, and as pion does.
func TestParseData(t *testing.T) {
	for _, peer := range []netip.AddrPort{addr4, addr6} {
		buf := make([]byte, 256)
		copy(buf[dataplane.Headroom:], "payload")
		b := dataplane.PutData(buf, dataplane.Headroom, 7, peer)
		got, payload, ok := parseData(b)
		if !ok || got != peer || string(payload) != "payload" {
			t.Errorf("%s %q %t", got, payload, ok)
		}
	}
	b := answer(t, stun.NewType(stun.MethodData, stun.ClassIndication), stun.RawAttribute{Type: stun.AttrData, Value: []byte("x")})
	if _, _, ok := parseData(b); ok {
		t.Error("one without a peer is read")
	}
}

func FuzzParseData(f *testing.F) {
	buf := make([]byte, 256)
	f.Add(bytes.Clone(dataplane.PutData(buf, dataplane.Headroom, 7, addr4)))
	f.Add(bytes.Clone(dataplane.PutData(buf, dataplane.Headroom, 8, addr6)))
	f.Fuzz(func(t *testing.T, b []byte) {
		peer, payload, ok := parseData(b)
		if ok && (!peer.IsValid() || len(payload) > len(b)) {
			t.Errorf("%s %d", peer, len(payload))
		}
	})
}

// The server reads what we frame, and it has the size we say.
func TestFrames(t *testing.T) {
	s := stamp{run: 1 << 40, flow: 3, seq: 9, time: 77}
	for _, size := range []int{MinSize, 33, 160, 1201, MaxSize} {
		for _, l := range []line{
			{framing: raw}, {framing: channel, channel: 0x4003}, {framing: channel, channel: 0x4003, stream: new(stream)},
			{framing: indication, peer: addr4}, {framing: indication, peer: addr6},
		} {
			b := bytes.Repeat([]byte{0xAA}, l.frameSize(size)+1)
			l.put(b, size, &s)
			if b[len(b)-1] != 0xAA {
				t.Fatalf("%+v: it is larger than it says", l)
			}
			b = b[:len(b)-1]
			payload := b
			if l.framing != raw {
				d, kind := dataplane.ParseData(b, false)
				if kind != dataplane.ToPeer || d.Channel != l.number() || d.Peer != l.told() {
					t.Fatalf("%+v: %+v %v", l, d, kind)
				}
				payload = d.Payload
			}
			if got, ok := parseStamp(payload); !ok || got != s || len(payload) != size {
				t.Errorf("%+v: %+v %t, %d bytes", l, got, ok, len(payload))
			}
		}
	}
}

func TestQuestions(t *testing.T) {
	mask := transactionID{0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xaa, 0xbb}
	for _, l := range []line{{framing: binding, mask: &mask}, {framing: challenge, mask: &mask}} {
		b := make([]byte, l.frameSize(0))
		l.put(b, 0, &stamp{flow: 77, time: 1 << 50})
		m := &stun.Message{Raw: b}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		if q := questionOf(b[8:stunHeader], &mask); q != (question{77, 1 << 50}) {
			t.Errorf("%+v", q)
		}
		want := stun.BindingRequest
		if l.framing == challenge {
			want = stun.NewType(stun.MethodAllocate, stun.ClassRequest)
		}
		if m.Type != want || bytes.Contains(b, []byte{77, 0, 0, 0}) {
			t.Errorf("%s, %x", m, b)
		}
	}
}

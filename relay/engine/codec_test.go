package engine

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func sampleRequests() []Request {
	return []Request{
		{Method: Allocate, Lifetime: time.Minute},
		{Method: Refresh, Lifetime: MaxLifetime},
		{Method: Refresh},
		{Method: CreatePermission, Peers: []netip.AddrPort{peerA, peer6, netip.MustParseAddrPort("[::ffff:192.0.2.9]:7")}},
		{Method: ChannelBind, Channel: 0x4321, Peer: peer6},
	}
}

// TestEncode: pion's decoder reads what was meant, and accepts the signature.
func TestEncode(t *testing.T) {
	key := []byte("12345678901234567890")
	c := newCodec(key)
	for _, nonce := range []string{"n", "no", "non", "nonce-of-25-bytes--------"} {
		for i, r := range sampleRequests() {
			serial := uint64(i)<<40 | 0xABCDEF
			m := &stun.Message{Raw: c.appendRequest(nil, &r, wireSeconds(r.Lifetime, time.Second), serial, nonce)}
			if err := m.Decode(); err != nil {
				t.Fatal(err)
			}
			if err := stun.MessageIntegrity(key).Check(m); err != nil {
				t.Error(err)
			}
			if m.Type.Class != stun.ClassRequest || uint16(m.Type.Method) != wireMethod[r.Method] ||
				binary.BigEndian.Uint64(m.TransactionID[4:]) != serial {
				t.Errorf("%+v is read as %v", r, m)
			}
			var n stun.Nonce
			if err := n.GetFrom(m); err != nil || n.String() != nonce {
				t.Errorf("nonce %q is read as %q, %v", nonce, n, err)
			}
			checkAttributes(t, m, r)
		}
	}
}

func checkAttributes(t *testing.T, m *stun.Message, r Request) {
	t.Helper()
	lifetime, err := m.Get(stun.AttrLifetime)
	if timed := r.Method == Allocate || r.Method == Refresh; timed != (err == nil) {
		t.Errorf("%+v: LIFETIME %x, %v", r, lifetime, err)
	} else if timed && binary.BigEndian.Uint32(lifetime) != wireSeconds(r.Lifetime, time.Second) {
		t.Errorf("%+v: LIFETIME %x", r, lifetime)
	}
	number, err := m.Get(stun.AttrChannelNumber)
	if bound := r.Method == ChannelBind; bound != (err == nil) || bound && binary.BigEndian.Uint32(number) != uint32(r.Channel)<<16 {
		t.Errorf("%+v: CHANNEL-NUMBER %x, %v", r, number, err)
	}
	peers := r.Peers
	if r.Method == ChannelBind {
		peers = []netip.AddrPort{r.Peer}
	}
	_ = m.ForEach(stun.AttrXORPeerAddress, func(m *stun.Message) error {
		var a stun.XORMappedAddress
		if err := a.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			t.Error(err)
		}
		got := (&net.UDPAddr{IP: a.IP, Port: a.Port}).AddrPort()
		if len(peers) == 0 || got != netip.AddrPortFrom(peers[0].Addr().Unmap(), peers[0].Port()) {
			t.Errorf("peer %v, want %v", got, peers)
		} else {
			peers = peers[1:]
		}
		return nil
	})
	if len(peers) != 0 {
		t.Errorf("peers %v are missing", peers)
	}
}

func mustBuild(t testing.TB, setters ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(setters...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

type relayedAddress netip.AddrPort

func (a relayedAddress) AddTo(m *stun.Message) error {
	u := net.UDPAddrFromAddrPort(netip.AddrPort(a))
	return stun.XORMappedAddress{IP: u.IP, Port: u.Port}.AddToAs(m, stun.AttrXORRelayedAddress)
}

type lifetimeSeconds uint32

func (s lifetimeSeconds) AddTo(m *stun.Message) error {
	m.Add(stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, uint32(s)))
	return nil
}

func sampleResponses(t testing.TB) [][]byte {
	id := stun.NewTransactionIDSetter([12]byte{11: 9})
	success := func(m stun.Method) stun.Setter { return stun.NewType(m, stun.ClassSuccessResponse) }
	failure := func(m stun.Method) stun.Setter { return stun.NewType(m, stun.ClassErrorResponse) }
	return [][]byte{
		mustBuild(t, id, success(stun.MethodAllocate), relayedAddress(relay4), lifetimeSeconds(660), stun.NewShortTermIntegrity("x")),
		mustBuild(t, id, success(stun.MethodAllocate), relayedAddress(relay6), lifetimeSeconds(1)),
		mustBuild(t, id, success(stun.MethodRefresh), lifetimeSeconds(0)),
		mustBuild(t, id, success(stun.MethodCreatePermission)),
		mustBuild(t, id, failure(stun.MethodChannelBind), stun.CodeBadRequest),
		mustBuild(t, id, failure(stun.MethodRefresh), stun.CodeStaleNonce, stun.NewNonce("abc"), stun.NewRealm("r")),
		mustBuild(t, id, failure(stun.MethodCreatePermission)),
	}
}

func TestDecode(t *testing.T) {
	wants := []answer{
		{method: Allocate, success: true, relayed: relay4, hasLifetime: true, lifetime: 660},
		{method: Allocate, success: true, relayed: relay6, hasLifetime: true, lifetime: 1},
		{method: Refresh, success: true, hasLifetime: true},
		{method: CreatePermission, success: true},
		{method: ChannelBind, code: 400},
		{method: Refresh, code: 438, nonce: "abc"},
		{method: CreatePermission},
	}
	for i, b := range sampleResponses(t) {
		wants[i].serial = 9
		got, ok := decode(b)
		if !ok || got != wants[i] {
			t.Errorf("got %+v, %v; want %+v", got, ok, wants[i])
		}
		for n := range b {
			if _, ok := decode(b[:n]); ok {
				t.Errorf("%d of %d bytes were accepted", n, len(b))
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := sampleResponses(t)[1]
	for name, change := range map[string]func(b []byte){
		"request":        func(b []byte) { b[0], b[1] = 0, 3 },
		"unknown method": func(b []byte) { b[1] = 1 },
		"top bits":       func(b []byte) { b[0] |= 0x80 },
		"cookie":         func(b []byte) { b[4]++ },
		"foreign id":     func(b []byte) { b[8]++ },
		"length":         func(b []byte) { b[3] -= 4 },
		"attribute size": func(b []byte) { b[headerSize+3] = 200 },
		"address size":   func(b []byte) { b[headerSize+3] = 19 },
		"address family": func(b []byte) { b[headerSize+5] = familyIPv4 },
	} {
		b := append([]byte(nil), good...)
		change(b)
		if a, ok := decode(b); ok {
			t.Errorf("%s: accepted as %+v", name, a)
		}
	}
}

// FuzzDecode: no bytes make decode fail in another way than by its ok, and what
// it reads is what pion's own decoder reads.
func FuzzDecode(f *testing.F) {
	for _, b := range sampleResponses(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := decode(b)
		if !ok {
			return
		}
		m := &stun.Message{Raw: append([]byte(nil), b...)}
		if err := m.Decode(); err != nil {
			t.Fatalf("accepted %x: %v", b, err)
		}
		if uint16(m.Type.Method) != wireMethod[a.method] || (m.Type.Class == stun.ClassSuccessResponse) != a.success {
			t.Errorf("%+v is %v", a, m)
		}
		compareOnce(t, m, stun.AttrLifetime, func(v []byte) bool { return a.hasLifetime && binary.BigEndian.Uint32(v) == a.lifetime })
		compareOnce(t, m, stun.AttrNonce, func(v []byte) bool { return string(v) == a.nonce })
		compareOnce(t, m, stun.AttrErrorCode, func([]byte) bool {
			var code stun.ErrorCodeAttribute
			return code.GetFrom(m) == nil && int(code.Code) == a.code
		})
		compareOnce(t, m, stun.AttrXORRelayedAddress, func([]byte) bool {
			var x stun.XORMappedAddress
			err := x.GetFromAs(m, stun.AttrXORRelayedAddress)
			ip, _ := netip.AddrFromSlice(x.IP)
			return err == nil && netip.AddrPortFrom(ip, uint16(x.Port)) == a.relayed
		})
	})
}

// compareOnce compares an attribute that is there exactly once.
func compareOnce(t *testing.T, m *stun.Message, kind stun.AttrType, same func(v []byte) bool) {
	t.Helper()
	n := 0
	var value []byte
	for _, a := range m.Attributes {
		if a.Type == kind {
			n++
			value = a.Value
		}
	}
	if n == 1 && !same(value) {
		t.Errorf("%v is read otherwise than %x in %v", kind, value, m)
	}
}

// TestNames: every label is there, once.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for f := Fault(0); f < NumFaults; f++ {
		seen[f.String()] = true
	}
	for l := Level(0); l < NumLevels; l++ {
		seen[l.String()] = true
	}
	if len(seen) != int(NumFaults)+int(NumLevels) || seen[""] {
		t.Errorf("names %v", seen)
	}
	if NumFaults.String() != "unknown" || NumLevels.String() != "unknown" || strings.ContainsAny(FaultExpired.String(), " -") {
		t.Error("names out of range")
	}
}

package gate

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// shapes is a table of packets and why each is dropped; NotDropped is answered.
type shapes []struct {
	name string
	b    []byte
	want Reason
}

func (cases shapes) run(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			v := r.judge(c.b)
			if c.want == NotDropped {
				r.reply(v, 0, nil)
				return
			}
			r.dropped(v, c.want)
			if n := r.g.Counters().Dropped(c.want); n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

func emptyBinding() wireMsg { return newMsg(tBinding) }

// manyAttributes is a Binding with n of them.
func manyAttributes(n int) wireMsg {
	m := emptyBinding()
	for range n {
		m = m.attr(0x8022, nil)
	}
	return m
}

// edit overwrites bytes.
func edit(b wireMsg, at int, v ...byte) wireMsg {
	copy(b[at:], v)
	return b
}

func TestHeader(t *testing.T) {
	ok := emptyBinding
	shapes{
		{"empty", nil, NotSTUN},
		{"RFC 8489 §6: shorter than a header", ok()[:19], NotSTUN},
		{"RFC 8489 §5: first bit set", edit(ok(), 0, 0x80), NotSTUN},
		{"RFC 8489 §5: both bits set", edit(ok(), 0, 0xC0), NotSTUN},
		{"RFC 3489: no cookie", edit(ok(), 4, 0, 0, 0, 0), NotSTUN},
		{"length not a multiple of four", edit(append(ok(), 0, 0, 0), 2, 0, 3), BadLength},
		{"length greater than the datagram", edit(ok(), 2, 0, 4), BadLength},
		{"length 0xFFEC", edit(ok(), 2, 0xFF, 0xEC), BadLength},
		{"trailing bytes", append(ok(), 0, 0, 0, 0), BadLength},
		{"1504 bytes", ok().attr(0x8022, long(1480)), TooLarge},
		{"attribute overruns", edit(ok().u32(0x8022, 0), 22, 0, 5), BadAttributes},
		{"attribute of 65535", edit(ok().u32(0x8022, 0), 22, 0xFF, 0xFF), BadAttributes},
		{"too many attributes", manyAttributes(maxAttributes + 1), BadAttributes},
	}.run(t)
}

func TestAttributeShape(t *testing.T) {
	ok := emptyBinding
	// A FINGERPRINT that is right for the message with something after it.
	early := ok().u32(0x8022, 0).u32(0x8028, 0).u32(0x8022, 0)
	binary.BigEndian.PutUint32(early[32:], crc32.ChecksumIEEE(early[:28])^0x5354554e)
	shapes{
		{"MESSAGE-INTEGRITY of 16", ok().attr(8, long(16)), BadAttributes},
		{"MESSAGE-INTEGRITY of 32", ok().attr(8, long(32)), BadAttributes},
		{"MESSAGE-INTEGRITY of 0", ok().attr(8, nil), BadAttributes},
		{"FINGERPRINT of 3", ok().attr(0x8028, long(3)), BadAttributes},
		{"FINGERPRINT wrong", ok().attr(0x8028, long(4)), BadFingerprint},
		{"FINGERPRINT not last", ok().fingerprint().u32(0x8022, 0), BadFingerprint},
		{"FINGERPRINT right but not last", early, BadFingerprint},
		{"FINGERPRINT twice", ok().fingerprint().fingerprint(), BadFingerprint},
		{"FINGERPRINT wrong after MESSAGE-INTEGRITY", ok().sign(nil).attr(0x8028, long(4)), BadFingerprint},
		{"USERNAME of 509", ok().attr(6, long(509)), LongCredential},
		{"REALM of 764", ok().attr(0x14, long(764)), LongCredential},
		{"NONCE of 45", ok().attr(0x15, long(45)), LongCredential},
		{"NONCE of 1400", newMsg(tAllocate).attr(0x15, long(1400)), LongCredential},
		{"second NONCE too long", ok().attr(0x15, long(16)).attr(0x15, long(45)), LongCredential},
		{"largest that fits", ok().attr(0x8022, long(1476)), NotDropped},
		{"as many attributes as may be", manyAttributes(maxAttributes), NotDropped},
		{"FINGERPRINT right", ok().fingerprint(), NotDropped},
	}.run(t)
}

func TestNotForUs(t *testing.T) {
	send, err := hex.DecodeString("0016000c2112a442b7e7a701bc34d686fa87dfae" + "0013000401020304" + "00120000")
	must(t, err)
	shapes{
		{"ChannelData", []byte("\x40\x00\x00\x04abcd"), StrayData},
		{"ChannelData of 9 bytes, pion/turn#593", []byte("\x40\x00\xFF\xFC\x00\x00\x00\x00\x00"), StrayData},
		{"Send with an empty XOR-PEER-ADDRESS, pion/stun#278", send, StraySend},
		{"Send", newMsg(0x0016).peer("1.2.3.4:5").attr(0x13, []byte("data")), StraySend},
		{"Send without anything", newMsg(0x0016), StraySend},
		{"Binding indication", newMsg(0x0011), NotRequest},
		{"Binding success", newMsg(0x0101), NotRequest},
		{"Binding error", newMsg(0x0111), NotRequest},
		{"Data indication", newMsg(0x0017), NotRequest},
		{"RFC 6062: Connect", newMsg(0x000A), UnknownMethod},
		{"RFC 3489: Shared Secret", newMsg(0x0002), UnknownMethod},
		{"TLS ClientHello", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03xxxxxxxxxxxxxxxx"), NotSTUN},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), StrayData},
	}.run(t)
}

// Nothing is ever answered but a request of one of our methods: 4096 methods,
// four classes (CVE-2024-2169).
func TestAnswersRequestsOnly(t *testing.T) {
	r := newRig(t)
	known := map[uint16]bool{tBinding: true, tAllocate: true, tRefresh: true, tPermission: true, tChannel: true}
	for method := range uint16(1 << 12) {
		for class := range uint16(4) {
			typ := stun.MessageType{Method: stun.Method(method), Class: stun.MessageClass(class)}.Value()
			v := r.judge(newMsg(typ).u32(0x0019, 17<<24))
			if answered, want := v.Action == Reply, class == 0 && known[method]; answered != want {
				t.Fatalf("method %#x class %d: %v (%v)", method, class, v.Action, v.Reason)
			}
			if v.Action == Forward {
				t.Fatalf("method %#x class %d forwarded", method, class)
			}
		}
	}
}

func TestBadSource(t *testing.T) {
	for _, addr := range []string{
		"198.51.100.7:0", "0.0.0.0:1000", "[::]:1000", "224.0.0.1:1000", "239.1.2.3:1000",
		"255.255.255.255:1000", "[ff02::1]:1000", "[::ffff:224.0.0.1]:1000",
		"[::ffff:255.255.255.255]:1000", "[::ffff:0.0.0.0]:1000",
	} {
		r := newRig(t)
		r.client.Addr = netip.MustParseAddrPort(addr)
		r.dropped(r.judge(newMsg(tBinding)), BadSource)
	}
	r := newRig(t)
	r.client.Addr = netip.AddrPort{}
	r.dropped(r.judge(newMsg(tBinding)), BadSource)
}

func TestBinding(t *testing.T) {
	ice := newMsg(tBinding).attr(0x0006, []byte("evtj:h6vY")).u32(0x0024, 1).attr(0x0025, nil).
		attr(0x802A, long(8)).sign([]byte("VOkJxbRl1RmTxUk/WvJxBt"))
	cases := []struct {
		name, from, mapped string
		b                  []byte
		size, code         int
	}{
		{"RFC 8489 §6.3.1: IPv4", "198.51.100.7:40000", "198.51.100.7:40000", newMsg(tBinding), 32, 0},
		{"IPv6", "[2001:db8::1]:9", "[2001:db8::1]:9", newMsg(tBinding), 44, 0},
		{"IPv4-mapped source", "[::ffff:198.51.100.7]:1", "198.51.100.7:1", newMsg(tBinding), 32, 0},
		{"FINGERPRINT is mirrored", "198.51.100.7:40000", "198.51.100.7:40000", newMsg(tBinding).fingerprint(), 40, 0},
		{"RFC 8445: a connectivity check", "198.51.100.7:1", "198.51.100.7:1", ice.fingerprint(), 40, 0},
		{"signed anyhow", "198.51.100.7:1", "198.51.100.7:1",
			newMsg(tBinding).attr(0x001C, long(32)).attr(0x001E, long(32)), 32, 0},
		{"optional attributes are ignored", "198.51.100.7:1", "198.51.100.7:1", newMsg(tBinding).u32(0xC057, 1), 32, 0},
		{"RFC 5780: CHANGE-REQUEST", "198.51.100.7:1", "", newMsg(tBinding).u32(0x0003, 6), 36, 420},
		{"unknown after MESSAGE-INTEGRITY", "198.51.100.7:1", "198.51.100.7:1", newMsg(tBinding).sign(nil).u32(0x7FFF, 1), 32, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.client.Addr = netip.MustParseAddrPort(c.from)
			v := r.judge(c.b)
			m := r.reply(v, c.code, nil)
			if len(v.Reply) != c.size {
				t.Errorf("%d bytes, want %d", len(v.Reply), c.size)
			}
			if m.TransactionID != testTx {
				t.Error("transaction id")
			}
			if c.mapped != "" && xorAddr(t, m, stun.AttrXORMappedAddress) != netip.MustParseAddrPort(c.mapped) {
				t.Errorf("mapped %v", xorAddr(t, m, stun.AttrXORMappedAddress))
			}
			if n := r.g.Counters().Replied(Binding, c.code); n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

func xorAddr(t testing.TB, m *stun.Message, typ stun.AttrType) netip.AddrPort {
	t.Helper()
	var a stun.XORMappedAddress
	must(t, a.GetFromAs(m, typ))
	ip, _ := netip.AddrFromSlice(a.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port))
}

func TestUnknownAttributes(t *testing.T) {
	r := newRig(t)
	m := r.reply(r.judge(newMsg(tBinding).u32(0x0003, 0).u32(0x7FFF, 0).u32(0x0003, 0).u32(0x8fff, 0)), 420, nil)
	var u stun.UnknownAttributes
	must(t, u.GetFrom(m))
	if len(u) != 2 || u[0] != 0x0003 || u[1] != 0x7FFF {
		t.Errorf("%v", u)
	}
	// A long list is cut: it would only serve to make the answer long.
	w := newMsg(tBinding)
	for i := range uint32(40) {
		w = w.u32(uint16(0x7000+i), 0)
	}
	u = nil
	must(t, u.GetFrom(r.reply(r.judge(w), 420, nil)))
	if len(u) != maxUnknown {
		t.Errorf("%d named", len(u))
	}
}

// RFC 5769 §2.1 to §2.4.
func TestRFC5769(t *testing.T) {
	request := []byte("\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" +
		"\x00\x06\x00\x09evtj:h6vY\x20\x20\x20\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5" +
		"\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\x80\x28\x00\x04\xe5\x7a\x3b\xcf")
	r := newRig(t)
	r.reply(r.judge(request), 0, nil)
	var m message
	if why := m.parse(request); why != NotDropped || string(m.username) != "evtj:h6vY" || !m.fingerprint {
		t.Fatalf("%v %q", why, m.username)
	}
	if !m.signed([]byte("VOkJxbRl1RmTxUk/WvJxBt")) {
		t.Error("§2.1 MESSAGE-INTEGRITY")
	}

	longTerm := []byte("\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e" +
		"\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00" +
		"\x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA\x00\x14\x00\x0bexample.org\x00" +
		"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66")
	m = message{}
	if why := m.parse(longTerm); why != NotDropped {
		t.Fatal(why)
	}
	key := stun.NewLongTermIntegrity("\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9", "example.org", "TheMatrIX")
	if !m.signed(key) {
		t.Error("§2.4 MESSAGE-INTEGRITY")
	}

	for want, value := range map[string]string{
		"192.0.2.1:32853": "\x00\x01\xa1\x47\xe1\x12\xa6\x43",
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853": "\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
	} {
		a, ok := getXOR([]byte(value), &testTx)
		if !ok || a.String() != want {
			t.Errorf("§2.2, §2.3: %v %v, want %s", a, ok, want)
		}
		back := make([]byte, addressSize(a))
		if putXOR(back, a, &testTx); !bytes.Equal(back, []byte(value)) {
			t.Errorf("%s: %x", want, back)
		}
	}
}

// The class is taken from the midst of the method's bits.
func TestSplitType(t *testing.T) {
	for v := range uint16(1 << 14) {
		var want stun.MessageType
		want.ReadValue(v)
		if m, c := splitType(v); m != uint16(want.Method) || c != uint16(want.Class) {
			t.Fatalf("%#x: %#x %d, want %v", v, m, c, want)
		}
	}
}

func TestGetXORIsStrict(t *testing.T) {
	for family := range 256 {
		for n := range 25 {
			b := make([]byte, n)
			if n > 1 {
				b[1] = byte(family)
			}
			_, ok := getXOR(b, &testTx)
			if want := n == 8 && family == 1 || n == 20 && family == 2; ok != want {
				t.Fatalf("family %d, %d bytes: %v", family, n, ok)
			}
		}
	}
}

func TestPaddingIsZero(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Realm = "x" })
	out := bytes.Repeat([]byte{0xAA}, 1500)
	v := r.g.Judge(Packet{Client: r.client, Data: newMsg(tAllocate).u32(0x19, 17<<24)}, r.now, out)
	at := bytes.Index(v.Reply, []byte{0, 0x14, 0, 1, 'x'})
	if at < 0 || binary.BigEndian.Uint32(v.Reply[at+4:]) != uint32('x')<<24 {
		t.Errorf("%x", v.Reply)
	}
}

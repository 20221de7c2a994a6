package relaytest

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/pion/stun/v3"
)

// RFC 8489 Appendix B.1, as erratum 6268 corrects it, built from its parts.
func TestIntegritySHA256(t *testing.T) {
	c := &Client{User: User{"\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9", "TheMatrIX"}, Realm: "example.org"}
	hash := "\x4a\x3c\xf3\x8f\xef\x69\x92\xbd\xa9\x52\xc6\x78\x04\x17\xda\x0f\x24\x81\x94\x15\x56\x9e\x60\xb2\x05\xc4\x6e\x41\x40\x7f\x17\x04"
	tx := [12]byte{0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e}
	m := stun.MustBuild(stun.NewTransactionIDSetter(tx), stun.BindingRequest,
		text(stun.AttrUserhash, hash), text(stun.AttrNonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"),
		text(stun.AttrRealm, c.Realm), Attr{stun.AttrPasswordAlgorithm, sha256Algorithm}, c.SHA256Key())
	want := "\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24\x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65"
	if got, err := m.Get(stun.AttrMessageIntegritySHA256); err != nil || string(got) != want {
		t.Errorf("%x, %v", got, err)
	}
	if !c.SHA256Key().Check(m) || (IntegritySHA256{}).Check(m) {
		t.Error("Check does not tell the right key")
	}
	m.Raw[30] ^= 1
	if c.SHA256Key().Check(m) {
		t.Error("Check does not tell a change")
	}
}

// What a client makes of a challenge (RFC 8489 section 9.2.5).
func TestNegotiation(t *testing.T) {
	const cookie = "obMatJos2gAAB0123456789abcdef"
	both := []byte{0, 1, 0, 0, 0, 2, 0, 0}
	for name, tt := range map[string]struct {
		knows  bool
		r      Response
		strong bool
		err    error
	}{
		"offered":        {true, Response{Nonce: cookie, Algorithms: both}, true, nil},
		"MD5 alone":      {true, Response{Nonce: cookie, Algorithms: both[:4]}, false, nil},
		"not offered":    {true, Response{Nonce: "0123456789abcdef"}, false, nil},
		"taken away":     {true, Response{Nonce: cookie}, false, ErrBidDown},
		"an old client":  {false, Response{Nonce: cookie, Algorithms: both}, false, nil},
		"nothing at all": {false, Response{Nonce: cookie}, false, nil},
	} {
		c := &Client{User: User{"alice", "pw"}, SHA256: tt.knows}
		if err := c.learn(tt.r); !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", name, err)
		}
		raw, err := c.Request(stun.MethodRefresh, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := &stun.Message{Raw: raw}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		list, _ := m.Get(stun.AttrPasswordAlgorithms)
		if tt.strong != (c.SHA256Key().Check(m) && bytes.Equal(list, both)) || tt.strong == (stun.MessageIntegrity(c.key()).Check(m) == nil) {
			t.Errorf("%s: %v", name, m)
		}
	}
}

func TestAlternates(t *testing.T) {
	m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse), stun.CodeTryAlternate,
		Attr{stun.AttrAlternateServer, []byte{0, 1, 0x0d, 0x96, 192, 0, 2, 1}},
		Attr{stun.AttrAlternateServer, append([]byte{0, 2, 0, 9}, netip.MustParseAddr("2001:db8::1").AsSlice()...)},
		Attr{stun.AttrAlternateServer, []byte{0, 2, 0, 9}},
		text(stun.AttrAlternateDomain, "turn.example.org"))
	r, err := parseResponse(m, func(*stun.Message) bool { return false })
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:3478"), netip.MustParseAddrPort("[2001:db8::1]:9"), {}}
	if err != nil || r.Code != 300 || r.Domain != "turn.example.org" || !slices.Equal(r.Alternates, want) {
		t.Errorf("%+v, %v", r, err)
	}
}

package gate

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

var relayedV6 = netip.MustParseAddrPort("[2001:db8::9]:50001")

// RFC 8656 §7.1, §7.2: what ADDITIONAL-ADDRESS-FAMILY may say and stand beside.
func TestAdditionalFamily(t *testing.T) {
	const additional, draft, family, evenPort, token = 0x8000, 0x8032, 0x17, 0x18, 0x22
	both := allocateMsg().u32(additional, 2<<24)
	for _, c := range []struct {
		name string
		b    wireMsg
		code int
		want Request
	}{
		{"absent", allocateMsg(), 0, Request{Family: IPv6}},
		{"IPv6", both, 0, Request{Family: IPv4, Dual: true}},
		{"reserved bits are ignored", allocateMsg().u32(additional, 2<<24|77), 0, Request{Family: IPv4, Dual: true}},
		{"the first counts", allocateMsg().u32(additional, 2<<24).u32(additional, 1<<24), 0, Request{Family: IPv4, Dual: true}},
		{"beside an even port", allocateMsg().u32(additional, 2<<24).attr(evenPort, []byte{0}), 0, Request{Family: IPv4, Dual: true, Port: Port{Even: true}}},
		{"by coturn's number", allocateMsg().u32(draft, 2<<24), 0, Request{Family: IPv4, Dual: true}},
		{"something else by that number", allocateMsg().u32(draft, 1<<24).attr(draft, nil).attr(draft, long(8)), 0, Request{Family: IPv6}},
		{"coturn's beside REQUESTED-ADDRESS-FAMILY", allocateMsg().u32(draft, 2<<24).u32(family, 1<<24), 400, Request{}},
		{"IPv4", allocateMsg().u32(additional, 1<<24), 400, Request{}},
		{"family 0", allocateMsg().u32(additional, 0), 400, Request{}},
		{"family 3", allocateMsg().u32(additional, 3<<24), 400, Request{}},
		{"of 0 bytes", allocateMsg().attr(additional, nil), 400, Request{}},
		{"of 1 byte", allocateMsg().attr(additional, []byte{2}), 400, Request{}},
		{"of 8 bytes", allocateMsg().attr(additional, []byte{2, 0, 0, 0, 0, 0, 0, 0}), 400, Request{}},
		{"beside REQUESTED-ADDRESS-FAMILY", allocateMsg().u32(additional, 2<<24).u32(family, 1<<24), 400, Request{}},
		{"behind REQUESTED-ADDRESS-FAMILY", allocateMsg().u32(family, 2<<24).u32(additional, 2<<24), 400, Request{}},
		{"beside a pair of ports", allocateMsg().u32(additional, 2<<24).attr(evenPort, []byte{0x80}), 400, Request{}},
		{"beside RESERVATION-TOKEN", allocateMsg().u32(additional, 2<<24).attr(token, long(8)), 400, Request{}},
		{"without REQUESTED-TRANSPORT", newMsg(tAllocate).u32(additional, 2<<24), 400, Request{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// What the operator gives those who ask for none is nothing to a dual one.
			r := newRig(t, func(o *Options) { o.Families, o.DefaultFamily = []Family{IPv4, IPv6}, IPv6 })
			v := r.judge(c.b.auth(r.alice, r.nonce()))
			if c.code != 0 {
				r.reply(v, c.code, &r.alice)
			} else if q := r.forwarded(v); q.Family != c.want.Family || q.Dual != c.want.Dual || q.Port != c.want.Port {
				t.Errorf("%+v", q)
			}
		})
	}
	// That there is one family alone is told in the answer: see the relay.
	for _, only := range []Family{IPv4, IPv6} {
		r := newRig(t, func(o *Options) { o.Families = []Family{only} })
		if q := r.forwarded(r.judge(clone(both).auth(r.alice, r.nonce()))); !q.Dual || q.Family != IPv4 {
			t.Errorf("%s alone: %+v", only, q)
		}
	}
	// It is an attribute of Allocate, and optional to understand anywhere else.
	r := newRig(t)
	r.session(r.alice)
	r.forwarded(r.judge(newMsg(tRefresh).u32(additional, 1<<24).auth(r.alice, r.nonce())))
}

func clone(w wireMsg) wireMsg { return wireMsg(bytes.Clone(w)) }

// RFC 8656 §8.2, §10.2, §12.2: a session has peers and halves of the families that
// it has addresses of.
func TestDualSession(t *testing.T) {
	bind := func() wireMsg { return newMsg(tChannel).u32(0x0C, 0x4000<<16) }
	const v4, v6, mapped = "8.8.8.8:1", "[2001:4860::1]:1", "[::ffff:8.8.8.8]:1"
	for _, c := range []struct {
		name string
		b    wireMsg
		code [3]int // with both, with IPv4 alone, with IPv6 alone
	}{
		{"permission IPv4", newMsg(tPermission).peer(v4), [3]int{0, 0, 443}},
		{"permission IPv6", newMsg(tPermission).peer(v6), [3]int{0, 443, 0}},
		{"permissions of both", newMsg(tPermission).peer(v4).peer(v6), [3]int{0, 443, 443}},
		{"permission IPv4-mapped", newMsg(tPermission).peer(v4).peer(mapped), [3]int{443, 443, 443}},
		{"channel IPv4", bind().peer(v4), [3]int{0, 0, 443}},
		{"channel IPv6", bind().peer(v6), [3]int{0, 443, 0}},
		{"channel IPv4-mapped", bind().peer(mapped), [3]int{443, 443, 443}},
		{"refresh", newMsg(tRefresh), [3]int{}},
		{"refresh IPv4", newMsg(tRefresh).u32(0x17, 1<<24), [3]int{0, 0, 443}},
		{"refresh IPv6", newMsg(tRefresh).u32(0x17, 2<<24), [3]int{0, 443, 0}},
		{"end IPv6", newMsg(tRefresh).u32(0x17, 2<<24).u32(0x0D, 0), [3]int{0, 443, 0}},
		{"refresh family 0", newMsg(tRefresh).u32(0x17, 0), [3]int{443, 443, 443}},
		{"refresh family 3", newMsg(tRefresh).u32(0x17, 3<<24), [3]int{443, 443, 443}},
	} {
		for i, relayed := range [3][2]netip.AddrPort{{relayedV4, relayedV6}, {relayedV4}, {relayedV6}} {
			r := newRig(t)
			s := Session{Identity: r.session(r.alice), Relayed: relayed[0], Additional: relayed[1]}
			r.sessions[r.client] = s
			v := r.judge(clone(c.b).auth(r.alice, r.nonce()))
			if c.code[i] != 0 {
				r.reply(v, c.code[i], &r.alice)
				continue
			}
			q, want := r.forwarded(v), Family(0)
			if at := bytes.Index(c.b, []byte{0, 0x17, 0, 4}); at > 0 {
				want = Family(c.b[at+4])
			}
			if q.Family != want {
				t.Errorf("%s: family %d, want %d", c.name, q.Family, want)
			}
		}
	}
}

// RFC 8656 §7.2: two addresses, or one and why the other is not there.
func TestDualAnswer(t *testing.T) {
	for _, c := range []struct {
		a     Answer
		error []byte // ADDRESS-ERROR-CODE
		size  int
	}{
		{Answer{Relayed: relayedV4, Additional: relayedV6}, nil, 12 + 24},
		{Answer{Relayed: relayedV4, Missing: IPv6, MissingCode: 440}, []byte{2, 0, 4, 40}, 12 + 8},
		{Answer{Relayed: relayedV6, Missing: IPv4, MissingCode: 508}, []byte{1, 0, 5, 8}, 24 + 8},
	} {
		r := newRig(t)
		c.a.Lifetime = 600 * time.Second
		q := &Request{Client: r.client, Method: Allocate, Tx: testTx, Identity: r.session(r.alice)}
		m := checkReply(t, r.g.Answer(make([]byte, 0, 1500), q, c.a), 0, &r.alice)
		if want := 20 + c.size + 8 + 12 + 24; len(m.Raw) != want {
			t.Errorf("%d bytes, want %d: %v", len(m.Raw), want, m)
		}
		if a := xorAddr(t, m, stun.AttrXORRelayedAddress); a != c.a.Relayed { // the first
			t.Errorf("relayed %v, want %v", a, c.a.Relayed)
		}
		var relayed []netip.AddrPort
		for _, a := range m.Attributes {
			if a.Type == stun.AttrXORRelayedAddress {
				addr, ok := getXOR(a.Value, &testTx)
				if !ok {
					t.Fatalf("address %x", a.Value)
				}
				relayed = append(relayed, addr)
			}
		}
		if len(relayed) == 2 != c.a.Additional.IsValid() || len(relayed) == 2 && relayed[1] != c.a.Additional {
			t.Errorf("relayed %v, want %v and %v", relayed, c.a.Relayed, c.a.Additional)
		}
		if v, _ := m.Get(attrAddressErrorCode); !bytes.Equal(v, c.error) {
			t.Errorf("ADDRESS-ERROR-CODE %x, want %x", v, c.error)
		}
	}
}

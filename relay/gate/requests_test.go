package gate

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/pkg/netpolicy"
)

// RFC 8656 §7.2.
func TestAllocate(t *testing.T) {
	udp := uint32(17 << 24)
	cases := []struct {
		name     string
		b        wireMsg
		code     int
		lifetime time.Duration
	}{
		{"plain", allocateMsg(), 0, 600 * time.Second},
		{"LIFETIME 0 is the default", allocateMsg().u32(0x0D, 0), 0, 600 * time.Second},
		{"LIFETIME 1 is raised", allocateMsg().u32(0x0D, 1), 0, 600 * time.Second},
		{"LIFETIME 1000", allocateMsg().u32(0x0D, 1000), 0, 1000 * time.Second},
		{"LIFETIME 3600 is cut", allocateMsg().u32(0x0D, 3600), 0, 3540 * time.Second},
		{"LIFETIME 2^32-1 is cut", allocateMsg().u32(0x0D, 1<<32-1), 0, 3540 * time.Second},
		{"LIFETIME of 2 bytes", allocateMsg().attr(0x0D, long(2)), 400, 0},
		{"LIFETIME of 8 bytes", allocateMsg().attr(0x0D, long(8)), 400, 0},
		{"REQUESTED-TRANSPORT missing", newMsg(tAllocate), 400, 0},
		{"REQUESTED-TRANSPORT of 1 byte", newMsg(tAllocate).attr(0x19, []byte{17}), 400, 0},
		{"REQUESTED-TRANSPORT RFFU is ignored", newMsg(tAllocate).u32(0x19, udp+77), 0, 600 * time.Second},
		{"IPv4 asked for", allocateMsg().u32(0x17, 1<<24), 0, 600 * time.Second},
		{"IPv6", allocateMsg().u32(0x17, 2<<24), 440, 0},
		{"family 0", allocateMsg().u32(0x17, 0), 440, 0},
		{"family of 1 byte", allocateMsg().attr(0x17, []byte{1}), 400, 0},
		{"DONT-FRAGMENT", allocateMsg().attr(0x1A, nil), 420, 0},
		{"unknown", allocateMsg().u32(0x7FFF, 0), 420, 0},
		{"RFC 8489: PASSWORD-ALGORITHM, not offered", allocateMsg().u32(0x1D, 2<<16), 420, 0},
		{"EVEN-PORT of 0 bytes", allocateMsg().attr(0x18, nil), 400, 0},
		{"EVEN-PORT of 2 bytes", allocateMsg().attr(0x18, long(2)), 400, 0},
		{"EVEN-PORT of 4 bytes", allocateMsg().attr(0x18, long(4)), 400, 0},
		{"EVEN-PORT for IPv6", allocateMsg().attr(0x18, []byte{0}).u32(0x17, 2<<24), 440, 0},
		{"RESERVATION-TOKEN of 0 bytes", allocateMsg().attr(0x22, nil), 400, 0},
		{"RESERVATION-TOKEN of 7 bytes", allocateMsg().attr(0x22, long(7)), 400, 0},
		{"RESERVATION-TOKEN of 9 bytes", allocateMsg().attr(0x22, long(9)), 400, 0},
		{"both", allocateMsg().attr(0x22, long(8)).attr(0x18, []byte{0}), 400, 0},
		{"both, the other way round", allocateMsg().attr(0x18, []byte{0x80}).attr(0x22, long(8)), 400, 0},
		{"RESERVATION-TOKEN and family", allocateMsg().attr(0x22, long(8)).u32(0x17, 1<<24), 400, 0},
		{"BANDWIDTH of old drafts", allocateMsg().u32(0x10, 100), 0, 600 * time.Second},
		{"ICE attributes are ignored", allocateMsg().u32(0x24, 1).attr(0x802A, long(8)), 0, 600 * time.Second},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			v := r.judge(c.b.auth(r.alice, r.nonce()).fingerprint())
			if c.code != 0 {
				m := r.reply(v, c.code, &r.alice)
				if !m.Contains(stun.AttrFingerprint) {
					t.Error("FINGERPRINT not mirrored")
				}
				if c.code == 420 && !m.Contains(stun.AttrUnknownAttributes) {
					t.Error("no UNKNOWN-ATTRIBUTES")
				}
				return
			}
			q := r.forwarded(v)
			if q.Method != Allocate || q.Lifetime != c.lifetime || q.Identity.User != "alice" ||
				q.Client != r.client || q.Tx != testTx || !q.Fingerprint || q.Port != (Port{}) {
				t.Errorf("%+v", q)
			}
		})
	}
}

// DONT-FRAGMENT is for those that can do without fragments (RFC 8656 §7.2).
func TestDontFragment(t *testing.T) {
	able := newRig(t, func(o *Options) { o.DontFragment = true })
	ask := func(r *rig) Verdict {
		return r.judge(allocateMsg().attr(0x1A, nil).auth(r.alice, r.nonce()))
	}
	if q := able.forwarded(ask(able)); q.Method != Allocate {
		t.Errorf("%+v", q)
	}
	unable := newRig(t)
	unable.reply(ask(unable), 420, &unable.alice)
}

// RFC 8656 §18.7, §18.10.
func TestRequestedPort(t *testing.T) {
	token, zero := Token{1, 2, 3, 4, 5, 6, 7, 8}, Token{}
	for _, c := range []struct {
		name string
		b    wireMsg
		want Port
	}{
		{"none", allocateMsg(), Port{}},
		{"even", allocateMsg().attr(0x18, []byte{0}), Port{Even: true}},
		{"even, and IPv4 asked for", allocateMsg().attr(0x18, []byte{0}).u32(0x17, 1<<24), Port{Even: true}},
		{"RFFU is ignored", allocateMsg().attr(0x18, []byte{0x7f}), Port{Even: true}},
		{"pair", allocateMsg().attr(0x18, []byte{0x80}), Port{Even: true, Reserve: true}},
		{"pair, RFFU", allocateMsg().attr(0x18, []byte{0xff}), Port{Even: true, Reserve: true}},
		{"the first counts", allocateMsg().attr(0x18, []byte{0}).attr(0x18, []byte{0x80}), Port{Even: true}},
		{"token", allocateMsg().attr(0x22, token[:]), Port{Token: &token}},
		{"the first token", allocateMsg().attr(0x22, token[:]).attr(0x22, long(8)), Port{Token: &token}},
		{"token of zeros", allocateMsg().attr(0x22, zero[:]), Port{Token: &zero}},
	} {
		r := newRig(t)
		b := c.b.auth(r.alice, r.nonce())
		got := r.forwarded(r.judge(b)).Port
		clear(b) // it is a copy
		if (got.Token == nil) != (c.want.Token == nil) || got.Token != nil && *got.Token != *c.want.Token {
			t.Errorf("%s: token %x, want %x", c.name, got.Token, c.want.Token)
		}
		got.Token, c.want.Token = nil, nil
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Only UDP is relayed (RFC 8656 §18.8): 256 protocols.
func TestRequestedTransport(t *testing.T) {
	r := newRig(t)
	for p := range uint32(256) {
		v := r.judge(newMsg(tAllocate).u32(0x19, p<<24).auth(r.alice, r.nonce()))
		if p == 17 {
			r.forwarded(v)
		} else {
			r.reply(v, 442, &r.alice)
		}
	}
}

// RFC 8656 §7.3.
func TestRefresh(t *testing.T) {
	for _, c := range []struct {
		name     string
		b        wireMsg
		code     int
		lifetime time.Duration
	}{
		{"no LIFETIME", newMsg(tRefresh), 0, 600 * time.Second},
		{"LIFETIME 0 ends", newMsg(tRefresh).u32(0x0D, 0), 0, 0},
		{"LIFETIME 1 is raised", newMsg(tRefresh).u32(0x0D, 1), 0, 600 * time.Second},
		{"LIFETIME 1 day is cut", newMsg(tRefresh).u32(0x0D, 86400), 0, 3540 * time.Second},
		{"LIFETIME malformed", newMsg(tRefresh).attr(0x0D, long(3)), 400, 0},
		{"the family it has", newMsg(tRefresh).u32(0x17, 1<<24), 0, 600 * time.Second},
		{"another family", newMsg(tRefresh).u32(0x17, 2<<24), 443, 0},
		{"family malformed", newMsg(tRefresh).attr(0x17, nil), 400, 0},
		{"unknown", newMsg(tRefresh).attr(0x1A, nil), 420, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.session(r.alice)
			v := r.judge(c.b.auth(r.alice, r.nonce()))
			if c.code != 0 {
				r.reply(v, c.code, &r.alice)
			} else if q := r.forwarded(v); q.Lifetime != c.lifetime || q.Method != Refresh || q.Fingerprint {
				t.Errorf("%+v", q)
			}
		})
	}
}

// RFC 8656 §10.2.
func TestCreatePermission(t *testing.T) {
	perm := func() wireMsg { return newMsg(tPermission) }
	many := func(n int) wireMsg {
		w := perm()
		for i := range n {
			w = w.peer(fmt.Sprintf("8.8.%d.1:9", i))
		}
		return w
	}
	cases := []struct {
		name  string
		b     wireMsg
		code  int
		peers int
	}{
		{"none", perm(), 400, 0},
		{"one", perm().peer("8.8.8.8:1"), 0, 1},
		{"64", many(64), 0, 64},
		{"65", many(65), 508, 0},
		{"110, a full packet", many(110), 508, 0},
		{"IPv6 peer", perm().peer("[2001:4860::1]:1"), 443, 0},
		{"IPv4-mapped peer", perm().peer("[::ffff:8.8.8.8]:1"), 443, 0},
		{"IPv6 peer after an IPv4 one", perm().peer("8.8.8.8:1").peer("[2001:4860::1]:1"), 443, 0},
		{"denied", perm().peer("10.0.0.1:1"), 403, 0},
		{"allowed, then denied", perm().peer("8.8.8.8:1").peer("10.0.0.1:1"), 403, 0},
		{"value of 0 bytes", perm().attr(0x12, nil), 400, 0},
		{"value of 5 bytes", perm().attr(0x12, []byte{0, 1, 2, 3, 4}), 400, 0},
		{"family 1 with 20 bytes", perm().attr(0x12, append([]byte{0, 1}, long(18)...)), 400, 0},
		{"family 2 with 8 bytes", perm().attr(0x12, append([]byte{0, 2}, long(6)...)), 400, 0},
		{"family 3", perm().attr(0x12, append([]byte{0, 3}, long(6)...)), 400, 0},
		{"good, then malformed", perm().peer("8.8.8.8:1").attr(0x12, long(7)), 400, 0},
		{"unknown", perm().peer("8.8.8.8:1").attr(0x1A, nil), 420, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.session(r.alice)
			r.allowed = denyPrivate
			v := r.judge(c.b.auth(r.alice, r.nonce()))
			if n := r.g.Counters().Denied(netpolicy.Private); (n == 1) != (c.code == 403) {
				t.Errorf("denied %d", n)
			}
			if c.code != 0 {
				r.reply(v, c.code, &r.alice)
				return
			}
			q := r.forwarded(v)
			if len(q.Peers) != c.peers || len(r.asked) != c.peers || q.Method != CreatePermission {
				t.Errorf("%+v, asked %v", q, r.asked)
			}
			for _, p := range q.Peers {
				if p.Port() != 0 || !p.Addr().Is4() {
					t.Errorf("peer %v", p)
				}
			}
		})
	}
}

func denyPrivate(a netip.Addr) netpolicy.Verdict {
	if a.IsPrivate() {
		return netpolicy.Verdict{Rule: netpolicy.Private}
	}
	return netpolicy.Verdict{Allowed: true, Rule: netpolicy.DefaultAllow}
}

// RFC 8656 §7.2: the family asked for or none; and what the operator chose for
// who asks for none.
func TestFamilies(t *testing.T) {
	both := []Family{IPv4, IPv6}
	for _, c := range []struct {
		have          []Family
		byDefault     Family
		client        string
		asked, family Family // 0: nothing asked; 440
	}{
		{nil, 0, "", 0, IPv4}, {nil, 0, "", IPv4, IPv4}, {nil, 0, "", IPv6, 0}, {nil, IPv6, "", 0, IPv4},
		{both, 0, "", 0, IPv4}, {both, 0, "", IPv6, IPv6}, {both, 0, "", IPv4, IPv4}, {both, 0, "", 3, 0},
		{both, IPv6, "", 0, IPv6}, {both, KeepFamily, "", 0, IPv4}, {both, KeepFamily, "[2001:db8::1]:1", 0, IPv6},
		{both, KeepFamily, "[::ffff:192.0.2.1]:1", 0, IPv4}, {both, KeepFamily, "[2001:db8::1]:1", IPv4, IPv4},
		{[]Family{IPv6}, 0, "", 0, IPv6}, {[]Family{IPv6}, 0, "", IPv4, 0}, {[]Family{IPv6}, KeepFamily, "", 0, IPv6},
	} {
		r := newRig(t, func(o *Options) { o.Families, o.DefaultFamily = c.have, c.byDefault })
		if c.client != "" {
			r.client.Addr = netip.MustParseAddrPort(c.client)
		}
		m := allocateMsg()
		if c.asked != 0 {
			m = m.u32(0x17, uint32(c.asked)<<24)
		}
		v := r.judge(m.auth(r.alice, r.nonce()))
		if c.family == 0 {
			r.reply(v, 440, &r.alice)
		} else if q := r.forwarded(v); q.Family != c.family {
			t.Errorf("%+v: %s", c, q.Family)
		}
	}
	for _, bad := range []func(*Options){
		func(o *Options) { o.Families = []Family{IPv4, 3} }, func(o *Options) { o.DefaultFamily = 3 },
		func(o *Options) { o.Families = []Family{KeepFamily} },
	} {
		o := newRig(t).g.o
		o.NonceKey = long(32)
		bad(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%v, %d accepted", o.Families, o.DefaultFamily)
		}
	}
}

func TestIPv6Relay(t *testing.T) {
	r := newRig(t)
	id := r.session(r.alice)
	r.sessions[r.client] = Session{Identity: id, Tx: testTx, Relayed: netip.MustParseAddrPort("[2001:db8::9]:50000")}
	for peer, code := range map[string]int{"[2001:4860::1]:1": 0, "8.8.8.8:1": 443, "[::ffff:8.8.8.8]:1": 443} {
		v := r.judge(newMsg(tPermission).peer(peer).auth(r.alice, r.nonce()))
		if code == 0 {
			r.forwarded(v)
		} else {
			r.reply(v, code, &r.alice)
		}
	}
	r.forwarded(r.judge(newMsg(tRefresh).u32(0x17, 2<<24).auth(r.alice, r.nonce())))
	r.reply(r.judge(newMsg(tRefresh).u32(0x17, 1<<24).auth(r.alice, r.nonce())), 443, &r.alice)
}

// RFC 8656 §12.2.
func TestChannelBind(t *testing.T) {
	bind := func(n uint32) wireMsg { return newMsg(tChannel).u32(0x0C, n<<16) }
	cases := []struct {
		name string
		b    wireMsg
		code int
	}{
		{"lowest", bind(0x4000).peer("8.8.8.8:1"), 0},
		{"highest", bind(0x4FFF).peer("8.8.8.8:1"), 0},
		{"RFFU is ignored", newMsg(tChannel).u32(0x0C, 0x4001_FFFF).peer("8.8.8.8:1"), 0},
		{"0x3FFF", bind(0x3FFF).peer("8.8.8.8:1"), 400},
		{"0x5000", bind(0x5000).peer("8.8.8.8:1"), 400},
		{"0x7FFF", bind(0x7FFF).peer("8.8.8.8:1"), 400},
		{"0x9000", bind(0x9000).peer("8.8.8.8:1"), 400},
		{"number of 2 bytes", newMsg(tChannel).attr(0x0C, []byte{0x40, 0}).peer("8.8.8.8:1"), 400},
		{"no number", newMsg(tChannel).peer("8.8.8.8:1"), 400},
		{"no peer", bind(0x4000), 400},
		{"two peers", bind(0x4000).peer("8.8.8.8:1").peer("8.8.8.8:2"), 400},
		{"port 0", bind(0x4000).peer("8.8.8.8:0"), 400},
		{"truncated peer", bind(0x4000).attr(0x12, []byte{0, 1, 2, 3, 4}), 400},
		{"IPv6 peer", bind(0x4000).peer("[2001:4860::1]:1"), 443},
		{"IPv4-mapped peer", bind(0x4000).peer("[::ffff:127.0.0.1]:1"), 443},
		{"denied", bind(0x4000).peer("192.168.1.1:1"), 403},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.session(r.alice)
			r.allowed = denyPrivate
			v := r.judge(c.b.auth(r.alice, r.nonce()))
			if c.code != 0 {
				r.reply(v, c.code, &r.alice)
				return
			}
			peer := netip.MustParseAddrPort("8.8.8.8:1")
			q := r.forwarded(v)
			if q.Channel < 0x4000 || q.Channel > 0x4FFF || len(q.Peers) != 1 || q.Peers[0] != peer || r.asked[0] != peer {
				t.Errorf("%+v, asked %v", q, r.asked)
			}
		})
	}
}

// What is forwarded stays as it is when the packet's buffer is used again.
func TestRequestIsACopy(t *testing.T) {
	r := newRig(t)
	b := allocateMsg().auth(r.alice, r.nonce())
	q := r.forwarded(r.judge(b))
	clear(b)
	if q.Identity.Username != r.alice.username || q.Identity.User != "alice" || q.Tx != testTx {
		t.Errorf("%+v", q)
	}
}

func TestAnswer(t *testing.T) {
	cases := []struct {
		name        string
		m           Method
		a           Answer
		code        int
		size        int
		fingerprint bool
	}{
		{"Allocate", Allocate, Answer{Lifetime: 600 * time.Second, Relayed: relayedV4}, 0, 20 + 12 + 8 + 12 + 24, false},
		{"Allocate of an IPv6 relay", Allocate, Answer{Lifetime: 700 * time.Second, Relayed: netip.MustParseAddrPort("[2001:db8::9]:5")}, 0, 20 + 24 + 8 + 12 + 24 + 8, true},
		{"Allocate of a pair", Allocate, Answer{Lifetime: 600 * time.Second, Relayed: relayedV4, Token: &Token{1, 2, 3, 4, 5, 6, 7, 8}}, 0, 20 + 12 + 8 + 12 + 12 + 24, false},
		{"Refresh", Refresh, Answer{Lifetime: 600 * time.Second}, 0, 20 + 8 + 24, false},
		{"Refresh to end", Refresh, Answer{}, 0, 20 + 8 + 24, false},
		{"CreatePermission", CreatePermission, Answer{}, 0, 20 + 24, false},
		{"ChannelBind", ChannelBind, Answer{}, 0, 20 + 24 + 8, true},
		{"quota", Allocate, Answer{Code: 486}, 486, 20 + 8 + 24 + 8, true},
		{"capacity", Allocate, Answer{Code: 508}, 508, 20 + 8 + 24, false},
		{"no code", Refresh, Answer{Code: 1000}, 500, 20 + 8 + 24, false},
		{"negative code", Refresh, Answer{Code: -1}, 500, 20 + 8 + 24, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			q := &Request{
				Client: r.client, Method: c.m, Tx: testTx, Identity: r.session(r.alice), Fingerprint: c.fingerprint,
			}
			b := r.g.Answer(make([]byte, 0, 1500), q, c.a)
			m := checkReply(t, b, c.code, &r.alice)
			if len(b) != c.size || m.Contains(stun.AttrFingerprint) != c.fingerprint {
				t.Errorf("%d bytes, want %d: %v", len(b), c.size, m)
			}
			if m.TransactionID != testTx || r.g.Counters().Replied(c.m, c.code) != 1 {
				t.Errorf("%v", m)
			}
			if c.code == 0 && c.m == Allocate {
				if a := xorAddr(t, m, stun.AttrXORRelayedAddress); a != c.a.Relayed {
					t.Errorf("relayed %v", a)
				}
				if a := xorAddr(t, m, stun.AttrXORMappedAddress); a != r.client.Addr {
					t.Errorf("mapped %v", a)
				}
				v, err := m.Get(stun.AttrReservationToken)
				if (err == nil) != (c.a.Token != nil) || err == nil && Token(v) != *c.a.Token {
					t.Errorf("token %x, %v", v, err)
				}
			}
			if c.code == 0 && (c.m == Allocate || c.m == Refresh) {
				v, err := m.Get(stun.AttrLifetime)
				must(t, err)
				if got := time.Duration(v[2])<<8 | time.Duration(v[3]); got*time.Second != c.a.Lifetime {
					t.Errorf("lifetime %d", got)
				}
			}
		})
	}
}

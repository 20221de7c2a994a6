package gate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
)

// Of PASSWORD-ALGORITHMS, byte by byte.
var (
	wireMD5    = []byte{0, 1, 0, 0}
	wireSHA256 = []byte{0, 2, 0, 0}
	wireBoth   = []byte{0, 2, 0, 0, 0, 1, 0, 0}
)

// offering makes the gate accept the algorithms.
func offering(t testing.TB, accepted ...auth.Algorithm) func(*Options) {
	return func(o *Options) {
		v, err := auth.NewVerifier(testRing(t), testRealm, accepted...)
		must(t, err)
		o.Verifier = v
	}
}

// offered is a rig that offers SHA-256 before MD5.
func offered(t testing.TB, more ...func(*Options)) *rig {
	return newRig(t, append(more, offering(t, auth.SHA256, auth.MD5))...)
}

func (c creds) sha256Key() []byte {
	key := sha256.Sum256([]byte(c.username + ":" + c.realm + ":" + c.password))
	return key[:]
}

// ticket is the nonce that a challenge has, cookie and all.
func (r *rig) ticket() string {
	r.t.Helper()
	_, nonce := challenge(r.t, r.reply(r.judge(allocateMsg().tx(9)), 401, nil))
	return nonce
}

func (w wireMsg) signSHA256(key []byte) wireMsg {
	w.setLen(36)
	mac := hmac.New(sha256.New, key)
	mac.Write(w)
	return w.attr(0x001C, mac.Sum(nil))
}

// claim adds the credential without a signature, and PASSWORD-ALGORITHM and
// PASSWORD-ALGORITHMS where they are not nil.
func (w wireMsg) claim(c creds, nonce string, one, all []byte) wireMsg {
	w = w.attr(0x0006, []byte(c.username)).attr(0x0014, []byte(c.realm)).attr(0x0015, []byte(nonce))
	if one != nil {
		w = w.attr(0x001D, one)
	}
	if all != nil {
		w = w.attr(0x8002, all)
	}
	return w
}

// signedSHA256 expects a reply with the code under MESSAGE-INTEGRITY-SHA256 and
// nothing else.
func (r *rig) signedSHA256(v Verdict, code int, key []byte) {
	r.t.Helper()
	if v.Action != Reply {
		r.t.Fatalf("%v (%v), want a reply with %d", v.Action, v.Reason, code)
	}
	m := checkReply(r.t, v.Reply, code, nil)
	at := len(v.Reply) - 36
	if m.Contains(stun.AttrMessageIntegrity) || at < 20 || string(v.Reply[at:at+4]) != "\x00\x1c\x00\x20" {
		r.t.Fatalf("no MESSAGE-INTEGRITY-SHA256 at the end of % x", v.Reply)
	}
	want := wireMsg(bytes.Clone(v.Reply[:at])).signSHA256(key)
	if !bytes.Equal(v.Reply, want) {
		r.t.Fatalf("signature of % x", v.Reply)
	}
}

// RFC 8489 §9.2, §14.11.
func TestOffer(t *testing.T) {
	for name, c := range map[string]struct {
		accepted []auth.Algorithm
		list     []byte
		size     int // of the 401
	}{
		"MD5":         {[]auth.Algorithm{auth.MD5}, nil, 64},
		"SHA-256":     {[]auth.Algorithm{auth.SHA256}, wireSHA256, 88},
		"SHA-256 MD5": {[]auth.Algorithm{auth.SHA256, auth.MD5}, wireBoth, 92},
		"MD5 SHA-256": {[]auth.Algorithm{auth.MD5, auth.SHA256}, append(bytes.Clone(wireMD5), wireSHA256...), 92},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, offering(t, c.accepted...))
			for code, b := range map[int]wireMsg{401: allocateMsg(), 438: allocateMsg().auth(r.alice, "0123456789abcdef")} {
				v := r.judge(b)
				m := r.reply(v, code, nil)
				_, nonce := challenge(t, m)
				list, err := m.Get(stun.AttrPasswordAlgorithms)
				if !bytes.Equal(list, c.list) || (err == nil) != (c.list != nil) || len(v.Reply) != c.size {
					t.Errorf("%d: PASSWORD-ALGORITHMS %x, %d bytes", code, list, len(v.Reply))
				}
				if strings.HasPrefix(nonce, "obMatJos2") != (c.list != nil) {
					t.Errorf("%d: nonce %q", code, nonce)
				}
			}
		})
	}
}

// RFC 8489 §9.2, §18.1: the bit stands at both ends, as clients read it there.
func TestNonceCookie(t *testing.T) {
	nonce := offered(t).ticket()
	features, err := base64.StdEncoding.DecodeString(nonce[9:13])
	must(t, err)
	const anonymity = 1<<22 | 1<<1
	if set := uint(features[0])<<16 | uint(features[1])<<8 | uint(features[2]); set != 1<<23|1 || set&anonymity != 0 {
		t.Errorf("features %024b", set)
	}
	if len(nonce) != 13+nonceSize {
		t.Errorf("%q", nonce)
	}
}

// RFC 8489 §9.2.4: which signature of which key is one, and what answers have.
func TestNegotiated(t *testing.T) {
	for name, c := range map[string]struct {
		one, all []byte
		strong   bool // the key is SHA-256's
		sha1     bool // signed by MESSAGE-INTEGRITY
		sha256   bool // and by MESSAGE-INTEGRITY-SHA256
		answer   bool // so is the answer
	}{
		"neither attribute: as before RFC 8489":              {sha1: true},
		"neither, MESSAGE-INTEGRITY-SHA256 under MD5's key":  {sha256: true},
		"neither, both signatures":                           {sha1: true, sha256: true},
		"SHA-256":                                            {one: wireSHA256, all: wireBoth, strong: true, sha256: true, answer: true},
		"SHA-256, both signatures":                           {one: wireSHA256, all: wireBoth, strong: true, sha1: true, sha256: true, answer: true},
		"SHA-256's key, MESSAGE-INTEGRITY alone":             {one: wireSHA256, all: wireBoth, strong: true, sha1: true, answer: true},
		"MD5 by name, MESSAGE-INTEGRITY-SHA256 as a promise": {one: wireMD5, all: wireBoth, sha256: true, answer: true},
		"MD5 by name":                                        {one: wireMD5, all: wireBoth, sha1: true, answer: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := offered(t)
			key := r.alice.key()
			if c.strong {
				key = r.alice.sha256Key()
			}
			sign := func(w wireMsg) wireMsg {
				if c.sha1 {
					w = w.sign(key)
				}
				if c.sha256 {
					w = w.signSHA256(key)
				}
				return w
			}
			b := sign(allocateMsg().claim(r.alice, r.ticket(), c.one, c.all))
			q := r.forwarded(r.judge(b))
			if !bytes.Equal(q.Identity.Key[:], r.alice.key()) || !bytes.Equal(q.Identity.SHA256Key[:], r.alice.sha256Key()) {
				t.Error("not both keys in the identity")
			}
			refused := r.judge(sign(newMsg(tRefresh).claim(r.alice, r.ticket(), c.one, c.all)))
			answered := Verdict{Action: Reply, Reply: r.g.Answer(make([]byte, 0, 500), q, Answer{Code: 508})}
			if c.answer {
				r.signedSHA256(refused, 437, key)
				r.signedSHA256(answered, 508, key)
			} else {
				r.reply(refused, 437, &r.alice)
				r.reply(answered, 508, &r.alice)
			}
			wrong := bytes.Clone(b)
			wrong[len(wrong)-1] ^= 1
			r.reply(r.judge(wrong), 401, nil)
		})
	}
}

// Each is what somebody between client and server can do to have them use less
// than both can (RFC 8489 §9.2.1), or a client that has lost its way.
// A nonce with the cookie is no use where nothing is offered.
// Where nothing is offered, what RFC 8489 has added is unknown, or nothing.
// Without MD5 there is no way back to it, for the session's own user either: its
// key for MD5 is not there, and a key of zeros is none.
// A session that one algorithm began goes on with the other, also when its
// credential has expired meanwhile.
func TestSessionChangesAlgorithm(t *testing.T) {
	r := offered(t)
	a := r.alice
	old := func(w wireMsg) wireMsg { return w.claim(a, r.ticket(), nil, nil).sign(a.key()) }
	now := func(w wireMsg) wireMsg {
		return w.claim(a, r.ticket(), wireSHA256, wireBoth).signSHA256(a.sha256Key())
	}
	for name, begin := range map[string]func(wireMsg) wireMsg{"MD5": old, "SHA-256": now} {
		delete(r.sessions, r.client)
		r.now = testNow
		q := r.forwarded(r.judge(begin(allocateMsg())))
		r.sessions[r.client] = Session{Identity: q.Identity, Relayed: relayedV4}
		r.now = r.now.Add(72 * time.Hour)
		for _, next := range []func(wireMsg) wireMsg{old, now} {
			if q := r.forwarded(r.judge(next(newMsg(tRefresh)))); q.Identity != r.sessions[r.client].Identity {
				t.Errorf("begun with %s: not the session's identity", name)
			}
		}
		r.signedSHA256(r.judge(now(allocateMsg().tx(1))), 437, a.sha256Key())
	}
}

// RFC 8489 §14.6: RFC 8656 says nothing of truncated values, so there are none.
func TestTruncatedSHA256(t *testing.T) {
	r := offered(t)
	for n := 0; n <= 36; n += 4 {
		w := allocateMsg().claim(r.alice, r.ticket(), wireSHA256, wireBoth)
		w.setLen(4 + n)
		mac := hmac.New(sha256.New, r.alice.sha256Key())
		mac.Write(w)
		value := append(mac.Sum(nil), 0, 0, 0, 0)[:n]
		if v := r.judge(w.attr(0x001C, value)); n == 32 {
			r.forwarded(v)
		} else {
			r.dropped(v, BadAttributes)
		}
	}
}

// RFC 8489 §14.4: there is no finding whose hash it is.
func TestUserhash(t *testing.T) {
	hash := sha256.Sum256([]byte("alice:example.org"))
	for _, r := range []*rig{newRig(t), offered(t)} {
		nonce := r.ticket()
		bare := allocateMsg().attr(0x001E, hash[:]).attr(0x0014, []byte(testRealm)).attr(0x0015, []byte(nonce))
		v := r.judge(bare.sign(r.alice.key()))
		var u stun.UnknownAttributes
		must(t, u.GetFrom(r.reply(v, 420, nil)))
		if len(u) != 1 || u[0] != stun.AttrUserhash {
			t.Errorf("unknown: %v", u)
		}
		r.reply(r.judge(allocateMsg().attr(0x001E, hash[:]).auth(r.alice, nonce)), 420, &r.alice)
		r.reply(r.judge(newMsg(tBinding).attr(0x001E, hash[:])), 0, nil)
	}
}

// RFC 8489 §9.2.4: whatever is wrong with a credential, the answer is the same.
func TestOfferedFaultsLookTheSame(t *testing.T) {
	r := offered(t)
	want := r.judge(allocateMsg()).Reply
	for name, c := range map[string]creds{
		"wrong":   {r.alice.username, testRealm, "wrong"},
		"unknown": {"1900000000:mallory", testRealm, "x"},
		"expired": r.issue("alice", 48*time.Hour),
		"realm":   {r.alice.username, "else", r.alice.password},
	} {
		v := r.judge(allocateMsg().claim(c, r.ticket(), wireSHA256, wireBoth).signSHA256(c.sha256Key()))
		if v.Action != Reply || !bytes.Equal(v.Reply, want) {
			t.Errorf("%s: %v % x", name, v.Action, v.Reply)
		}
	}
}

// Nobody makes the server derive keys by a faulty offer, and an answer to one
// costs no token of strangers, as its sender has shown to own its address.
// RFC 8489 Appendix B.1, as erratum 6268 corrects it.
func TestRFC8489B1(t *testing.T) {
	request := []byte("\x00\x01\x00\x90\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e" +
		"\x00\x1e\x00\x20\x4a\x3c\xf3\x8f\xef\x69\x92\xbd\xa9\x52\xc6\x78\x04\x17\xda\x0f" +
		"\x24\x81\x94\x15\x56\x9e\x60\xb2\x05\xc4\x6e\x41\x40\x7f\x17\x04" +
		"\x00\x15\x00\x29obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA\x00\x00\x00\x00\x14\x00\x0bexample.org\x00" +
		"\x00\x1d\x00\x04\x00\x02\x00\x00\x00\x1c\x00\x20\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24" +
		"\x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65")
	m := message{negotiates: true}
	if why := m.parse(request); why != NotDropped {
		t.Fatal(why)
	}
	key := auth.DeriveSHA256Key("\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9", "example.org", "TheMatrIX")
	if !m.sha256 || !bytes.Equal(m.algorithm, wireSHA256) || !m.signed(key[:]) {
		t.Errorf("%+v", m)
	}
	if request[25] ^= 1; m.signed(key[:]) {
		t.Error("changed, and still signed")
	}
}

// All of it allocates no more than what is there without.
func TestOfferedAllocatesNothing(t *testing.T) {
	r := offered(t)
	a, nonce := r.alice, r.ticket()
	r.session(a).SHA256Key = auth.SHA256Key(a.sha256Key())
	out := make([]byte, 0, MaxPacket)
	wrong := creds{a.username, testRealm, "wrong"}
	for name, b := range map[string]wireMsg{
		"challenge": allocateMsg(),
		"bid-down":  allocateMsg().claim(a, nonce, wireSHA256, nil).signSHA256(a.sha256Key()),
		"cookie":    allocateMsg().claim(a, nonce[13:], nil, nil).sign(a.key()),
		"truncated": allocateMsg().claim(a, nonce, wireSHA256, wireBoth).attr(0x1C, long(16)),
		"wrong":     newMsg(tRefresh).claim(wrong, nonce, wireSHA256, wireBoth).signSHA256(wrong.sha256Key()),
		"mismatch":  allocateMsg().tx(1).claim(a, nonce, wireSHA256, wireBoth).signSHA256(a.sha256Key()),
		"userhash":  allocateMsg().attr(0x1E, long(32)).attr(0x15, []byte(nonce)).signSHA256(nil),
	} {
		p := Packet{Client: r.client, Data: b}
		if n := testing.AllocsPerRun(100, func() { r.g.Judge(p, r.now, out) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkOffered(b *testing.B) {
	r := offered(b)
	a, nonce := r.alice, r.ticket()
	r.session(a).SHA256Key = auth.SHA256Key(a.sha256Key())
	for name, w := range map[string]wireMsg{
		"challenge": allocateMsg(),
		"bid-down":  allocateMsg().claim(a, nonce, wireSHA256, nil).signSHA256(a.sha256Key()),
		"md5":       newMsg(tRefresh).claim(a, nonce, nil, nil).sign(a.key()),
		"sha256":    newMsg(tRefresh).claim(a, nonce, wireSHA256, wireBoth).signSHA256(a.sha256Key()),
	} {
		b.Run(name, func(b *testing.B) {
			p := Packet{Client: r.client, Data: w}
			out := make([]byte, 0, MaxPacket)
			b.ReportAllocs()
			for b.Loop() {
				r.g.Judge(p, r.now, out)
			}
		})
	}
}

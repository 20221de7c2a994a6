package gate

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"

	"turnpike/auth"
)

func TestBidDown(t *testing.T) {
	r := offered(t)
	a := r.alice
	nonce := r.ticket()
	md5, strong := a.key(), a.sha256Key()
	reversed := append(bytes.Clone(wireMD5), wireSHA256...)
	plain := newRig(t).ticket()
	single := newRig(t, offering(t, auth.SHA256)).ticket()
	other := newRig(t, offering(t, auth.MD5, auth.SHA256)).ticket()
	claim := func(nonce string, one, all []byte) wireMsg { return allocateMsg().claim(a, nonce, one, all) }
	for _, c := range []struct {
		name string
		b    wireMsg
		code int
	}{
		{"PASSWORD-ALGORITHMS stripped", claim(nonce, wireSHA256, nil).signSHA256(strong), 400},
		{"PASSWORD-ALGORITHM stripped", claim(nonce, nil, wireBoth).signSHA256(strong), 400},
		{"both stripped, under SHA-256's key", claim(nonce, nil, nil).signSHA256(strong), 401},
		{"PASSWORD-ALGORITHMS reordered", claim(nonce, wireMD5, reversed).signSHA256(md5), 400},
		{"MD5 forced by a shorter list", claim(nonce, wireMD5, wireMD5).signSHA256(md5), 400},
		{"SHA-256 taken away", claim(nonce, wireMD5, append(bytes.Clone(wireMD5), 0, 3, 0, 0)).sign(md5), 400},
		{"a longer list", claim(nonce, wireSHA256, append(bytes.Clone(wireBoth), 0, 3, 0, 0)).signSHA256(strong), 400},
		{"an empty list", claim(nonce, wireSHA256, []byte{}).signSHA256(strong), 400},
		{"an algorithm that is not offered", claim(nonce, []byte{0, 3, 0, 0}, wireBoth).signSHA256(strong), 400},
		{"an algorithm with parameters", claim(nonce, []byte{0, 2, 0, 1, 0, 0, 0, 0}, wireBoth).signSHA256(strong), 400},
		{"half an algorithm", claim(nonce, []byte{0, 2}, wireBoth).signSHA256(strong), 400},
		{"no algorithm", claim(nonce, []byte{}, wireBoth).signSHA256(strong), 400},
		{"PASSWORD-ALGORITHMS behind the signature", claim(nonce, wireSHA256, nil).signSHA256(strong).attr(0x8002, wireBoth), 400},
		{"PASSWORD-ALGORITHMS between the signatures", claim(nonce, wireSHA256, nil).sign(strong).attr(0x8002, wireBoth).signSHA256(strong), 400},
		{"the second of two lists is right", claim(nonce, wireSHA256, reversed).attr(0x8002, wireBoth).signSHA256(strong), 400},
		{"MD5's key for SHA-256", claim(nonce, wireSHA256, wireBoth).signSHA256(md5), 401},
		{"SHA-256's key for MD5", claim(nonce, wireMD5, wireBoth).signSHA256(strong), 401},
		{"MESSAGE-INTEGRITY right, MESSAGE-INTEGRITY-SHA256 wrong", claim(nonce, wireSHA256, wireBoth).sign(strong).signSHA256(md5), 401},
		{"MESSAGE-INTEGRITY-SHA256 wrong, MESSAGE-INTEGRITY behind it right", claim(nonce, nil, nil).signSHA256(strong).sign(md5), 401},
		{"cookie removed", claim(nonce[13:], nil, nil).sign(md5), 438},
		{"cookie cut", claim(nonce[4:], nil, nil).sign(md5), 438},
		{"bit for password algorithms cleared", claim("obMatJos2AAAA"+nonce[13:], nil, nil).sign(md5), 438},
		{"bit for anonymity set", claim("obMatJos2wAAD"+nonce[13:], wireSHA256, wireBoth).signSHA256(strong), 438},
		{"nonce of a server that offers nothing", claim(plain, nil, nil).sign(md5), 438},
		{"that nonce with our cookie", claim(nonce[:13]+plain, wireSHA256, wireBoth).signSHA256(strong), 438},
		{"nonce of a server that offers less", claim(single, wireSHA256, wireBoth).signSHA256(strong), 438},
		{"nonce of a server that prefers MD5", claim(other, wireSHA256, wireBoth).signSHA256(strong), 438},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.t = t
			m := r.reply(r.judge(c.b), c.code, nil)
			if list, err := m.Get(stun.AttrPasswordAlgorithms); (err == nil) != (c.code != 400) || err == nil && !bytes.Equal(list, wireBoth) {
				t.Errorf("PASSWORD-ALGORITHMS %x", list)
			}
		})
	}
}

func TestOfferedElsewhere(t *testing.T) {
	nonce := offered(t).ticket()
	for _, n := range []string{nonce, nonce[13:]} {
		r := newRig(t)
		r.reply(r.judge(allocateMsg().auth(r.alice, n)), 438, nil)
		r.reply(r.judge(allocateMsg().claim(r.alice, n, wireSHA256, wireBoth).sign(r.alice.sha256Key())), 438, nil)
	}
}

func TestNothingOffered(t *testing.T) {
	r := newRig(t)
	a, nonce := r.alice, r.nonce()
	for name, c := range map[string]struct {
		b    wireMsg
		code int
		by   *creds
	}{
		"MESSAGE-INTEGRITY-SHA256 alone":  {allocateMsg().claim(a, nonce, nil, nil).signSHA256(a.key()), 401, nil},
		"MESSAGE-INTEGRITY-SHA256 before": {allocateMsg().claim(a, nonce, nil, nil).signSHA256(a.key()).sign(a.key()), 420, &a},
		"PASSWORD-ALGORITHM":              {allocateMsg().claim(a, nonce, wireSHA256, nil).sign(a.key()), 420, &a},
		"under SHA-256's key":             {allocateMsg().claim(a, nonce, nil, wireBoth).sign(a.sha256Key()), 401, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			r.reply(r.judge(c.b), c.code, c.by)
		})
	}
	r.forwarded(r.judge(allocateMsg().claim(a, nonce, nil, wireBoth).sign(a.key()))) // may be ignored
	r.forwarded(r.judge(allocateMsg().auth(a, nonce).signSHA256(a.key())))
}

func TestSHA256Alone(t *testing.T) {
	r := newRig(t, offering(t, auth.SHA256))
	a := r.alice
	one := func(w wireMsg) wireMsg {
		return w.claim(a, r.ticket(), wireSHA256, wireSHA256).signSHA256(a.sha256Key())
	}
	q := r.forwarded(r.judge(one(allocateMsg())))
	if q.Identity.Key != (auth.LongTermKey{}) {
		t.Error("has a key for MD5")
	}
	r.sessions[r.client] = Session{Identity: q.Identity, Relayed: relayedV4}
	r.forwarded(r.judge(one(newMsg(tRefresh))))
	other := r.client
	other.Addr = netip.MustParseAddrPort("198.51.100.8:40000")
	for name, key := range map[string][]byte{"MD5": a.key(), "zeros": make([]byte, 16), "none": nil} {
		r.client = other
		r.reply(r.judge(allocateMsg().claim(a, r.ticket(), nil, nil).sign(key)), 401, nil)
		r.client = testClient
		r.reply(r.judge(newMsg(tRefresh).claim(a, r.ticket(), nil, nil).sign(key)), 401, nil)
		r.reply(r.judge(newMsg(tRefresh).claim(a, r.ticket(), nil, nil).signSHA256(key)), 401, nil)
		r.reply(r.judge(newMsg(tRefresh).claim(a, r.ticket(), wireMD5, wireSHA256).signSHA256(key)), 400, nil)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestBidDownCostsNoKey(t *testing.T) {
	r := offered(t, func(o *Options) {
		o.Replies, o.Failures = testBudget(t, 1, 1), testFailures(t, 1, 1)
	})
	nonce := r.ticket() // the only token
	for range 3 {
		r.reply(r.judge(allocateMsg().claim(r.alice, nonce, wireSHA256, nil).signSHA256(r.alice.sha256Key())), 400, nil)
	}
	for o := range auth.NumOutcomes {
		if n := r.g.Counters().Authenticated(auth.Outcome(o)); n != 0 {
			t.Errorf("%v: %d", auth.Outcome(o), n)
		}
	}
	r.forwarded(r.judge(allocateMsg().claim(r.alice, nonce, wireSHA256, wireBoth).signSHA256(r.alice.sha256Key())))
}

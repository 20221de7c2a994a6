package gate

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/stun/v3"
)

// RFC 8489 §10, §14.15, §14.16, byte by byte.
func TestTryAlternate(t *testing.T) {
	v4 := "\x80\x23\x00\x08\x00\x01\x0d\x96\xc6\x33\x64\x01"
	v6 := "\x80\x23\x00\x14\x00\x02\x01\xbb\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	at4, at6 := netip.MustParseAddrPort("198.51.100.1:3478"), netip.MustParseAddrPort("[2001:db8::1]:443")
	domain := "\x80\x03\x00\x0bexample.org\x00"
	for name, c := range map[string]struct {
		over Transport
		a    Alternate
		want string
	}{
		"one":                       {UDP, Alternate{Server: at4}, v4},
		"both families, IPv4 first": {UDP, Alternate{Server: at4, Other: at6}, v4 + v6},
		"IPv6 first":                {TCP, Alternate{Server: at6, Other: at4}, v6 + v4},
		"domain over TLS":           {TLS, Alternate{Server: at4, Domain: "example.org"}, v4 + domain},
		"no domain over TCP":        {TCP, Alternate{Server: at4, Domain: "example.org"}, v4},
		"no domain over UDP":        {UDP, Alternate{Server: at4, Domain: "example.org"}, v4},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.transport = c.over
			q := r.forwarded(r.judge(allocateMsg().auth(r.alice, r.nonce()).fingerprint()))
			b := r.g.Answer(make([]byte, 0, MaxPacket), q, Answer{Code: 300, Alternate: c.a})
			checkReply(t, b, 300, &r.alice)
			head := 20 + 8
			if got := b[head : len(b)-24-8]; string(got) != c.want {
				t.Errorf("% x\nwant % x", got, c.want)
			}
			if n := r.g.Counters().Replied(Allocate, 300); n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

// The longest domain fits, padding and all; no other answer has what belongs to
// a 300.
func TestAlternateBounds(t *testing.T) {
	r := newRig(t)
	r.transport = TLS
	q := r.forwarded(r.judge(allocateMsg().auth(r.alice, r.nonce())))
	a := Alternate{Server: netip.MustParseAddrPort("[2001:db8::1]:443"), Other: relayedV4, Domain: strings.Repeat("x", MaxDomain)}
	out := bytes.Repeat([]byte{0xEE}, MaxPacket)[:0]
	m := checkReply(t, r.g.Answer(out, q, Answer{Code: 300, Alternate: a}), 300, &r.alice)
	if v, err := m.Get(stun.AttrAlternateDomain); err != nil || string(v) != a.Domain {
		t.Errorf("%q, %v", v, err)
	}
	m = checkReply(t, r.g.Answer(out, q, Answer{Code: 508, Alternate: a}), 508, &r.alice)
	if m.Contains(stun.AttrAlternateServer) || m.Contains(stun.AttrAlternateDomain) {
		t.Error("a 508 names another server")
	}
	if n := testing.AllocsPerRun(100, func() { r.g.Answer(out, q, Answer{Code: 300, Alternate: a}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Signed by SHA-256 where that was negotiated: so a client of RFC 8489 knows whom
// it is sent by.
func TestTryAlternateBySHA256(t *testing.T) {
	r := offered(t)
	r.transport = TLS
	q := r.forwarded(r.judge(allocateMsg().claim(r.alice, r.ticket(), wireSHA256, wireBoth).signSHA256(r.alice.sha256Key())))
	b := r.g.Answer(make([]byte, 0, MaxPacket), q, Answer{Code: 300, Alternate: Alternate{Server: relayedV4, Domain: "example.org"}})
	r.signedSHA256(Verdict{Action: Reply, Reply: b}, 300, r.alice.sha256Key())
}

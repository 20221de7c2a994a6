package gate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
	"turnpike/pkg/netpolicy"
	"turnpike/ratelimit"
	"turnpike/relay/dataplane"
)

// wireMsg builds messages byte by byte, with nothing of the production encoder.
type wireMsg []byte

var testTx = [12]byte{0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae}

func newMsg(typ uint16) wireMsg {
	b := binary.BigEndian.AppendUint16(nil, typ)
	b = append(b, 0, 0, 0x21, 0x12, 0xa4, 0x42)
	return append(b, testTx[:]...)
}

func (w wireMsg) setLen(more int) wireMsg {
	binary.BigEndian.PutUint16(w[2:], uint16(len(w)-20+more))
	return w
}

func (w wireMsg) attr(typ uint16, v []byte) wireMsg {
	w = binary.BigEndian.AppendUint16(w, typ)
	w = binary.BigEndian.AppendUint16(w, uint16(len(v)))
	w = append(w, v...)
	for len(w)%4 != 0 {
		w = append(w, 0xEE) // padding may be any value
	}
	return w.setLen(0)
}

func (w wireMsg) tx(n byte) wireMsg {
	w[8] ^= n
	return w
}

func (w wireMsg) u32(typ uint16, v uint32) wireMsg {
	return w.attr(typ, binary.BigEndian.AppendUint32(nil, v))
}

func (w wireMsg) peer(s string) wireMsg {
	a := netip.MustParseAddrPort(s)
	ip := a.Addr().AsSlice()
	mask := append([]byte{0x21, 0x12, 0xa4, 0x42}, w[8:20]...)
	for i := range ip {
		ip[i] ^= mask[i]
	}
	family := byte(1)
	if len(ip) == 16 {
		family = 2
	}
	v := binary.BigEndian.AppendUint16([]byte{0, family}, a.Port()^0x2112)
	return w.attr(0x0012, append(v, ip...))
}

func (w wireMsg) sign(key []byte) wireMsg {
	w.setLen(24)
	mac := hmac.New(sha1.New, key)
	mac.Write(w)
	return w.attr(0x0008, mac.Sum(nil))
}

func (w wireMsg) fingerprint() wireMsg {
	w.setLen(8)
	return w.u32(0x8028, crc32.ChecksumIEEE(w)^0x5354554e)
}

// creds is what a client holds.
type creds struct{ username, realm, password string }

func (c creds) key() []byte {
	return stun.NewLongTermIntegrity(c.username, c.realm, c.password)
}

// auth adds long-term credentials with the nonce.
func (w wireMsg) auth(c creds, nonce string) wireMsg {
	return w.attr(0x0006, []byte(c.username)).attr(0x0014, []byte(c.realm)).
		attr(0x0015, []byte(nonce)).sign(c.key())
}

const (
	tBinding, tAllocate, tRefresh, tPermission, tChannel = 0x001, 0x003, 0x004, 0x008, 0x009

	testRealm = "example.org"
)

var (
	testNow    = time.Unix(1_800_000_000, 0)
	testClient = dataplane.Client{Listener: 1, Addr: netip.MustParseAddrPort("198.51.100.7:40000")}
	relayedV4  = netip.MustParseAddrPort("203.0.113.9:50000")
)

// testBudget is one of which a source alone may use up what there is.
func testBudget(t testing.TB, perSecond float64, burst int) *ratelimit.Budget {
	r := ratelimit.Rate{PerSecond: perSecond, Burst: burst}
	b, err := ratelimit.NewBudget(ratelimit.BudgetOptions{Source: r, Network: r, All: r})
	must(t, err)
	return b
}

func testFailures(t testing.TB, perSecond float64, burst int) *ratelimit.Limiter {
	l, err := ratelimit.NewLimiter(ratelimit.Options{PerSecond: perSecond, Burst: burst, Scope: ratelimit.Port})
	must(t, err)
	return l
}

// rig is a gate with two users and a session table.
type rig struct {
	t          testing.TB
	g          *Gate
	alice, bob creds
	ring       *auth.Keyring
	sessions   map[dataplane.Client]Session
	client     dataplane.Client
	transport  Transport
	now        time.Time
	allowed    func(netip.Addr) netpolicy.Verdict
	asked      []netip.AddrPort
}

func newRig(t testing.TB, change ...func(*Options)) *rig {
	r := &rig{
		t: t, sessions: map[dataplane.Client]Session{}, client: testClient, now: testNow,
		allowed: func(netip.Addr) netpolicy.Verdict {
			return netpolicy.Verdict{Allowed: true, Rule: netpolicy.DefaultAllow}
		},
	}
	r.ring = testRing(t)
	r.alice, r.bob = r.issue("alice", 0), r.issue("bob", 0)
	verifier, err := auth.NewVerifier(r.ring, testRealm)
	must(t, err)
	replies, failures := testBudget(t, 1e9, 1<<30), testFailures(t, 1e9, 1<<30)
	o := Options{
		Realm: testRealm, NonceKey: bytes.Repeat([]byte("k"), 32), Verifier: verifier, Replies: replies, Bindings: replies, Failures: failures,
		Sessions: func(c dataplane.Client) (Session, bool) {
			s, ok := r.sessions[c]
			return s, ok
		},
		Peer: func(_ string, a netip.AddrPort) netpolicy.Verdict {
			r.asked = append(r.asked, a)
			return r.allowed(a.Addr())
		},
		Permission: func(_ string, a netip.Addr) netpolicy.Verdict {
			r.asked = append(r.asked, netip.AddrPortFrom(a, 0))
			return r.allowed(a)
		},
	}
	for _, f := range change {
		f(&o)
	}
	r.g, err = New(o)
	must(t, err)
	return r
}

func testRing(t testing.TB) *auth.Keyring {
	secret, err := auth.NewSecret([]byte("0f8Kq2Vn7xLw4Zr9Tb1Ym6Cd3Hs5Jg0PqRuEiAo"))
	must(t, err)
	ring, err := auth.NewKeyring(auth.Options{Keys: []auth.Key{{ID: "k1", Secret: secret}}})
	must(t, err)
	return ring
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// issue makes a credential as if so long ago. It is the same in every process,
// as fuzzing has several.
func (r *rig) issue(user string, ago time.Duration) creds {
	issuer, err := auth.NewIssuer(r.ring, strings.NewReader(strings.Repeat(user, 12)))
	must(r.t, err)
	c, err := issuer.Issue(auth.Request{User: user}, r.now.Add(-ago))
	must(r.t, err)
	return creds{c.Username, testRealm, c.Password}
}

func (r *rig) judge(b []byte) Verdict {
	return r.g.Judge(Packet{Client: r.client, Transport: r.transport, Data: b}, r.now, make([]byte, 0, dataplane.MaxControl))
}

func (r *rig) nonce() string {
	n := r.g.access.Load().nonces.issue(r.transport, r.client.Addr, r.now)
	return string(n[:])
}

// session gives the client a live session of the user's.
func (r *rig) session(c creds) *auth.Identity {
	id := &auth.Identity{Username: c.username, Role: new(auth.Role)}
	copy(id.Key[:], c.key())
	r.sessions[r.client] = Session{
		Identity: id, Tx: testTx, Answer: []byte("the answer to the Allocate"), Relayed: relayedV4,
	}
	return id
}

// reply expects a reply with the code (0: success), signed by the user or (if
// nil) unsigned, and returns it as pion/stun reads it.
func (r *rig) reply(v Verdict, code int, signer *creds) *stun.Message {
	r.t.Helper()
	if v.Action != Reply {
		r.t.Fatalf("%v (%v), want a reply with %d", v.Action, v.Reason, code)
	}
	return checkReply(r.t, v.Reply, code, signer)
}

func checkReply(t testing.TB, b []byte, code int, signer *creds) *stun.Message {
	t.Helper()
	m := &stun.Message{Raw: bytes.Clone(b)}
	must(t, m.Decode())
	if len(b)%4 != 0 || int(m.Length) != len(b)-20 {
		t.Fatalf("length field %d of %d bytes", m.Length, len(b))
	}
	got := 0
	if m.Type.Class == stun.ClassErrorResponse {
		var e stun.ErrorCodeAttribute
		must(t, e.GetFrom(m))
		if got = int(e.Code); len(e.Reason) > 0 {
			t.Errorf("reason phrase %q", e.Reason)
		}
	} else if m.Type.Class != stun.ClassSuccessResponse {
		t.Fatalf("class %v", m.Type.Class)
	}
	if got != code {
		t.Fatalf("code %d, want %d", got, code)
	}
	if m.Contains(stun.AttrFingerprint) {
		must(t, stun.Fingerprint.Check(m))
	}
	if signer == nil {
		if m.Contains(stun.AttrMessageIntegrity) {
			t.Fatal("signed")
		}
	} else if err := stun.MessageIntegrity(signer.key()).Check(m); err != nil {
		t.Fatalf("signature: %v", err)
	}
	for _, a := range m.Attributes { // padding leaks nothing
		if a.Type == stun.AttrSoftware || a.Type == stun.AttrUsername {
			t.Errorf("has %v", a.Type)
		}
	}
	return m
}

func (r *rig) dropped(v Verdict, why Reason) {
	r.t.Helper()
	if v.Action != Drop || v.Reason != why || v.Reply != nil || v.Request != nil {
		r.t.Fatalf("%v (%v), want drop (%v)", v.Action, v.Reason, why)
	}
}

func (r *rig) forwarded(v Verdict) *Request {
	r.t.Helper()
	if v.Action == Reply {
		m := &stun.Message{Raw: v.Reply}
		m.Decode()
		r.t.Fatalf("reply %v, want forward", m)
	}
	if v.Action != Forward {
		r.t.Fatalf("%v (%v), want forward", v.Action, v.Reason)
	}
	return v.Request
}

func long(n int) []byte { return []byte(strings.Repeat("x", n)) }

package gate

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/auth"
)

func allocateMsg() wireMsg { return newMsg(tAllocate).u32(0x0019, 17<<24) }

// challenge reads REALM and NONCE of a 401 or 438.
func challenge(t testing.TB, m *stun.Message) (realm, nonce string) {
	t.Helper()
	var r stun.Realm
	must(t, r.GetFrom(m))
	var n stun.Nonce
	must(t, n.GetFrom(m))
	return r.String(), n.String()
}

func TestChallenge(t *testing.T) {
	for name, b := range map[string]wireMsg{
		"Allocate":                            allocateMsg(),
		"Refresh":                             newMsg(tRefresh).u32(0x000D, 0),
		"CreatePermission":                    newMsg(tPermission).peer("8.8.8.8:1"),
		"ChannelBind":                         newMsg(tChannel).u32(0x000C, 0x40000000).peer("8.8.8.8:1"),
		"with unknown and refused attributes": allocateMsg().u32(0x7FFF, 0).attr(0x001A, nil).attr(0x0018, long(1)),
		"with credentials but no signature":   allocateMsg().attr(6, long(5)).attr(0x14, long(5)).attr(0x15, long(16)),
		"with MESSAGE-INTEGRITY-SHA256 alone": allocateMsg().attr(0x001C, long(32)),
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			v := r.judge(b)
			realm, nonce := challenge(t, r.reply(v, 401, nil))
			if realm != testRealm || len(nonce) != nonceSize {
				t.Errorf("realm %q nonce %q", realm, nonce)
			}
			if len(v.Reply) != 64 || float64(len(v.Reply)) > 2.4*float64(len(b)) {
				t.Errorf("%d bytes for %d", len(v.Reply), len(b))
			}
			if r.g.Counters().Authenticated(auth.OK)+r.g.Counters().Authenticated(auth.WrongSignature) != 0 {
				t.Error("made a key for a stranger")
			}
		})
	}
}

func TestChallengeFits(t *testing.T) {
	for _, c := range []struct {
		name string
		b    wireMsg
		over Transport
		code int
		size int
	}{
		{"smallest Allocate", allocateMsg(), UDP, 401, 64},
		{"with FINGERPRINT", allocateMsg().fingerprint(), UDP, 401, 72},
		{"28 bytes by FINGERPRINT", newMsg(tAllocate).fingerprint(), UDP, 400, 36},
		{"bare Allocate", newMsg(tAllocate), UDP, 400, 28},
		{"bare Refresh", newMsg(tRefresh), UDP, 400, 28},
		{"24 bytes", newMsg(tRefresh).attr(0x8022, nil), UDP, 400, 28},
		{"bare over TCP", newMsg(tRefresh), TCP, 401, 64},
		{"bare over TLS", newMsg(tAllocate), TLS, 401, 64},
	} {
		r := newRig(t)
		r.transport = c.over
		v := r.judge(c.b)
		r.reply(v, c.code, nil)
		if len(v.Reply) != c.size {
			t.Errorf("%s: %d bytes, want %d", c.name, len(v.Reply), c.size)
		}
	}
}

// RFC 8489 §9.2.4, in its order.
func TestAuthenticationFaults(t *testing.T) {
	r := newRig(t)
	a, key := r.alice, r.alice.key()
	user, realm := []byte(a.username), []byte(a.realm)
	nonce := []byte(r.nonce())
	wrong := creds{a.username, a.realm, "wrong"}
	stranger := creds{"1900000000:mallory", a.realm, "x"}
	otherRealm := creds{a.username, "other.example", a.password}
	tampered := allocateMsg().auth(a, r.nonce())
	tampered[20+4] = 6 // REQUESTED-TRANSPORT
	cases := []struct {
		name string
		b    wireMsg
		code int
	}{
		{"no USERNAME", allocateMsg().attr(0x14, realm).attr(0x15, nonce).sign(key), 400},
		{"no REALM", allocateMsg().attr(6, user).attr(0x15, nonce).sign(key), 400},
		{"no NONCE", allocateMsg().attr(6, user).attr(0x14, realm).sign(key), 400},
		{"USERNAME after MESSAGE-INTEGRITY", allocateMsg().attr(0x14, realm).attr(0x15, nonce).sign(key).attr(6, user), 400},
		{"empty NONCE", allocateMsg().auth(a, ""), 438},
		{"foreign NONCE", allocateMsg().auth(a, "f//499k954d6OL34oL9FSTvy64sA"), 438},
		{"NONCE of 40 bytes", allocateMsg().auth(a, string(long(40))), 438},
		{"stale and wrong", allocateMsg().auth(wrong, "0123456789abcdef"), 438},
		{"another realm", allocateMsg().auth(otherRealm, r.nonce()), 401},
		{"empty realm", allocateMsg().auth(creds{a.username, "", a.password}, r.nonce()), 401},
		{"wrong password", allocateMsg().auth(wrong, r.nonce()), 401},
		{"empty username", allocateMsg().auth(creds{"", a.realm, ""}, r.nonce()), 401},
		{"unknown user", allocateMsg().auth(stranger, r.nonce()), 401},
		{"expired", allocateMsg().auth(r.issue("alice", 48*time.Hour), r.nonce()), 401},
		{"zero MESSAGE-INTEGRITY", allocateMsg().attr(6, user).attr(0x14, realm).attr(0x15, nonce).attr(8, make([]byte, 20)), 401},
		{"changed after it was signed", tampered, 401},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := r.judge(c.b)
			m := r.reply(v, c.code, nil)
			if c.code == 400 {
				return
			}
			_, fresh := challenge(t, m)
			// Byte by byte what any stranger gets.
			want := r.judge(allocateMsg()).Reply
			if c.code == 401 && !bytes.Equal(v.Reply, want) {
				t.Errorf("%x\nwant %x", v.Reply, want)
			}
			if c.code == 438 && !bytes.Equal(v.Reply[28:], want[28:]) {
				t.Errorf("%x\nwant %x", v.Reply, want)
			}
			r.forwarded(r.judge(allocateMsg().auth(a, fresh)))
		})
	}
	for o, want := range map[auth.Outcome]uint64{auth.WrongSignature: 3, auth.BadUsername: 1, auth.Expired: 1} {
		if got := r.g.Counters().Authenticated(o); got != want {
			t.Errorf("%v: %d, want %d", o, got, want)
		}
	}
}

// A captured request is worth nothing elsewhere, and nothing later.
func TestReplay(t *testing.T) {
	captured := func(r *rig) wireMsg { return allocateMsg().auth(r.alice, r.nonce()) }
	for name, move := range map[string]func(*rig){
		"another port":      func(r *rig) { r.client.Addr = netip.AddrPortFrom(r.client.Addr.Addr(), 40001) },
		"another address":   func(r *rig) { r.client.Addr = netip.MustParseAddrPort("198.51.100.8:40000") },
		"another transport": func(r *rig) { r.transport = TCP },
		"too late":          func(r *rig) { r.now = r.now.Add(601 * time.Second) },
		"from the future":   func(r *rig) { r.now = r.now.Add(-6 * time.Second) },
	} {
		r := newRig(t)
		b := captured(r)
		move(r)
		if v := r.judge(b); v.Action == Forward {
			t.Errorf("%s: forwarded", name)
		} else {
			r.reply(v, 438, nil)
		}
	}
	for name, move := range map[string]func(*rig){
		"another listener":     func(r *rig) { r.client.Listener++ },
		"the last second":      func(r *rig) { r.now = r.now.Add(600 * time.Second) },
		"another node's clock": func(r *rig) { r.now = r.now.Add(-5 * time.Second) },
	} {
		r := newRig(t)
		b := captured(r)
		move(r)
		if v := r.judge(b); v.Action != Forward {
			t.Errorf("%s: %v", name, v.Action)
		}
	}
}

func TestAfterMessageIntegrity(t *testing.T) {
	r := newRig(t)
	r.session(r.alice)
	b := newMsg(tPermission).peer("8.8.8.8:1").auth(r.alice, r.nonce())
	q := r.forwarded(r.judge(b.peer("10.0.0.1:1").u32(0x7FFF, 0).attr(0x15, long(200)).attr(8, long(20))))
	if len(q.Peers) != 1 || q.Peers[0].Addr() != netip.MustParseAddr("8.8.8.8") {
		t.Errorf("peers %v", q.Peers)
	}
	b = newMsg(tRefresh).u32(0x000D, 700).auth(r.alice, r.nonce()).u32(0x000D, 0).fingerprint()
	if q := r.forwarded(r.judge(b)); q.Lifetime != 700*time.Second || !q.Fingerprint {
		t.Errorf("%+v", q)
	}
}

// RFC 8489 §14: the first of several counts.
func TestDuplicates(t *testing.T) {
	r := newRig(t)
	r.session(r.alice)
	b := newMsg(tRefresh).u32(0x000D, 0).u32(0x000D, 700).auth(r.alice, r.nonce())
	if q := r.forwarded(r.judge(b)); q.Lifetime != 0 {
		t.Errorf("lifetime %v", q.Lifetime)
	}
	twice := newMsg(tRefresh).attr(6, []byte(r.bob.username)).auth(r.alice, r.nonce())
	r.reply(r.judge(twice), 401, nil)
}

func TestRepliesAreBudgeted(t *testing.T) {
	limited := func(o *Options) {
		o.Replies, o.Bindings = testBudget(t, 1, 2), testBudget(t, 1, 2)
	}
	plain := func(r *rig) []wireMsg {
		return []wireMsg{
			newMsg(tBinding), newMsg(tBinding).u32(3, 0), newMsg(tAllocate), allocateMsg(), allocateMsg().sign(nil),
			allocateMsg().auth(r.alice, "stale"),
		}
	}
	for i := range plain(newRig(t)) {
		r := newRig(t, limited)
		b := plain(r)[i]
		for range 2 {
			if v := r.judge(b); v.Action != Reply {
				t.Fatalf("%d: %v", i, v.Reason)
			}
		}
		r.dropped(r.judge(b), RepliesSpent)
		r.client.Addr = netip.AddrPortFrom(r.client.Addr.Addr(), 1) // the port does not matter
		same, other := allocateMsg(), newMsg(tBinding)
		if i < 2 {
			same, other = other, same
		}
		r.dropped(r.judge(same), RepliesSpent)
		if v := r.judge(other); v.Action != Reply {
			t.Errorf("%d: used up the other budget", i)
		}
		r.client.Addr = testClient.Addr
		// An aged nonce shows whose it is: the way to a fresh one stays open.
		aged := r.nonce()
		r.now = r.now.Add(601 * time.Second)
		for range 3 { // a token has come back; spend it, and more
			r.judge(b)
		}
		if v := r.judge(newMsg(tRefresh).auth(r.alice, aged)); v.Action != Reply {
			t.Errorf("%d: no 438 to an aged nonce: %v", i, v.Reason)
		}
		// Who is authenticated pays nothing, whether refused or not.
		r.forwarded(r.judge(allocateMsg().auth(r.alice, r.nonce())))
		r.reply(r.judge(newMsg(tRefresh).auth(r.alice, r.nonce())), 437, &r.alice)
		r.now = r.now.Add(time.Second)
		if v := r.judge(b); v.Action != Reply {
			t.Fatalf("%d: no token came back", i)
		}
	}
}

// A wrong credential with a nonce of the client's own is answered from no budget
// that a forger could spend, and from one that is the client's alone.
func TestFailuresAreTheClientsOwn(t *testing.T) {
	spent := func(o *Options) {
		o.Failures = testFailures(t, 1, 2)
		o.Replies = testBudget(t, 1, 1)
		o.Replies.Allow(testClient.Addr.Addr(), testNow)
	}
	for name, wrong := range map[string]func(*rig) creds{
		"unknown": func(*rig) creds { return creds{"1:x", testRealm, ""} },
		"realm":   func(r *rig) creds { return creds{r.alice.username, "else", ""} },
		"wrong":   func(r *rig) creds { return creds{r.alice.username, testRealm, "wrong"} },
		"expired": func(r *rig) creds { return r.issue("late", 48*time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, spent)
			c := wrong(r)
			r.dropped(r.judge(allocateMsg()), RepliesSpent)
			for range 2 {
				r.reply(r.judge(allocateMsg().auth(c, r.nonce())), 401, nil)
			}
			verified := r.g.Counters().Authenticated(auth.OK)
			r.dropped(r.judge(allocateMsg().auth(c, r.nonce())), FailuresSpent)
			if c.realm == testRealm {
				r.dropped(r.judge(allocateMsg().auth(r.alice, r.nonce())), FailuresSpent) // no key is made any more
			}
			if r.g.Counters().Authenticated(auth.OK) != verified {
				t.Error("a credential was verified beyond the budget")
			}
			// Not so for the session's own user, nor for a neighbour.
			r.session(r.alice)
			r.forwarded(r.judge(permMsg(r, r.alice)))
			delete(r.sessions, r.client)
			r.client.Addr = netip.AddrPortFrom(r.client.Addr.Addr(), 1)
			r.forwarded(r.judge(allocateMsg().auth(r.alice, r.nonce())))
			r.client.Addr = testClient.Addr
			r.now = r.now.Add(2 * time.Second)
			r.forwarded(r.judge(allocateMsg().auth(r.alice, r.nonce())))
		})
	}
}

// What users send once they have, or think they have, an allocation.

func permMsg(r *rig, c creds) wireMsg {
	return newMsg(tPermission).peer("8.8.8.8:1").auth(c, r.nonce())
}
func bindMsg(r *rig, c creds) wireMsg {
	return newMsg(tChannel).u32(0x000C, 0x4000<<16).peer("8.8.8.8:1").auth(c, r.nonce())
}
func endMsg(r *rig, c creds) wireMsg     { return newMsg(tRefresh).u32(0x000D, 0).auth(c, r.nonce()) }
func againMsg(r *rig, c creds) wireMsg   { return allocateMsg().auth(c, r.nonce()) }
func anotherMsg(r *rig, c creds) wireMsg { return allocateMsg().tx(1).auth(c, r.nonce()) }

func TestOwner(t *testing.T) {
	t.Run("RFC 8656 §5: 437 without an allocation", func(t *testing.T) {
		r := newRig(t)
		for _, b := range []wireMsg{permMsg(r, r.alice), bindMsg(r, r.alice), endMsg(r, r.alice)} {
			r.reply(r.judge(b), 437, &r.alice)
		}
	})
	t.Run("RFC 8656 §5: 441 to another user", func(t *testing.T) {
		r := newRig(t)
		r.session(r.alice)
		for _, b := range []wireMsg{permMsg(r, r.bob), bindMsg(r, r.bob), endMsg(r, r.bob)} {
			r.reply(r.judge(b), 441, &r.bob)
		}
		late := r.issue("bob", 48*time.Hour)
		r.reply(r.judge(endMsg(r, late)), 401, nil)
		if len(r.asked) != 0 {
			t.Error("asked the policy for somebody else")
		}
	})
}

func TestSecondAllocate(t *testing.T) {
	t.Run("RFC 8656 §7.2: 437 to a second Allocate", func(t *testing.T) {
		r := newRig(t)
		r.session(r.alice)
		r.reply(r.judge(anotherMsg(r, r.alice)), 437, &r.alice)
		r.reply(r.judge(anotherMsg(r, r.bob)), 437, &r.bob)
		r.reply(r.judge(againMsg(r, r.bob)), 437, &r.bob) // same transaction, other user
	})
	t.Run("RFC 8656 §7.2: a retransmitted Allocate", func(t *testing.T) {
		r := newRig(t)
		r.session(r.alice)
		v := r.judge(againMsg(r, r.alice))
		if v.Action != Reply || string(v.Reply) != "the answer to the Allocate" {
			t.Errorf("%v %q", v.Action, v.Reply)
		}
		wrong := creds{r.alice.username, testRealm, "wrong"}
		r.reply(r.judge(againMsg(r, wrong)), 401, nil)
	})
	t.Run("in flight", func(t *testing.T) {
		r := newRig(t)
		r.sessions[r.client] = Session{Pending: true, Tx: testTx}
		for _, b := range []wireMsg{againMsg(r, r.alice), anotherMsg(r, r.alice), againMsg(r, r.bob), endMsg(r, r.alice)} {
			r.dropped(r.judge(b), InFlight)
		}
		r.reply(r.judge(newMsg(tBinding)), 0, nil)
	})
	t.Run("an expired credential keeps what it has", func(t *testing.T) {
		r := newRig(t)
		who := r.session(r.alice)
		r.now = r.now.Add(72 * time.Hour)
		for _, b := range []wireMsg{permMsg(r, r.alice), bindMsg(r, r.alice), endMsg(r, r.alice)} {
			if q := r.forwarded(r.judge(b)); q.Identity != who {
				t.Error("not the session's identity")
			}
		}
		delete(r.sessions, r.client)
		r.reply(r.judge(againMsg(r, r.alice)), 401, nil)
	})
}

// Whoever forges a source over UDP must not silence its connections.
func TestStreamsAreNotBudgeted(t *testing.T) {
	r := newRig(t, func(o *Options) {
		spent := testBudget(t, 1, 1)
		spent.Allow(testClient.Addr.Addr(), testNow)
		o.Replies, o.Bindings = spent, spent
	})
	for _, over := range []Transport{TCP, TLS} {
		r.transport = over
		r.reply(r.judge(allocateMsg()), 401, nil)
		r.reply(r.judge(newMsg(tBinding)), 0, nil)
	}
	r.transport = UDP
	r.dropped(r.judge(allocateMsg()), RepliesSpent)
	r.dropped(r.judge(newMsg(tBinding)), RepliesSpent)
}

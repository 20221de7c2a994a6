package gate

import (
	"sync"
	"testing"

	"turnpike/relay/dataplane"
)

// packets are what a gate is busy with, by what becomes of them.
func packets(r *rig) map[string]wireMsg {
	r.session(r.alice)
	return map[string]wireMsg{
		"binding":    newMsg(tBinding),
		"ice":        newMsg(tBinding).attr(6, []byte("evtj:h6vY")).u32(0x24, 1).sign([]byte("k")).fingerprint(),
		"bare":       newMsg(tAllocate),
		"challenge":  allocateMsg(),
		"realm":      newMsg(tRefresh).auth(creds{"1:x", "elsewhere", ""}, r.nonce()),
		"stale":      newMsg(tRefresh).auth(r.alice, "0123456789abcdef"),
		"wrong":      newMsg(tRefresh).auth(creds{r.alice.username, testRealm, "wrong"}, r.nonce()),
		"mismatch":   allocateMsg().tx(1).auth(r.alice, r.nonce()),
		"denied":     newMsg(tPermission).attr(0x12, nil).auth(r.alice, r.nonce()),
		"retransmit": allocateMsg().auth(r.alice, r.nonce()),
		"unknown":    newMsg(tBinding).u32(3, 0),
		"junk":       wireMsg(long(200)),
		"oversize":   newMsg(tAllocate).attr(0x15, long(1400)),
		"response":   newMsg(0x0101),
		"send":       newMsg(0x0016).peer("8.8.8.8:1").attr(0x13, long(100)),
	}
}

// A drop, a Binding answer and a challenge cost no memory. Neither does what a
// session's own user is told at once.
func TestJudgeAllocatesNothing(t *testing.T) {
	r := newRig(t)
	out := make([]byte, 0, dataplane.MaxControl)
	for name, b := range packets(r) {
		p := Packet{Client: r.client, Data: b}
		if v := r.g.Judge(p, r.now, out); v.Action == Forward {
			t.Errorf("%s: forwarded", name)
		}
		if n := testing.AllocsPerRun(100, func() { r.g.Judge(p, r.now, out) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	q := &Request{Client: r.client, Method: Allocate, Identity: r.sessions[r.client].Identity, Fingerprint: true}
	if n := testing.AllocsPerRun(100, func() { r.g.Answer(out, q, Answer{Relayed: relayedV4}) }); n != 0 {
		t.Errorf("Answer: %v allocations", n)
	}
}

// The same from many goroutines: for the race detector, and that each answer is
// that of its own packet.
func TestJudgeConcurrently(t *testing.T) {
	r := newRig(t)
	all := packets(r)
	want := map[string]Verdict{}
	for name, b := range all {
		want[name] = r.judge(b)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			out := make([]byte, 0, dataplane.MaxControl)
			for range 50 {
				for name, b := range all {
					v := r.g.Judge(Packet{Client: r.client, Data: b}, r.now, out)
					if v.Action != want[name].Action || string(v.Reply) != string(want[name].Reply) {
						t.Errorf("%s: %v", name, v)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkJudge(b *testing.B) {
	r := newRig(b)
	all := packets(r)
	all["refresh"] = newMsg(tRefresh).auth(r.alice, r.nonce()).fingerprint()
	all["stranger"] = newMsg(tRefresh).auth(creds{"1900000000:mallory", testRealm, "x"}, r.nonce())
	for _, name := range []string{
		"junk", "oversize", "send", "binding", "ice", "challenge", "stale", "wrong", "stranger", "refresh",
	} {
		b.Run(name, func(b *testing.B) {
			p := Packet{Client: r.client, Data: all[name]}
			out := make([]byte, 0, dataplane.MaxControl)
			b.ReportAllocs()
			for b.Loop() {
				r.g.Judge(p, r.now, out)
			}
		})
	}
}

func BenchmarkAnswer(b *testing.B) {
	r := newRig(b)
	q := &Request{Client: r.client, Method: Allocate, Tx: testTx, Identity: r.session(r.alice)}
	out := make([]byte, 0, dataplane.MaxControl)
	b.ReportAllocs()
	for b.Loop() {
		r.g.Answer(out, q, Answer{Relayed: relayedV4})
	}
}

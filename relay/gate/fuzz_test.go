package gate

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pion/stun/v3"

	table "turnpike/relay/relaytest/wire"
)

func seeds(f *testing.F, r *rig) {
	for _, b := range packets(r) {
		f.Add([]byte(b), byte(0))
	}
	for i, b := range []wireMsg{
		newMsg(tRefresh).u32(0x0D, 700), newMsg(tPermission).peer("8.8.8.8:1").peer("[2001:4860::1]:2"),
		newMsg(tPermission).peer("10.0.0.1:1"), newMsg(tPermission).attr(0x12, nil),
		newMsg(tChannel).u32(0x0C, 0x4000<<16).peer("8.8.8.8:1"), newMsg(tChannel).u32(0x0C, 0x3FFF<<16),
		allocateMsg().u32(0x17, 2<<24).attr(0x18, long(1)), allocateMsg().attr(0x18, []byte{0x80}), allocateMsg().attr(0x22, long(8)), allocateMsg().attr(0x1A, nil), allocateMsg().u32(0x0D, 0),
		allocateMsg().u32(0x8000, 2<<24), allocateMsg().u32(0x8000, 2<<24).attr(0x18, []byte{0x80}), newMsg(tRefresh).u32(0x17, 2<<24), allocateMsg().u32(0x8032, 2<<24),
	} {
		f.Add([]byte(b), byte(1+i%6))
	}
	real, err := table.Seeds()
	must(f, err)
	for i, b := range real {
		f.Add(b, byte(i%8))
	}
}

// What Chromium and coturn's clients send is never dropped for its shape.
func TestRealMessages(t *testing.T) {
	real, err := table.Captured()
	must(t, err)
	for _, b := range real {
		var m message
		if why := m.parse(b); why != NotDropped && why != StrayData && why != StraySend {
			t.Errorf("%v: %x", why, b)
		}
	}
	if len(real) < 50 {
		t.Errorf("%d messages", len(real))
	}
}

// FuzzJudge judges any bytes, as they are and with a right signature put to
// them, without and with a session.
func FuzzJudge(f *testing.F) {
	r := newRig(f)
	r.allowed = denyPrivate
	seeds(f, r)
	live := r.sessions[r.client]
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		r.t, r.transport, r.asked = t, Transport(how/4%2), nil
		delete(r.sessions, r.client)
		if how&1 != 0 {
			r.sessions[r.client] = live
		}
		if how&2 != 0 && len(b) >= 20 && len(b) <= 1000 && len(b)%4 == 0 {
			b = wireMsg(bytes.Clone(b)).auth(r.alice, r.nonce())
		}
		before := bytes.Clone(b)
		v := r.judge(b)
		if !bytes.Equal(b, before) {
			t.Fatal("packet written to")
		}
		switch v.Action {
		case Drop:
			if v.Reason == NotDropped || v.Reply != nil || v.Request != nil {
				t.Fatalf("%+v", v)
			}
		case Reply:
			checkFuzzReply(t, r, b, v.Reply, live.Answer)
		case Forward:
			checkFuzzRequest(t, r, v.Request)
		}
	})
}

func checkFuzzReply(t *testing.T, r *rig, b, reply, answer []byte) {
	if bytes.Equal(reply, answer) {
		return
	}
	m := &stun.Message{Raw: reply}
	must(t, m.Decode())
	request := stun.MessageType{}
	request.ReadValue(binary.BigEndian.Uint16(b))
	if request.Class != stun.ClassRequest || m.Type.Method != request.Method || !bytes.Equal(m.TransactionID[:], b[8:20]) {
		t.Fatalf("%v to %v", m.Type, request)
	}
	if m.Contains(stun.AttrMessageIntegrity) {
		must(t, stun.MessageIntegrity(r.alice.key()).Check(m))
	} else if r.transport == UDP && float64(len(reply)) > 2.4*float64(len(b)) {
		t.Fatalf("%d bytes for %d", len(reply), len(b))
	}
}

func checkFuzzRequest(t *testing.T, r *rig, q *Request) {
	if q.Identity == nil || q.Identity.Username != r.alice.username || q.Method == Binding || q.Client != r.client {
		t.Fatalf("%+v", q)
	}
	if q.Lifetime != 0 && (q.Lifetime < defaultLifetime || q.Lifetime > MaxLifetime) || q.Method == Allocate && q.Lifetime == 0 {
		t.Fatalf("lifetime %v", q.Lifetime)
	}
	if _, live := r.sessions[r.client]; live == (q.Method == Allocate) {
		t.Fatalf("%v with session %v", q.Method, live)
	}
	if p := q.Port; p != (Port{}) && q.Method != Allocate || p.Reserve && !p.Even || p.Even && p.Token != nil {
		t.Fatalf("%v with %+v", q.Method, p)
	}
	if q.Dual && (q.Method != Allocate || q.Family != IPv4 || q.Port.Reserve || q.Port.Token != nil) {
		t.Fatalf("dual %v of %v with %+v", q.Method, q.Family, q.Port)
	}
	bind, permit := q.Method == ChannelBind, q.Method == CreatePermission
	if bind != (q.Channel != 0) || bind && (q.Channel < 0x4000 || q.Channel > 0x4FFF) {
		t.Fatalf("channel %#x", q.Channel)
	}
	if n := len(q.Peers); bind && n != 1 || permit && (n < 1 || n > MaxPeers) || !bind && !permit && n != 0 {
		t.Fatalf("%d peers", n)
	}
	for _, p := range q.Peers {
		if !p.Addr().Is4() || p.Addr().IsPrivate() || bind != (p.Port() != 0) {
			t.Fatalf("peer %v", p)
		}
	}
}

// FuzzParse holds the walk against pion/stun's: what passes it, that reads too,
// and sees the same first attributes.
func FuzzParse(f *testing.F) {
	seeds(f, newRig(f))
	f.Fuzz(func(t *testing.T, b []byte, _ byte) {
		var m message
		if m.parse(b) != NotDropped {
			return
		}
		theirs := &stun.Message{Raw: bytes.Clone(b)}
		must(t, theirs.Decode())
		if m.end < headerSize || m.end > len(b) || m.unknowns > maxUnknown {
			t.Fatalf("%+v", m)
		}
		if m.integrity != 0 && m.signed([]byte("key")) !=
			(stun.MessageIntegrity("key").Check(theirs) == nil) {
			t.Fatal("signature")
		}
		if m.fingerprint != (stun.Fingerprint.Check(theirs) == nil) {
			t.Fatal("fingerprint")
		}
		for typ, ours := range map[stun.AttrType][]byte{
			stun.AttrUsername: m.username, stun.AttrRealm: m.realm, stun.AttrNonce: m.nonce, stun.AttrLifetime: m.lifetime,
			stun.AttrRequestedTransport: m.transport, stun.AttrChannelNumber: m.channelNumber,
			stun.AttrEvenPort: m.evenPort, stun.AttrReservationToken: m.token,
		} {
			if v, err := theirs.Get(typ); ours != nil && (err != nil || !bytes.Equal(v, ours)) {
				t.Fatalf("%v: %x, want %x", typ, ours, v)
			}
		}
		if m.additional != nil && !theirs.Contains(attrAdditionalFamily) && !theirs.Contains(draftAdditionalFamily) {
			t.Fatalf("additional %x", m.additional)
		}
		if peers, ok := m.peers(); ok && len(peers) > maxAttributes {
			t.Fatal(len(peers))
		}
	})
}

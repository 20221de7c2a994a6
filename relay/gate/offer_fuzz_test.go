package gate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/pion/stun/v3"
)

// FuzzOffered judges any bytes where password algorithms are negotiated, as they
// are and with right signatures of all sorts put to them. What is forwarded must
// be signed as what came back of the offer says.
func FuzzOffered(f *testing.F) {
	r := offered(f)
	nonce, key := r.ticket(), r.alice.sha256Key()
	seeds(f, r)
	claimed := func(one, all []byte) wireMsg { return allocateMsg().claim(r.alice, nonce, one, all) }
	for how, b := range []wireMsg{
		claimed(wireSHA256, wireBoth).signSHA256(key), claimed(wireSHA256, wireBoth).sign(key).signSHA256(key),
		claimed(wireMD5, wireBoth).signSHA256(r.alice.key()), claimed(nil, nil).sign(r.alice.key()),
		claimed(wireSHA256, nil).signSHA256(key), claimed(nil, wireBoth).signSHA256(key), claimed(nil, nil).signSHA256(key),
		claimed(wireSHA256, wireBoth).attr(0x1C, key[:16]), claimed(wireSHA256, wireBoth).sign(key).u32(0x7FFF, 0).signSHA256(key),
		allocateMsg().attr(0x1E, key).attr(0x15, []byte(nonce)).signSHA256(key), allocateMsg().attr(0x1D, []byte{0, 2, 0, 0, 0, 0}),
	} {
		f.Add([]byte(b), byte(how))
	}
	delete(r.sessions, r.client)
	f.Fuzz(func(t *testing.T, b []byte, how byte) {
		r.t = t
		if how&1 != 0 && len(b) >= 20 && len(b) <= 1000 && len(b)%4 == 0 {
			w := wireMsg(bytes.Clone(b)).claim(r.alice, nonce, wireSHA256, wireBoth)
			if how&2 != 0 {
				w = w.sign(key)
			}
			b = w.signSHA256(key)
		}
		v := r.judge(b)
		switch v.Action {
		case Reply:
			checkOfferedReply(t, b, v.Reply)
		case Forward:
			checkOfferedRequest(t, r, b, v.Request)
		}
	})
}

// checkOfferedReply: nobody is answered at greater length than the manual says.
func checkOfferedReply(t *testing.T, b, reply []byte) {
	m := &stun.Message{Raw: reply}
	must(t, m.Decode())
	signed := m.Contains(stun.AttrMessageIntegrity) || m.Contains(stun.AttrMessageIntegritySHA256)
	if !signed && float64(len(reply)) > 3.3*float64(len(b)) {
		t.Fatalf("%d bytes for %d", len(reply), len(b))
	}
}

func checkOfferedRequest(t *testing.T, r *rig, b []byte, q *Request) {
	theirs := &stun.Message{Raw: bytes.Clone(b)}
	must(t, theirs.Decode())
	one, _ := theirs.Get(stun.AttrPasswordAlgorithm)
	all, _ := theirs.Get(stun.AttrPasswordAlgorithms)
	key := r.alice.key()
	if q.signing.sha256Key {
		key = r.alice.sha256Key()
	}
	if q.signing.sha256 && (!bytes.Equal(all, wireBoth) || q.signing.sha256Key != bytes.Equal(one, wireSHA256)) {
		t.Fatalf("%+v of %x in %x", q.signing, one, all)
	}
	mac := theirs.Contains(stun.AttrMessageIntegrity) && stun.MessageIntegrity(key).Check(theirs) == nil
	if !mac && !signedSomewhere(key, b) {
		t.Fatal("forwarded, and not signed")
	}
}

// signedSomewhere reports whether a MESSAGE-INTEGRITY-SHA256 in b is right by
// crypto/hmac.
func signedSomewhere(key, b []byte) bool {
	for at := 20; at+36 <= len(b); at += 4 {
		if binary.BigEndian.Uint32(b[at:]) != 0x001C0020 {
			continue
		}
		text := wireMsg(bytes.Clone(b[:at])).setLen(36)
		mac := hmac.New(sha256.New, key)
		mac.Write(text)
		if hmac.Equal(mac.Sum(nil), b[at+4:at+36]) {
			return true
		}
	}
	return false
}

package main

import (
	"bytes"
	"time"

	"github.com/pion/stun/v3"
	"github.com/rogpeppe/go-internal/testscript"

	"turnpike/relay/relaytest"
)

// biddown does to requests of a client that has an allocation what somebody
// between it and the server could do to have them use MD5: none may get through,
// and the client's next request does.
func scriptBidDown(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) == 1, "biddown CLIENT")
	c := scriptBedOf(ts).clients[args[0]]
	if r, err := c.Refresh(10 * time.Minute); err != nil || !r.OK() || !r.Signed || len(c.Algorithms) != 8 {
		ts.Fatalf("before: %s %v, offered %x", r, err, c.Algorithms)
	}
	one := func(b ...byte) stun.Setter { return relaytest.Attr{Type: stun.AttrPasswordAlgorithm, Value: b} }
	all := func(b []byte) stun.Setter { return relaytest.Attr{Type: stun.AttrPasswordAlgorithms, Value: b} }
	reversed := append(bytes.Clone(c.Algorithms[4:]), c.Algorithms[:4]...)
	old := stun.NewLongTermIntegrity(c.User.Name, c.Realm, c.User.Password)
	for _, try := range []struct {
		name  string
		nonce string
		code  int
		rest  []stun.Setter
	}{
		{"PASSWORD-ALGORITHMS stripped", c.Nonce, 400, []stun.Setter{one(0, 2, 0, 0), c.SHA256Key()}},
		{"PASSWORD-ALGORITHM stripped", c.Nonce, 400, []stun.Setter{all(c.Algorithms), c.SHA256Key()}},
		{"both stripped", c.Nonce, 401, []stun.Setter{c.SHA256Key()}},
		{"reordered", c.Nonce, 400, []stun.Setter{one(0, 2, 0, 0), all(reversed), c.SHA256Key()}},
		{"MD5 forced", c.Nonce, 400, []stun.Setter{one(0, 1, 0, 0), all([]byte{0, 1, 0, 0}), old}},
		{"cookie removed", c.Nonce[13:], 438, []stun.Setter{old}},
		{"no feature in the cookie", "obMatJos2AAAA" + c.Nonce[13:], 438, []stun.Setter{old}},
		{"as ever", c.Nonce, 0, []stun.Setter{one(0, 2, 0, 0), all(c.Algorithms), c.SHA256Key()}},
		{"as before RFC 8489", c.Nonce, 0, []stun.Setter{old}},
	} {
		b, err := scriptRequest(c, try.nonce, try.rest)
		ts.Check(err)
		if r, err := c.Exchange(b); err != nil || r.Code != try.code {
			ts.Fatalf("%s: %s, %v; want %d", try.name, r, err, try.code)
		}
	}
}

// scriptRequest is a Refresh with USERNAME, REALM, this NONCE, and the rest.
func scriptRequest(c *relaytest.Client, nonce string, rest []stun.Setter) ([]byte, error) {
	bare := &relaytest.Client{}
	text := func(t stun.AttrType, s string) stun.Setter { return relaytest.Attr{Type: t, Value: []byte(s)} }
	return bare.Request(stun.MethodRefresh, append([]stun.Setter{
		text(stun.AttrUsername, c.User.Name), text(stun.AttrRealm, c.Realm), text(stun.AttrNonce, nonce),
	}, rest...), nil)
}

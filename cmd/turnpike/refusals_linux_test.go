package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"turnpike/relay/relaytest"
)

// minted is a credential as whoever holds the secret makes it.
func minted(secret, username string) relaytest.User {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return relaytest.User{Name: username, Password: base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// refusals are credentials that are refused, by their sort: usernames of one
// length.
func refusals(secret string, now time.Time) map[string]map[string]relaytest.User {
	soon, late := now.Add(time.Hour).Unix(), now.Add(-time.Hour).Unix()
	issued := func(when int64, key string) string {
		return fmt.Sprintf("%d:~%s.default.0123456789abcdef:alice", when, key)
	}
	shared := func(when int64, user string) string { return fmt.Sprintf("%d:%s", when, user) }
	wrong := func(username string) relaytest.User { return minted("a guess", username) }
	return map[string]map[string]relaytest.User{
		"issued": {
			"wrong":   wrong(issued(soon, "k")),
			"unknown": wrong(issued(soon, "z")),
			"expired": minted("key-of-the-issuer-"+secret, issued(late, "k")),
		},
		"shared": {
			"wrong":   wrong(shared(soon, "alice")),
			"unknown": wrong(shared(soon, "mally")),
			"expired": minted(secret, shared(late, "alice")),
		},
	}
}

// Wrong, unknown and expired credentials are answered alike: the same bytes but
// for transaction and nonce, over every transport, and as make timing measures
// it, over UDP, after the same time. The planted difference is a foreign realm,
// for which no key is made.
func TestRefusalsAreAlike(t *testing.T) {
	if !inPublic(t) {
		return
	}
	s, secret := startPublic(t, "limits: {failures_per_second: 1000000, failures_burst: 1000000}\n")
	for sort, users := range refusals(secret, time.Now()) {
		for _, over := range []string{"udp", "tcp", "tls"} {
			sameAnswers(t, sort+" over "+over, openClient(t, over, publicTURN, relaytest.User{}), users)
		}
		sameTime(t, sort, openClient(t, "udp", publicTURN, relaytest.User{}), users)
	}
	expired := s.Metrics(t)[`turnpike_auth_total{result="expired"}`]
	if expired < 6 { // or the right signature would never have been seen
		t.Errorf("%v credentials were rightly signed and expired", expired)
	}
}

func sameAnswers(t *testing.T, what string, c *relaytest.Client, users map[string]relaytest.User) {
	t.Helper()
	var first []byte
	for name, user := range users {
		c.User = user
		r, err := c.Allocate() // challenged at first
		if err != nil || r.Code != 401 {
			t.Fatalf("%s: %s: %v %v", what, name, r, err)
		}
		b := bytes.Clone(r.Raw)
		clear(b[8:20])
		b = bytes.ReplaceAll(b, []byte(r.Nonce), make([]byte, len(r.Nonce)))
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Errorf("%s: %s is answered\n%x, another\n%x", what, name, b, first)
		}
	}
}

// timingPatience bounds the measurement of one sort.
const timingPatience = 2 * time.Minute

// sameTime measures how long the answers take, if it is asked to: what a few
// samples could show over sockets is what else the machine does.
func sameTime(t *testing.T, sort string, c *relaytest.Client, users map[string]relaytest.User) {
	t.Helper()
	samples, sharp := relaytest.TimingSamples()
	if !sharp {
		return
	}
	if r, err := c.Allocate(); err != nil || r.Nonce == "" {
		t.Fatalf("no challenge: %v %v", r, err)
	}
	do, realm := map[string]func() error{}, c.Realm
	for name, user := range users {
		c.User = user
		do[name] = exchange(t, c)
	}
	c.User, c.Realm = users["wrong"], realm[:len(realm)-1]+"X"
	do["planted"] = exchange(t, c)
	if err := c.Conn.SetReadDeadline(time.Now().Add(timingPatience)); err != nil {
		t.Fatal(err)
	}
	taken, err := relaytest.Interleave(samples, do)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("usernames that are %s, over UDP:", sort)
	relaytest.CompareTimes(t, taken, "wrong", "planted", func(a, b relaytest.Times) bool {
		return math.Abs(relaytest.Welch(a, b)) >= 4.5
	})
}

// exchange sends one request of the client's, again and again, and waits for
// the answer. Nothing else is on its way.
func exchange(t *testing.T, c *relaytest.Client) func() error {
	t.Helper()
	request, err := c.Request(stun.MethodAllocate, []stun.Setter{relaytest.RequestedTransport(17)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1500)
	return func() error {
		if err := c.WriteRaw(request); err != nil {
			return err
		}
		n, at, err := c.Conn.ReadFrom(answer)
		if err == nil && (n < 20 || answer[0] != 1 || answer[1] != 0x13) {
			err = fmt.Errorf("%x from %s is no error response to Allocate", answer[:n], at)
		}
		return err
	}
}

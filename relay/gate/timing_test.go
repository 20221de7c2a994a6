package gate

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"math"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/relay/dataplane"
	"turnpike/relay/relaytest"
)

const (
	// timingNear is how far medians may be apart in a short run, and timingSame
	// how far means in one that is to be exact. Ten nanoseconds and more are
	// where a key's state lies in memory, which is another place in each process,
	// and what branches cost that the processor guesses wrong; a key is hundreds.
	timingNear = 0.25
	timingSame = 0.01
)

// refusals are requests whose credentials are refused, by their sort: usernames
// of one length, so that the answers' being late can only tell which fault it
// was.
func refusals(t *testing.T) (*rig, map[string]map[string]wireMsg) {
	secret := func(text string) auth.Secret {
		s, err := auth.NewSecret([]byte(text))
		must(t, err)
		return s
	}
	ring, err := auth.NewKeyring(auth.Options{
		Keys: []auth.Key{{ID: "k1", Secret: secret("0f8Kq2Vn7xLw4Zr9Tb1Ym6Cd3Hs5Jg0PqRuEiAo")}},
		Shared: []auth.Shared{
			{ID: "a", Secret: secret("Xq7Lm2Rv9Tz4Wb8Kc1Nd6Fs3Hj5Gp0YeUaOiQwE")},
			{ID: "b", Secret: secret("Zt5Bn8Cx1Vm4Lk7Jh2Gf9Ds6Aq3Wp0RuYeTiOlM")},
		},
		Static: []auth.StaticUser{{ID: "home", Name: "homeassistant", Password: secret("Lk3Jh8Gf1Ds6Aq9Wp2Rx5Yt0UiOeBnVmCzQsEdR")}},
	})
	must(t, err)
	r := newRig(t, func(o *Options) {
		o.Verifier, err = auth.NewVerifier(ring, testRealm)
		must(t, err)
	})
	r.ring = ring
	issued, late := r.issue("alice", 0), r.issue("alice", 48*time.Hour)
	unknown := issued
	unknown.username = issued.username[:len("1800086400:~")] + "zz" + issued.username[len("1800086400:~k1"):]
	request := func(c creds) wireMsg { return newMsg(tRefresh).auth(c, r.nonce()) }
	return r, map[string]map[string]wireMsg{
		"issued": {
			"wrong":   request(creds{issued.username, testRealm, "a guess"}),
			"unknown": request(unknown),
			"expired": request(late),
		},
		"shared": {
			"wrong":   request(creds{"1800003600:alice", testRealm, "a guess"}),
			"unknown": request(creds{"1800003600:mally", testRealm, "a guess"}),
			"expired": request(minted("Xq7Lm2Rv9Tz4Wb8Kc1Nd6Fs3Hj5Gp0YeUaOiQwE", "1700003600:alice")),
		},
		"static": {
			"wrong":   request(creds{"homeassistant", testRealm, "a guess"}),
			"unknown": request(creds{"somebody-else", testRealm, "a guess"}),
			"shared":  request(minted("Xq7Lm2Rv9Tz4Wb8Kc1Nd6Fs3Hj5Gp0YeUaOiQwE", "homeassistant")),
		},
	}
}

// minted is a credential as an application makes it.
func minted(secret, username string) creds {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return creds{username, testRealm, base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// Wrong, unknown and expired credentials take the same time. The planted
// difference is a realm of somebody else's: it is refused before a key is made,
// which the same measurement must find.
func TestTiming(t *testing.T) {
	samples, sharp := relaytest.TimingSamples()
	r, sorts := refusals(t)
	// All in one place: where a message lies costs more than a branch.
	in, out := make([]byte, MaxPacket), make([]byte, 0, dataplane.MaxControl)
	for sort, requests := range sorts {
		requests["wrong again"] = requests["wrong"]
		requests["planted"] = newMsg(tRefresh).auth(creds{"1800003600:alice", "example.com", "x"}, r.nonce())
		do := map[string]func() error{}
		for name, b := range requests {
			r.reply(r.judge(b), 401, nil)
			do[name] = func() error {
				r.g.Judge(Packet{Client: r.client, Data: in[:copy(in, b)]}, r.now, out)
				return nil
			}
		}
		taken, err := relaytest.Interleave(samples, do)
		must(t, err)
		t.Logf("usernames that are %s:", sort)
		relaytest.CompareTimes(t, taken, "wrong", "planted", func(a, b relaytest.Times) bool {
			return math.Abs(a.Median()/b.Median()-1) > timingNear || sharp && math.Abs(a.Mean()/b.Mean()-1) > timingSame
		})
	}
}

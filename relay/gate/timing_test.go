package gate

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/relay/dataplane"
)

// timingEnv asks for as many samples as tell a difference of a few nanoseconds
// from none. make timing sets it; it wants a machine that does nothing else.
const timingEnv = "TURNPIKE_TIMING"

const (
	timingSamples = 100_000
	timingFew     = 4000
	// timingT is what Welch's t of two samples of one distribution exceeds once
	// in 100,000 times: the usual threshold of leakage tests.
	timingT = 4.5
	// timingNear is how far medians may be apart in a short run.
	timingNear = 1.25
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
	samples, sharp := timingFew, os.Getenv(timingEnv) != ""
	if sharp {
		samples = timingSamples
	}
	r, sorts := refusals(t)
	for sort, requests := range sorts {
		const planted = "planted"
		requests["wrong again"] = requests["wrong"]
		requests[planted] = newMsg(tRefresh).auth(creds{"1800003600:alice", "example.com", "x"}, r.nonce())
		taken := r.times(requests, samples)
		for name, times := range taken {
			if name == "wrong" {
				continue
			}
			ratio, w := median(times)/median(taken["wrong"]), welch(times, taken["wrong"])
			t.Logf("%s, %s and wrong: medians %.0f and %.0f ns, t = %.2f", sort, name, median(times), median(taken["wrong"]), w)
			differ := ratio > timingNear || ratio < 1/timingNear || sharp && math.Abs(w) >= timingT
			if found := name == planted; differ != found {
				t.Errorf("%s, %s and wrong differ: %v, want %v", sort, name, differ, found)
			}
		}
	}
}

// times judges each request so many times, in random order, and returns the
// nanoseconds that each took, without those of all that were interrupted.
func (r *rig) times(requests map[string]wireMsg, samples int) map[string][]float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	names := make([]string, 0, len(requests))
	taken := map[string][]float64{}
	for name, b := range requests {
		names, taken[name] = append(names, name), make([]float64, 0, samples)
		if v := r.judge(b); v.Action != Reply {
			r.t.Fatalf("%s: %v (%v), want a reply", name, v.Action, v.Reason)
		}
	}
	// All in one place: where a message lies costs more than a branch.
	in, out := make([]byte, MaxPacket), make([]byte, 0, dataplane.MaxControl)
	for range samples {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			p := Packet{Client: r.client, Data: in[:copy(in, requests[name])]}
			begin := time.Now()
			r.g.Judge(p, r.now, out)
			taken[name] = append(taken[name], float64(time.Since(begin)))
		}
	}
	return cropped(taken)
}

// cropped leaves out what is beyond the 95th percentile of the slowest: the
// machine's doing, and none of the request's.
func cropped(taken map[string][]float64) map[string][]float64 {
	limit := 0.0
	for _, times := range taken {
		sorted := slices.Sorted(slices.Values(times))
		limit = max(limit, sorted[len(sorted)*95/100])
	}
	for name, times := range taken {
		taken[name] = slices.DeleteFunc(times, func(v float64) bool { return v > limit })
	}
	return taken
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// welch is Welch's t of two samples.
func welch(a, b []float64) float64 {
	meanA, varA := moments(a)
	meanB, varB := moments(b)
	return (meanA - meanB) / math.Sqrt(varA/float64(len(a))+varB/float64(len(b)))
}

func moments(v []float64) (mean, variance float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		variance += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return mean, variance
}

// The statistic is right: figures worked out by hand.
func TestWelch(t *testing.T) {
	a, b := []float64{1, 2, 3, 4, 5}, []float64{3, 4, 5, 6, 7}
	if got := welch(a, b); math.Abs(got+2) > 1e-9 { // (3-5) / sqrt(2.5/5 + 2.5/5)
		t.Errorf("t = %v, want -2", got)
	}
	if welch(a, a) != 0 {
		t.Error("a sample differs from itself")
	}
}

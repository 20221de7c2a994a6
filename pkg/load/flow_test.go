package load

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// Of what was sent, each packet counts once, in whatever order; unless it is
// more than 64 late, when it is taken on trust.
func TestArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := flow{sent: 200}
		seen, top := map[uint64]bool{}, uint64(0)
		for range rapid.IntRange(1, 300).Draw(t, "packets") {
			seq := rapid.OneOf(rapid.Uint64Range(0, 210), rapid.Uint64Range(top-min(top, 5), top+5)).Draw(t, "seq")
			late := len(seen) > 0 && seq+64 <= top
			want := seq < 200 && (!seen[seq] || late)
			if got := f.arrive(seq); got != want {
				t.Fatalf("%d: %t, want %t (top %d)", seq, got, want, top)
			}
			if seq < 200 {
				seen[seq], top = true, max(top, seq)
			}
		}
	})
}

// The jitter of RFC 3550 §6.4.1, in integers as its §A.8 has it, is that in
// fractions.
func TestJitter(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var f flow
	var j, last float64
	for i := range 10_000 {
		transit := 50_000 + r.Int64N(20_000)
		f.time(transit)
		if i > 0 {
			j += (math.Abs(float64(transit)-last) - j) / 16
		}
		last = float64(transit)
	}
	if got := float64(f.jitter) / 16; math.Abs(got-j) > 2 {
		t.Errorf("%v, want %v", got, j)
	}
	f.forget()
	for range 100 {
		f.time(1234)
	}
	if f.jitter != 0 {
		t.Errorf("even packets have a jitter of %d", f.jitter)
	}
}

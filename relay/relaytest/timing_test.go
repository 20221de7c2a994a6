package relaytest

import (
	"math"
	"testing"
)

// The statistic is right: figures worked out by hand.
func TestWelch(t *testing.T) {
	a, b := Times{1, 2, 3, 4, 5}, Times{3, 4, 5, 6, 7}
	if got := Welch(a, b); math.Abs(got+2) > 1e-9 { // (3-5) / sqrt(2.5/5 + 2.5/5)
		t.Errorf("t = %v, want -2", got)
	}
	if Welch(a, a) != 0 {
		t.Error("a sample differs from itself")
	}
}

func TestInterleave(t *testing.T) {
	done := map[string]int{}
	count := func(name string) func() error {
		return func() error { done[name]++; return nil }
	}
	taken, err := Interleave(100, map[string]func() error{"a": count("a"), "b": count("b")})
	if err != nil || done["a"] != 100 || done["b"] != 100 || len(taken["a"]) < 80 || len(taken["a"])+len(taken["b"]) == 200 {
		t.Errorf("%v, %v, %d and %d kept", done, err, len(taken["a"]), len(taken["b"]))
	}
}

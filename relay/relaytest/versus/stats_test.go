package main

import (
	"math"
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   spread
		text   string
	}{
		{nil, spread{}, "-"},
		{[]float64{7}, spread{7, 7, 7, 1}, "7.00"},
		{[]float64{9, 1, 4}, spread{4, 1, 9, 3}, "4.00 [1.00-9.00]"},
		{[]float64{8, 1, 2, 4}, spread{3, 1, 8, 4}, "3.00 [1.00-8.00]"},
	} {
		before := slices.Clone(tt.values)
		got := spreadOf(tt.values)
		if got != tt.want || got.format(digits) != tt.text {
			t.Errorf("spreadOf(%v) = %+v, %q; want %+v, %q", tt.values, got, got.format(digits), tt.want, tt.text)
		}
		if !slices.Equal(tt.values, before) {
			t.Errorf("spreadOf has sorted its argument: %v", tt.values)
		}
	}
}

// A ratio is of two runs of one round, never of two medians.
func TestRatios(t *testing.T) {
	slow, fast := series{0: 10, 1: 20, 2: 40}, series{0: 5, 1: 16, 3: 1}
	got := fast.ratios(slow)
	if len(got) != 2 || got[0] != 0.5 || got[1] != 0.8 {
		t.Errorf("ratios %v, want 0.5 and 0.8 of rounds 0 and 1", got)
	}
	if s := got.spread(); math.Abs(s.Median-0.65) > 1e-9 || s.Min != 0.5 || s.Max != 0.8 {
		t.Errorf("spread %+v", s)
	}
	if got := fast.ratios(series{0: 0}); len(got) != 0 {
		t.Errorf("a ratio to nothing: %v", got)
	}
}

func TestOrder(t *testing.T) {
	for round, want := range [][]int{{0, 1, 2}, {2, 1, 0}, {0, 1, 2}} {
		if got := order(3, round); !slices.Equal(got, want) {
			t.Errorf("round %d: %v, want %v", round, got, want)
		}
	}
}

func TestDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00002: "2e-05", 0.0514: "0.051", 0.9996: "1.000", 1.234: "1.23", 45.678: "45.7", 123.4: "123", 98765: "98765"} {
		if got := digits(v); got != want {
			t.Errorf("digits(%v) = %q, want %q", v, got, want)
		}
	}
}

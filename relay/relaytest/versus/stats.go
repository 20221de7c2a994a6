package main

import (
	"fmt"
	"maps"
	"slices"
)

// spread is what several rounds of one measurement come to. The median stands
// for it, and the rest says how far to trust that.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds"`
}

// spreadOf is the zero spread for no values. Of an even number of values the
// median is the middle between the two in the middle.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	median := s[mid]
	if len(s)%2 == 0 {
		median = (s[mid-1] + s[mid]) / 2
	}
	return spread{Median: median, Min: s[0], Max: s[len(s)-1], Rounds: len(s)}
}

// format writes the median and, where there was more than one round, the range.
func (s spread) format(one func(float64) string) string {
	switch s.Rounds {
	case 0:
		return "-"
	case 1:
		return one(s.Median)
	}
	return fmt.Sprintf("%s [%s-%s]", one(s.Median), one(s.Min), one(s.Max))
}

// series is one measurement of one server, by round.
type series map[int]float64

func (s series) spread() spread { return spreadOf(slices.Collect(maps.Values(s))) }

// ratios divides round by round: the machine drifts by more from one minute to
// the next than the servers differ. A round that lacks either, or whose divisor
// is nothing, gives no ratio.
func (s series) ratios(to series) series {
	r := series{}
	for round, value := range s {
		if base, ok := to[round]; ok && base > 0 {
			r[round] = value / base
		}
	}
	return r
}

// order is the order of n servers in a round: there and back, so that what
// changes steadily meanwhile, such as the machine's temperature, falls on all
// alike.
func order(n, round int) []int {
	o := make([]int, n)
	for i := range o {
		o[i] = i
	}
	if round%2 == 1 {
		slices.Reverse(o)
	}
	return o
}

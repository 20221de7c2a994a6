package metrics

import (
	"cmp"
	"maps"
	"slices"
)

// maxLabels is the most labels a family has.
const maxLabels = 2

// values are the label values of one series, in the order of the family's
// labels.
type values [maxLabels]string

// sample is one number of a family.
type sample struct {
	values values
	number float64
}

type number interface{ int | uint64 | float64 }

func single[N number](n N) []sample { return []sample{{number: float64(n)}} }

// byLabel and byPair give the samples of a map in order: which values a label
// learns first must not hang on the order of a map.
func byLabel[N number](m map[string]N) []sample {
	out := make([]sample, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, sample{values{k}, float64(m[k])})
	}
	return out
}

func byPair[N number](m map[[2]string]N) []sample {
	keys := slices.SortedFunc(maps.Keys(m), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	out := make([]sample, 0, len(m))
	for _, k := range keys {
		out = append(out, sample{values(k), float64(m[k])})
	}
	return out
}

package load

import (
	"math/bits"
	"time"
)

// histogram counts durations in nanoseconds. Up to 64 ns each value has a bin;
// beyond, each power of two has 64, so a quantile is off by less than 1 %. It
// is an array: counting allocates nothing and two can be added.
type histogram struct {
	bins [64 * 58]uint64
	n    uint64
	max  int64
}

const (
	binBits = 6
	binsOf2 = 1 << binBits
)

func binOf(v uint64) int {
	if v < binsOf2 {
		return int(v)
	}
	e := bits.Len64(v) - 1 - binBits // v>>e is within [64, 128)
	return e*binsOf2 + int(v>>e)
}

// middle is the value in the middle of a bin.
func middle(bin int) float64 {
	if bin < 2*binsOf2 {
		return float64(bin) // bins of one value
	}
	e := bin/binsOf2 - 1
	low := uint64(bin-e*binsOf2) << e
	return float64(low) + float64(uint64(1)<<e-1)/2
}

// add counts v. A negative one, which only a broken clock makes, is 0.
func (h *histogram) add(v int64) {
	v = max(v, 0)
	h.bins[binOf(uint64(v))]++
	h.n++
	h.max = max(h.max, v)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.bins {
		h.bins[i] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// quantile is the smallest value that at least the share q of all do not
// exceed, but for the width of its bin.
func (h *histogram) quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	want := max(uint64(q*float64(h.n)+0.5), 1)
	var seen uint64
	for i, n := range h.bins {
		if seen += n; seen >= want {
			return time.Duration(min(middle(i), float64(h.max)))
		}
	}
	return time.Duration(h.max)
}

package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, sample := range map[string]func() int64{
		"narrow": func() int64 { return 20_000 + r.Int64N(1000) },
		"wide":   func() int64 { return int64(math.Exp(r.Float64() * 30)) },
		"small":  func() int64 { return r.Int64N(100) },
		"one":    func() int64 { return 123_456 },
	} {
		var h, other histogram
		var all []int64
		for i := range 20_000 {
			v := sample()
			all = append(all, v)
			if i%3 == 0 {
				other.add(v)
			} else {
				h.add(v)
			}
		}
		h.merge(&other)
		slices.Sort(all)
		for _, q := range []float64{0, .5, .9, .99, .999, 1} {
			want := float64(all[max(int(q*float64(len(all))+.5), 1)-1])
			if got := float64(h.quantile(q)); math.Abs(got-want) > want/100 {
				t.Errorf("%s: the quantile %v is %v, want %v", name, q, got, want)
			}
		}
		if h.max != all[len(all)-1] || h.n != uint64(len(all)) {
			t.Errorf("%s: %d, at most %d", name, h.n, h.max)
		}
	}
}

// Every value is within its bin, and the bins are in order and none is missing.
func TestBins(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<62; v += v/200 + 1 {
		bin := binOf(v)
		if bin < last || bin > last+1 {
			t.Fatalf("%d is in bin %d, after bin %d", v, bin, last)
		}
		last = bin
		if m := middle(bin); math.Abs(m-float64(v)) > float64(v)/100 {
			t.Fatalf("%d is in the bin of %v", v, m)
		}
	}
	var h histogram
	h.add(math.MaxInt64)
	h.add(-1)
	if h.quantile(.1) != 0 || h.quantile(1) < time.Duration(math.MaxInt64/100*99) {
		t.Error(h.quantile(.1), h.quantile(1))
	}
}

func TestHistogramIsEmpty(t *testing.T) {
	var h histogram
	if h.quantile(.5) != 0 || h.report() != nil {
		t.Error("nothing has a median")
	}
}

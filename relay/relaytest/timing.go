package relaytest

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

// Times are how many nanoseconds something took, each time.
type Times []float64

// timingEnv asks for as many samples as tell a small difference from none.
const timingEnv = "TURNPIKE_TIMING"

const (
	timingSamples = 100_000
	timingFew     = 1000
)

// TimingSamples is how often a test of timing has to measure, and whether that
// is enough to tell small differences: make timing asks for it, on a machine
// that does nothing else.
func TimingSamples() (n int, sharp bool) {
	if os.Getenv(timingEnv) != "" {
		return timingSamples, true
	}
	return timingFew, false
}

// Interleave does each of several things so many times, in random order, and
// tells how long each took. What is beyond the 95th percentile of the slowest
// is left out: that is the machine's doing. The first error ends it.
func Interleave(samples int, do map[string]func() error) (map[string]Times, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	taken, names := map[string]Times{}, make([]string, 0, len(do))
	for name := range do {
		taken[name], names = make(Times, 0, samples), append(names, name)
	}
	for range samples {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, name := range names {
			f := do[name]
			begin := time.Now()
			err := f()
			took := time.Since(begin)
			if err != nil {
				return nil, err
			}
			taken[name] = append(taken[name], float64(took))
		}
	}
	crop(taken)
	return taken, nil
}

func crop(taken map[string]Times) {
	limit := 0.0
	for _, times := range taken {
		limit = max(limit, times.quantile(.95))
	}
	for name, times := range taken {
		taken[name] = slices.DeleteFunc(times, func(v float64) bool { return v > limit })
	}
}

func (v Times) quantile(q float64) float64 {
	return slices.Sorted(slices.Values(v))[int(q*float64(len(v)))]
}

// Median is the time in the middle.
func (v Times) Median() float64 { return v.quantile(.5) }

// Least is the shortest, which nobody interrupted.
func (v Times) Least() float64 { return slices.Min(v) }

// Mean is the average.
func (v Times) Mean() (mean float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	return mean
}

func (v Times) variance() (sum float64) {
	mean := v.Mean()
	for _, x := range v {
		sum += (x - mean) * (x - mean) / float64(len(v)-1)
	}
	return sum
}

// Welch is Welch's t of two samples. Beyond 4.5, up or down, the two are not of
// one distribution: what is is beyond it once in 100,000 times.
func Welch(a, b Times) float64 {
	return (a.Mean() - b.Mean()) / math.Sqrt(a.variance()/float64(len(a))+b.variance()/float64(len(b)))
}

// CompareTimes checks that nothing differs from the first but the planted
// difference, which must. differ judges a pair.
func CompareTimes(t *testing.T, taken map[string]Times, first, planted string, differ func(a, b Times) bool) {
	t.Helper()
	for name, times := range taken {
		if name == first {
			continue
		}
		t.Logf("%s and %s: medians %.0f and %.0f ns, means %.1f and %.1f ns, t = %.2f",
			name, first, times.Median(), taken[first].Median(), times.Mean(), taken[first].Mean(), Welch(times, taken[first]))
		if got, want := differ(times, taken[first]), name == planted; got != want {
			t.Errorf("%s and %s differ: %v, want %v", name, first, got, want)
		}
	}
}

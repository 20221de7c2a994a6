package load

import (
	"testing"
	"time"
)

// Who asks again when he was told to sends at the rate, neither early nor late.
func TestPace(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 3, 50, 999, 50_000, 1e6} {
		p := pace{rate: rate, start: 1000}
		now, sent := p.start, 0
		for sent < 1000 {
			n, late, wait := p.due(now)
			if late != 0 {
				t.Fatalf("rate %v: late by %d", rate, late)
			}
			if n == 0 {
				now += int64(wait)
				continue
			}
			sent += n
			p.took(n)
			if least := rate * float64(now-p.start) / 1e9; float64(sent) > least+1.001 || float64(sent) < least-0.001 {
				t.Fatalf("rate %v: %d are sent when %v are due", rate, sent, least)
			}
		}
	}
}

func TestPaceBefore(t *testing.T) {
	p := pace{rate: 100, start: 5000}
	if n, _, wait := p.due(1000); n != 0 || wait != 4000 {
		t.Error(n, wait)
	}
}

// After a pause it catches up with 20 ms, and tells what it gives up.
func TestPaceCatchesUp(t *testing.T) {
	p := pace{rate: 10_000}
	n, late, _ := p.due(int64(time.Second))
	if n != 200 || late != 10_001-200 {
		t.Errorf("%d, and %d too late", n, late)
	}
	p.took(n)
	if n, _, wait := p.due(int64(time.Second)); n != 0 || wait <= 0 || wait > 100*time.Microsecond {
		t.Error(n, wait)
	}
	slow := pace{rate: 1}
	if n, late, _ := slow.due(int64(10 * time.Second)); n != 1 || late != 10 {
		t.Errorf("%d, and %d too late", n, late)
	}
}

// Bursts are sent as a whole, ahead of the time, and then waited for.
func TestPaceInBursts(t *testing.T) {
	p := pace{rate: 1000}
	if n, _, _ := p.due(0); n != 1 {
		t.Fatal(n)
	}
	p.took(16)
	if n, _, wait := p.due(int64(time.Millisecond)); n != 0 || wait != 15*time.Millisecond {
		t.Error(n, wait)
	}
}

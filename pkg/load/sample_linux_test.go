package load

import (
	"os"
	"testing"
	"time"
)

func TestSample(t *testing.T) {
	before, own := processSample(os.Getpid()), ownSample()
	if !before.ok || before.rssKB < 1000 || !own.ok {
		t.Fatalf("%+v %+v", before, own)
	}
	for ownSample().since(own).cpu < 20*time.Millisecond {
	}
	if used := processSample(os.Getpid()).since(before); !used.ok || used.cpu <= 0 || used.rssKB < 1000 {
		t.Errorf("%+v", used)
	}
	if s := processSample(1 << 30); s.ok {
		t.Errorf("a process that is not there: %+v", s)
	}
}

func TestSleeper(t *testing.T) {
	s := newSleeper()
	defer s.close()
	if s.file == nil {
		t.Fatal("there is no timerfd")
	}
	for _, d := range []time.Duration{0, time.Microsecond, 300 * time.Microsecond} {
		begin := time.Now()
		if s.sleep(d); time.Since(begin) < d {
			t.Errorf("%v took %v", d, time.Since(begin))
		}
	}
	(&sleeper{}).sleep(time.Microsecond)
}

func FuzzResidentKB(f *testing.F) {
	f.Add([]byte("Name:\tx\nVmRSS:\t    1234 kB\n"))
	f.Add([]byte("\nVmRSS:"))
	f.Fuzz(func(t *testing.T, b []byte) { residentKB(b) })
	if got := residentKB([]byte("Name:\tx\nVmRSS:\t    1234 kB\nVmData: 5 kB\n")); got != 1234 {
		f.Errorf("%d", got)
	}
}

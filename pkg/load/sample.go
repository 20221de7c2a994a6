package load

import "time"

// sample is what a process has used up to a moment, and what it holds.
type sample struct {
	ok    bool
	cpu   time.Duration // run time of its threads
	rssKB int64
}

// since is what was used since an earlier sample.
func (s sample) since(before sample) sample {
	s.ok = s.ok && before.ok
	s.cpu -= before.cpu
	return s
}

// sample is of the server process, if there is one to look at.
func (b *bench) sample() sample {
	if b.o.PID == 0 {
		return sample{}
	}
	return processSample(b.o.PID)
}

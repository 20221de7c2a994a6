package load

import "sync"

// fault keeps the first error of something that goes on, and how many there
// were.
type fault struct {
	mu    sync.Mutex
	first error
	n     uint64
}

func (f *fault) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n++; f.first == nil {
		f.first = err
	}
}

func (f *fault) told() (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n, f.first
}

package redisstore

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	breakAfter   = 3 // failures in a row
	shortestRest = 200 * time.Millisecond
	longestRest  = 2 * time.Second
)

// breaker keeps calls from a server that does not answer: closed it lets all
// through, open none, half open one to try.
type breaker struct {
	now func() time.Time

	mu     sync.Mutex // guards the following
	failed int        // in a row
	rest   time.Duration
	until  time.Time // open before it
	trying bool      // half open: somebody is trying
}

// allow reports whether to call, and if so whether this is a try, which must be
// told apart when it is over.
func (b *breaker) allow() (try, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.failed < breakAfter:
		return false, true
	case b.trying || b.now().Before(b.until):
		return false, false
	}
	b.trying = true
	return true, true
}

// done takes the result of a call that was allowed.
func (b *breaker) done(try, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if try {
		b.trying = false
	}
	if !failed {
		b.failed, b.rest = 0, 0
		return
	}
	if b.failed++; b.failed == breakAfter || try {
		b.rest = min(max(2*b.rest, shortestRest), longestRest)
		b.until = b.now().Add(b.rest/2 + rand.N(b.rest/2))
	}
}

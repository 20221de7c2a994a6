package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	client "golang.org/x/crypto/acme"
)

const (
	firstPause = 2 * time.Minute
	maxPause   = time.Hour
	// look is how long nothing is looked at: clocks are set, and machines sleep.
	look = time.Hour
)

// Run gets certificates and renews them until ctx ends; then nothing of it is
// left. told is called for each new certificate, and once for each new error
// however often it comes again; by several goroutines at once.
func (m *Manager) Run(ctx context.Context, told func(host string, c *tls.Certificate, err error)) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, h := range m.hosts {
		all.Go(func() { m.runHost(ctx, h, told) })
	}
}

// Again has what is due tried at once that waits after a failure.
func (m *Manager) Again() {
	for _, h := range m.hosts {
		select {
		case h.again <- struct{}{}:
		default:
		}
	}
}

func (m *Manager) runHost(ctx context.Context, h *host, told func(string, *tls.Certificate, error)) {
	next, failures := h.due(), 0
	for {
		asked, ended := h.wait(ctx, min(time.Until(next), look))
		if ended {
			return
		}
		if now := time.Now(); now.Before(next) && (!asked || now.Before(h.due())) {
			continue
		}
		c, err := m.obtain(ctx, h.name)
		if ctx.Err() != nil {
			return
		}
		if c != nil {
			h.current.Store(c)
			m.issued.Add(1)
			told(h.name, c, nil)
		}
		if h.turned(err) {
			told(h.name, nil, err)
		}
		if next = h.due(); c != nil {
			failures = 0
			continue
		}
		failures++
		m.failed.Add(1)
		next = time.Now().Add(pause(failures, err))
	}
}

// wait reports whether somebody asked for it to end, or ctx did.
func (h *host) wait(ctx context.Context, d time.Duration) (asked, ended bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return false, false
	case <-h.again:
		return true, false
	case <-ctx.Done():
		return false, true
	}
}

// due is when to order the next certificate: when a third of the lifetime is
// left, or at once without any.
func (h *host) due() time.Time {
	c := h.current.Load()
	if c == nil {
		return time.Time{}
	}
	return dueOf(c)
}

func dueOf(c *tls.Certificate) time.Time {
	return c.Leaf.NotAfter.Add(-c.Leaf.NotAfter.Sub(c.Leaf.NotBefore) / 3)
}

// turned notes what went wrong, or nothing, and reports whether it is a new
// error.
func (h *host) turned(err error) bool {
	if err == nil {
		h.fault.Store(nil)
		return false
	}
	text := err.Error()
	before := h.fault.Swap(&text)
	return before == nil || *before != text
}

// pause is how long to wait after so many failures, of which err is the last.
func pause(failures int, err error) time.Duration {
	p := min(firstPause<<min(failures-1, 10), maxPause)
	if e, ok := errors.AsType[*client.Error](err); ok {
		if wanted, limited := client.RateLimit(e); limited {
			p = max(p, wanted)
		}
	}
	return p
}

package relay

import "context"

// Drain makes the server unready and refuses new allocations with 403 (or sends
// them away, see Redirect), while it goes on serving the running ones. It returns
// when there are none any more, or with the number of those left when ctx ends.
// There is no way back.
func (s *Server) Drain(ctx context.Context) (left int) {
	s.draining.Store(true)
	for {
		if left = s.sessions.count(); left == 0 {
			s.wakeDrain() // another one may be waiting
			return 0
		}
		select {
		case <-s.emptied:
		case <-ctx.Done():
			return left
		}
	}
}

// drop takes a session out of the table, and wakes Drain.
func (s *Server) drop(x *session) {
	s.sessions.remove(x)
	if s.draining.Load() {
		s.wakeDrain()
	}
}

func (s *Server) wakeDrain() {
	select {
	case s.emptied <- struct{}{}:
	default:
	}
}

// Sessions is the number of live sessions and of Allocates being served.
func (s *Server) Sessions() int { return s.sessions.count() }

func (t *table) count() int {
	n := 0
	for i := range t.shards {
		sh := &t.shards[i]
		sh.mu.RLock()
		n += len(sh.sessions)
		sh.mu.RUnlock()
	}
	return n
}

package memstore

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"turnpike/ratelimit"
)

// Store in memory. It is safe for concurrent use.
type Store struct {
	now  func() time.Time
	born time.Time
	id   string
	most int // windows

	mu      sync.Mutex // guards the following
	swept   time.Time
	leases  map[ratelimit.Account]map[string]time.Time
	rates   map[rateKey]time.Time // the theoretical arrival time
	windows map[windowKey]*window
	nodes   map[string]announced
	streams [ratelimit.NumStreams]stream
}

type announced struct {
	node ratelimit.Node
	ends time.Time
}

// maxWindows is about 50 MB when full.
const maxWindows = 1 << 17

// New makes an empty store with a clock.
func New(now func() time.Time) *Store {
	return &Store{
		now: now, born: now(), swept: now(), id: rand.Text(), most: maxWindows,
		leases:  map[ratelimit.Account]map[string]time.Time{},
		rates:   map[rateKey]time.Time{},
		windows: map[windowKey]*window{},
		nodes:   map[string]announced{},
	}
}

// Epoch is the process's own: its memory ends with it.
func (s *Store) Epoch(context.Context) (ratelimit.Epoch, error) {
	return ratelimit.Epoch{ID: s.id, Age: s.now().Sub(s.born)}, nil
}

// Close has nothing to close.
func (s *Store) Close() error { return nil }

// lock takes the store's lock, and once a minute removes what has lapsed.
func (s *Store) lock() (now time.Time, unlock func()) {
	s.mu.Lock()
	now = s.now()
	if now.Sub(s.swept) >= time.Minute {
		s.swept = now
		s.sweepLocked(now)
	}
	return now, s.mu.Unlock
}

func (s *Store) sweepLocked(now time.Time) {
	for a := range s.leases {
		s.liveLocked(a, now)
	}
	for k, tat := range s.rates {
		if !tat.After(now) {
			delete(s.rates, k)
		}
	}
	for k, w := range s.windows {
		if !w.ends.After(now) {
			delete(s.windows, k)
		}
	}
	for id, n := range s.nodes {
		if !n.ends.After(now) {
			delete(s.nodes, id)
		}
	}
	for i := range s.streams {
		s.streams[i].sweep(now)
	}
}

// Announce keeps the node until it lapses.
func (s *Store) Announce(_ context.Context, n ratelimit.Node, ttl time.Duration) error {
	now, unlock := s.lock()
	defer unlock()
	n.URIs = slices.Clone(n.URIs)
	s.nodes[n.ID] = announced{n, now.Add(ttl)}
	return nil
}

// Nodes are those that have not lapsed.
func (s *Store) Nodes(context.Context) ([]ratelimit.Node, error) {
	now, unlock := s.lock()
	defer unlock()
	var all []ratelimit.Node
	for _, n := range s.nodes {
		if n.ends.After(now) {
			all = append(all, n.node)
		}
	}
	slices.SortFunc(all, func(a, b ratelimit.Node) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

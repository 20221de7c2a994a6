package memstore

import (
	"context"
	"slices"
	"strconv"
	"time"

	"turnpike/ratelimit"
)

// sameKey is for how long an entry's key is known.
const sameKey = time.Hour

type stream struct {
	last    uint64
	entries []kept
	keys    map[string]time.Time // to when they are known
	wakes   map[chan struct{}]bool
}

type kept struct {
	id      uint64
	payload []byte
	ends    time.Time
}

func (x *stream) sweep(now time.Time) {
	x.entries = slices.DeleteFunc(x.entries, func(e kept) bool { return !e.ends.After(now) })
	for k, ends := range x.keys {
		if !ends.After(now) {
			delete(x.keys, k)
		}
	}
}

// Append adds the entry unless its key is known.
func (s *Store) Append(_ context.Context, to ratelimit.Stream, e ratelimit.Entry, keep time.Duration, max int64) error {
	now, unlock := s.lock()
	defer unlock()
	x := &s.streams[to]
	if x.keys[e.Key].After(now) {
		return nil
	}
	if x.keys == nil {
		x.keys = map[string]time.Time{}
	}
	x.keys[e.Key] = now.Add(sameKey)
	x.last++
	x.entries = append(x.entries, kept{x.last, slices.Clone(e.Payload), now.Add(keep)})
	if over := int64(len(x.entries)) - max; max > 0 && over > 0 {
		x.entries = slices.Delete(x.entries, 0, int(over))
	}
	for wake := range x.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Read returns entries after an ID.
func (s *Store) Read(_ context.Context, from ratelimit.Stream, after string, n int) ([]ratelimit.Entry, error) {
	var last uint64
	if after != "" {
		var err error
		if last, err = strconv.ParseUint(after, 10, 64); err != nil {
			return nil, err
		}
	}
	now, unlock := s.lock()
	defer unlock()
	var read []ratelimit.Entry
	for _, e := range s.streams[from].entries {
		if e.id > last && e.ends.After(now) && len(read) < n {
			read = append(read, ratelimit.Entry{ID: strconv.FormatUint(e.id, 10), Payload: slices.Clone(e.payload)})
		}
	}
	return read, nil
}

// Wake sends at every Append.
func (s *Store) Wake(ctx context.Context, of ratelimit.Stream) (<-chan struct{}, error) {
	wake := make(chan struct{}, 1)
	_, unlock := s.lock()
	defer unlock()
	x := &s.streams[of]
	if x.wakes == nil {
		x.wakes = map[chan struct{}]bool{}
	}
	x.wakes[wake] = true
	context.AfterFunc(ctx, func() {
		_, unlock := s.lock()
		defer unlock()
		delete(x.wakes, wake)
		close(wake)
	})
	return wake, nil
}

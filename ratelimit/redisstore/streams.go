package redisstore

import (
	"context"
	"time"

	"turnpike/ratelimit"
)

// sameKey is for how long an entry's key is known.
const sameKey = time.Hour

func (s *Store) streamKey(of ratelimit.Stream) string { return s.o.Prefix + "{" + of.String() + "}" }

// Append adds the entry and wakes who waits for it.
func (s *Store) Append(ctx context.Context, to ratelimit.Stream, e ratelimit.Entry, keep time.Duration, max int64) error {
	key := s.streamKey(to)
	return s.run(ctx, call{appendScript, []string{key, key + ":" + s.hash(e.Key)},
		[]any{e.Payload, keep.Milliseconds(), max, sameKey.Milliseconds()}})[0].Err()
}

// Read asks for a range of the stream.
func (s *Store) Read(ctx context.Context, from ratelimit.Stream, after string, n int) ([]ratelimit.Entry, error) {
	try, ok := s.breaker.allow()
	if !ok {
		return nil, errAway
	}
	start := "-"
	if after != "" {
		start = "(" + after
	}
	got, err := s.client.XRangeN(ctx, s.streamKey(from), start, "+", int64(n)).Result()
	s.breaker.done(try, fault(ctx, err))
	if err != nil {
		return nil, err
	}
	read := make([]ratelimit.Entry, len(got))
	for i, m := range got {
		payload, _ := m.Values["p"].(string)
		read[i] = ratelimit.Entry{ID: m.ID, Payload: []byte(payload)}
	}
	return read, nil
}

// Wake subscribes. A subscription that was broken and is made anew wakes too: what
// was said in between was missed.
func (s *Store) Wake(ctx context.Context, of ratelimit.Stream) (<-chan struct{}, error) {
	sub := s.client.Subscribe(ctx, s.streamKey(of))
	if _, err := sub.Receive(ctx); err != nil {
		_ = sub.Close()
		return nil, err
	}
	wake := make(chan struct{}, 1)
	heard := sub.ChannelWithSubscriptions()
	go func() {
		defer close(wake)
		defer sub.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-heard:
				if !open {
					return
				}
			}
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}()
	return wake, nil
}

package ratelimit

import (
	"context"
	"time"
)

const (
	announceEvery = 3 * time.Second
	announceTTL   = 3 * announceEvery
	keepRecords   = 40 * 24 * time.Hour
	maxWaiting    = 1 << 14 // records in memory while the store is away
	readAtOnce    = 500
	maxRevoked    = 1 << 18 // revocations in the store: who may revoke could fill it
)

// tellNodes announces this node and reads who else is there: now and then, and in
// the next round when this node begins to drain, or ends to.
func (s *Shared) tellNodes(ctx context.Context) {
	var own Node
	if s.o.Describe != nil {
		own = s.o.Describe()
	}
	now := s.o.Now()
	s.mu.Lock()
	early := now.Sub(s.told) < announceEvery && own.Draining == s.drains
	s.mu.Unlock()
	if early {
		return
	}
	var err error
	if s.o.Describe != nil {
		own.ID, own.Boot = s.o.Node, s.boot
		err = s.o.Store.Announce(ctx, own, announceTTL)
	}
	nodes, err2 := s.o.Store.Nodes(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, err := range []error{err, err2} {
		if err != nil {
			s.failedLocked(err)
			return
		}
	}
	s.nodes, s.told, s.drains = nodes, now, own.Draining
}

// Revoke publishes a revocation for all nodes, this one among them. Of calls with
// the same key within an hour one counts. It waits for the store, and no longer
// than ctx: who revokes has to know whether it is done.
func (s *Shared) Revoke(ctx context.Context, key string, payload []byte, keep time.Duration) error {
	return s.o.Store.Append(ctx, Revocations, Entry{Key: key, Payload: payload}, keep, maxRevoked)
}

// followRevocations reads them by ID, when it is woken and once a second in any
// case: a wake may be lost, an entry is not.
func (s *Shared) followRevocations(ctx context.Context) {
	var after string
	var wake <-chan struct{}
	tick := time.NewTicker(s.o.Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		if wake == nil {
			if w, err := s.o.Store.Wake(ctx, Revocations); err == nil {
				wake = w
			}
		}
		after = s.readRevocations(ctx, after)
		select {
		case <-ctx.Done():
		case <-tick.C:
		case _, open := <-wake:
			if !open {
				wake = nil
			}
		}
	}
	for wake != nil {
		if _, open := <-wake; !open {
			return
		}
	}
}

func (s *Shared) readRevocations(ctx context.Context, after string) string {
	for {
		read, err := s.o.Store.Read(ctx, Revocations, after, readAtOnce)
		if err != nil {
			return after
		}
		for _, e := range read {
			s.o.OnRevocation(e.Payload)
			after = e.ID
		}
		if len(read) < readAtOnce {
			return after
		}
	}
}

// Record puts a record into the accounting stream, in the background and in order.
// The key names the session: repeated, it is one record.
func (s *Shared) Record(key string, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.record) >= maxWaiting {
		s.counts.lost.Add(1)
		return
	}
	s.record = append(s.record, Entry{Key: key, Payload: payload})
	s.hurry()
}

// store appends records; the first that fails waits with those after it.
func (s *Shared) store(ctx context.Context, w *work) {
	for i, e := range w.records {
		if err := s.o.Store.Append(ctx, Accounting, e, keepRecords, 0); err != nil {
			s.mu.Lock()
			s.failedLocked(err)
			s.record = append(w.records[i:len(w.records):len(w.records)], s.record...)
			s.mu.Unlock()
			return
		}
	}
}

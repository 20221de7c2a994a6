package memstore

import (
	"context"
	"time"

	"turnpike/ratelimit"
)

// liveLocked are the members of an account whose leases have not ended.
func (s *Store) liveLocked(a ratelimit.Account, now time.Time) map[string]time.Time {
	members := s.leases[a]
	for m, ends := range members {
		if !ends.After(now) {
			delete(members, m)
		}
	}
	if len(members) == 0 {
		delete(s.leases, a)
		return nil
	}
	return members
}

func (s *Store) holdLocked(a ratelimit.Account, member string, ends time.Time) {
	if s.leases[a] == nil {
		s.leases[a] = map[string]time.Time{}
	}
	s.leases[a][member] = ends
}

func (s *Store) dropLocked(a ratelimit.Account, member string) {
	delete(s.leases[a], member)
	if len(s.leases[a]) == 0 {
		delete(s.leases, a)
	}
}

// Reserve takes all places under one lock: nobody sees it in between.
func (s *Store) Reserve(_ context.Context, c ratelimit.Claim) (ratelimit.Claimed, error) {
	now, unlock := s.lock()
	defer unlock()
	if c.Epoch != "" && c.Epoch != s.id {
		return ratelimit.Claimed{}, ratelimit.ErrEpoch
	}
	claimed := ratelimit.Claimed{Refused: -1}
	for i, p := range c.Places {
		members := s.liveLocked(p.Account, now)
		n := len(members)
		if _, again := members[c.Member]; again {
			n--
		}
		if p.Limit != 0 && n >= p.Limit && !p.Force {
			claimed.Refused, claimed.Counts = i, append(claimed.Counts, n)
			for _, taken := range c.Places[:i] {
				s.dropLocked(taken.Account, c.Member)
			}
			return claimed, nil
		}
		s.holdLocked(p.Account, c.Member, now.Add(c.TTL))
		claimed.Counts = append(claimed.Counts, n+1)
	}
	return claimed, nil
}

// Renew holds the members whatever the limit.
func (s *Store) Renew(_ context.Context, all []ratelimit.Holding, ttl time.Duration) []ratelimit.Held {
	now, unlock := s.lock()
	defer unlock()
	held := make([]ratelimit.Held, len(all))
	for i, h := range all {
		for _, m := range h.Members {
			s.holdLocked(h.Account, m, now.Add(ttl))
		}
		held[i].Count = len(s.liveLocked(h.Account, now))
	}
	return held
}

// Release gives the places back.
func (s *Store) Release(_ context.Context, all []ratelimit.Holding) error {
	_, unlock := s.lock()
	defer unlock()
	for _, h := range all {
		for _, m := range h.Members {
			s.dropLocked(h.Account, m)
		}
	}
	return nil
}

package redisstore

import (
	"context"
	"fmt"
	"time"

	"turnpike/ratelimit"
)

// Reserve asks for one place after the other.
func (s *Store) Reserve(ctx context.Context, c ratelimit.Claim) (ratelimit.Claimed, error) {
	claimed := ratelimit.Claimed{Refused: -1}
	for i, p := range c.Places {
		calls := []call{s.reserve(c, p)}
		if i == len(c.Places)-1 && c.Epoch != "" {
			calls = append(calls, s.askEpoch())
		}
		cmds := s.run(ctx, calls...)
		got, err := cmds[0].Int64Slice()
		if err == nil && len(got) != 2 {
			err = fmt.Errorf("redisstore: reserve: %v", got)
		}
		if err == nil && len(cmds) == 2 {
			if err = sameEpoch(cmds[1], c.Epoch); err != nil {
				_ = s.giveBack(ctx, c, i+1) // or it lapses
			}
		}
		if err != nil {
			return ratelimit.Claimed{}, err
		}
		claimed.Counts = append(claimed.Counts, int(got[1]))
		if got[0] == 0 {
			claimed.Refused = i
			_ = s.giveBack(ctx, c, i) // or it lapses
			return claimed, nil
		}
	}
	return claimed, nil
}

func (s *Store) reserve(c ratelimit.Claim, p ratelimit.Place) call {
	force := 0
	if p.Force {
		force = 1
	}
	return call{reserveScript, []string{s.key(p.Account, "s")}, []any{c.Member, p.Limit, c.TTL.Milliseconds(), force}}
}

// giveBack releases the first n places of a claim.
func (s *Store) giveBack(ctx context.Context, c ratelimit.Claim, n int) error {
	if n == 0 {
		return nil
	}
	var all []ratelimit.Holding
	for _, p := range c.Places[:n] {
		all = append(all, ratelimit.Holding{Account: p.Account, Members: []string{c.Member}})
	}
	return s.Release(ctx, all)
}

// maxMembers bounds a script's arguments: while it runs the server serves nobody.
const maxMembers = 500

// Renew holds all members in as few pipelines as there may be.
func (s *Store) Renew(ctx context.Context, all []ratelimit.Holding, ttl time.Duration) []ratelimit.Held {
	var calls []call
	var of []int // the holding of each call
	for i, h := range all {
		for rest := h.Members; len(rest) > 0; {
			n := min(len(rest), maxMembers)
			args := []any{ttl.Milliseconds()}
			for _, m := range rest[:n] {
				args = append(args, m)
			}
			calls, of, rest = append(calls, call{renewScript, []string{s.key(h.Account, "s")}, args}), append(of, i), rest[n:]
		}
	}
	held := make([]ratelimit.Held, len(all))
	for i, cmd := range s.run(ctx, calls...) {
		h := &held[of[i]]
		count, err := cmd.Int()
		if h.Count = count; err != nil {
			h.Err = err
		}
	}
	return held
}

// Release removes the members. It is a plain command, which a full server takes too.
func (s *Store) Release(ctx context.Context, all []ratelimit.Holding) error {
	for len(all) > 0 {
		n := min(len(all), maxPipeline)
		try, ok := s.breaker.allow()
		if !ok {
			return errAway
		}
		p := s.client.Pipeline()
		for _, h := range all[:n] {
			members := make([]any, len(h.Members))
			for i, m := range h.Members {
				members[i] = m
			}
			p.ZRem(ctx, s.key(h.Account, "s"), members...)
		}
		_, err := p.Exec(ctx)
		s.breaker.done(try, fault(ctx, err))
		if err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

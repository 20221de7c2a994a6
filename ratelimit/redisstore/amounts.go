package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"turnpike/ratelimit"
)

// Rate asks the GCRA of this name.
func (s *Store) Rate(ctx context.Context, a ratelimit.Account, name string, lim ratelimit.PerMinute, n int) (ratelimit.RateAnswer, error) {
	got, err := s.run(ctx, call{rateScript, []string{s.key(a, "g:"+name)}, []any{lim.Each().Microseconds(), lim.Burst, n}})[0].Int64Slice()
	if err == nil && len(got) != 3 {
		err = fmt.Errorf("redisstore: rate: %v", got)
	}
	if err != nil {
		return ratelimit.RateAnswer{}, err
	}
	return ratelimit.RateAnswer{Allowed: got[0] == 1, Remaining: int(got[1]), Retry: time.Duration(got[2]) * time.Microsecond}, nil
}

// maxBytes is what Lua counts exactly: 8 PB.
const maxBytes = 1 << 53

// Settle sends the settlements in pipelines, each followed by a question for the
// epoch if that matters.
func (s *Store) Settle(ctx context.Context, all []ratelimit.Settlement) []ratelimit.Granted {
	granted := make([]ratelimit.Granted, 0, len(all))
	for len(all) > 0 {
		n := min(len(all), maxPipeline-1)
		calls := make([]call, n, n+1)
		for i, x := range all[:n] {
			calls[i] = s.settle(x)
		}
		cmds := s.run(ctx, append(calls, s.askEpoch())...)
		for i, x := range all[:n] {
			g := grantedIn(cmds[i])
			if err := sameEpoch(cmds[n], x.Epoch); x.Epoch != "" && g.Err == nil && err != nil {
				g = ratelimit.Granted{Err: err}
			}
			granted = append(granted, g)
		}
		all = all[n:]
	}
	return granted
}

func (s *Store) settle(x ratelimit.Settlement) call {
	c := call{script: settleScript, args: []any{"h:" + x.Holder, x.Seq, min(x.Want, maxBytes), max(x.Share, 1), x.Least}}
	for _, w := range x.Windows {
		c.keys = append(c.keys, s.key(x.Account, "b:"+w.Name))
		c.args = append(c.args, min(w.Limit, maxBytes), w.Have, w.End.Add(w.Keep).UnixMilli())
	}
	return c
}

func grantedIn(cmd *redis.Cmd) ratelimit.Granted {
	got, err := cmd.Int64Slice()
	switch {
	case err != nil:
		return ratelimit.Granted{Err: err}
	case len(got) == 1 && got[0] == -1:
		return ratelimit.Granted{Err: ratelimit.ErrLate}
	case len(got) != 2:
		return ratelimit.Granted{Err: fmt.Errorf("redisstore: settle: %v", got)}
	case got[1] < 0:
		got[1] = math.MaxInt64
	}
	return ratelimit.Granted{Bytes: got[0], Left: got[1]}
}

// Usage reads the totals of windows; one that is not there has 0.
func (s *Store) Usage(ctx context.Context, a ratelimit.Account, windows []string) ([]int64, error) {
	try, ok := s.breaker.allow()
	if !ok {
		return nil, errAway
	}
	p := s.client.Pipeline()
	cmds := make([]*redis.StringCmd, len(windows))
	for i, w := range windows {
		cmds[i] = p.HGet(ctx, s.key(a, "b:"+w), "total")
	}
	_, err := p.Exec(ctx)
	s.breaker.done(try, fault(ctx, err))
	used := make([]int64, len(windows))
	for i, cmd := range cmds {
		var err error
		if used[i], err = cmd.Int64(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	return used, nil
}

package redisstore

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/reserve.lua
	reserveText string
	//go:embed lua/renew.lua
	renewText string
	//go:embed lua/rate.lua
	rateText string
	//go:embed lua/settle.lua
	settleText string
	//go:embed lua/epoch.lua
	epochText string
	//go:embed lua/announce.lua
	announceText string
	//go:embed lua/nodes.lua
	nodesText string
	//go:embed lua/append.lua
	appendText string
)

var (
	reserveScript  = newScript(reserveText)
	renewScript    = newScript(renewText)
	rateScript     = newScript(rateText)
	settleScript   = newScript(settleText)
	epochScript    = newScript(epochText)
	announceScript = newScript(announceText)
	nodesScript    = newScript(nodesText)
	appendScript   = newScript(appendText)
)

type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:])}
}

// call of a script, or with no text a GET of its key.
type call struct {
	script script
	keys   []string
	args   []any
}

func (c call) queue(ctx context.Context, p redis.Pipeliner, whole bool) *redis.Cmd {
	switch {
	case c.script.text == "":
		return p.Do(ctx, "GET", c.keys[0])
	case whole:
		return p.Eval(ctx, c.script.text, c.keys, c.args...)
	}
	return p.EvalSha(ctx, c.script.sha, c.keys, c.args...)
}

// maxPipeline bounds what is on its way at once: all of it has to be answered
// within one timeout.
const maxPipeline = 256

// run makes calls, in order where they go to the same server. Each has a result
// or an error of its own.
func (s *Store) run(ctx context.Context, calls ...call) []*redis.Cmd {
	var all []*redis.Cmd
	for len(calls) > 0 {
		n := min(len(calls), maxPipeline)
		all = append(all, s.pipeline(ctx, calls[:n])...)
		calls = calls[n:]
	}
	return all
}

func (s *Store) pipeline(ctx context.Context, calls []call) []*redis.Cmd {
	cmds := make([]*redis.Cmd, len(calls))
	try, ok := s.breaker.allow()
	if !ok {
		for i := range cmds {
			cmds[i] = redis.NewCmd(ctx)
			cmds[i].SetErr(errAway)
		}
		return cmds
	}
	s.send(ctx, calls, cmds, func(int) bool { return true }, false)
	unknown := func(i int) bool { return redis.HasErrorPrefix(cmds[i].Err(), "NOSCRIPT") }
	s.send(ctx, calls, cmds, unknown, true)
	failed := false
	for _, cmd := range cmds {
		failed = failed || fault(ctx, cmd.Err())
	}
	s.breaker.done(try, failed)
	return cmds
}

// send pipelines those of the calls that which chooses.
func (s *Store) send(ctx context.Context, calls []call, cmds []*redis.Cmd, which func(int) bool, whole bool) {
	p := s.client.Pipeline()
	for i, c := range calls {
		if which(i) {
			cmds[i] = c.queue(ctx, p, whole)
		}
	}
	if p.Len() > 0 {
		_, _ = p.Exec(ctx) // each command has its error
	}
}

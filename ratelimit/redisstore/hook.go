package redisstore

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// hook counts commands and tells of connections.
type hook struct {
	asked  *atomic.Uint64
	dialed func(net.Addr) // nil: nobody is told
}

// DialHook tells where a connection goes.
func (h hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err == nil && h.dialed != nil {
			h.dialed(conn.RemoteAddr())
		}
		return conn, err
	}
}

// ProcessHook counts a command.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.asked.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook counts several.
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.asked.Add(uint64(len(cmds)))
		return next(ctx, cmds)
	}
}

package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// ErrCheckDenied is the answer of Check where the ACL does not let it ask.
var ErrCheckDenied = errors.New("redisstore: the user may not ask how the server is set up; give it +info")

// Check asks every server that takes writes how it is set up and returns warnings
// for the operator, each with its cure. An error means that one can't be asked.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	if c, ok := s.client.(*redis.ClusterClient); ok {
		var mu sync.Mutex
		var all []string
		err := c.ForEachMaster(ctx, func(ctx context.Context, one *redis.Client) error {
			warnings, err := check(ctx, one)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, warnings...)
			return err
		})
		return all, err
	}
	return check(ctx, s.client)
}

func check(ctx context.Context, one redis.Cmdable) ([]string, error) {
	info := map[string]string{}
	for _, section := range []string{"server", "memory", "persistence", "replication"} {
		text, err := one.Info(ctx, section).Result()
		if redis.HasErrorPrefix(err, "NOPERM") {
			return nil, fmt.Errorf("%w: %w", ErrCheckDenied, err)
		}
		if err != nil {
			return nil, fmt.Errorf("redisstore: INFO %s: %w", section, err)
		}
		for line := range strings.Lines(text) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				info[k] = v
			}
		}
	}
	return advice(info), nil
}

func advice(info map[string]string) (warnings []string) {
	server := "redis at port " + info["tcp_port"]
	warn := func(when bool, format string, args ...any) {
		if when {
			warnings = append(warnings, server+": "+fmt.Sprintf(format, args...))
		}
	}
	major, _, _ := strings.Cut(info["redis_version"], ".")
	n, _ := strconv.Atoi(major)
	warn(n < 7, "version %s is older than 7.0, which is the oldest that is tested", info["redis_version"])
	policy := info["maxmemory_policy"]
	warn(policy != "noeviction", "maxmemory-policy is %s: when memory is full it would forget what users have spent; set it to noeviction", policy)
	warn(info["maxmemory"] == "0", "maxmemory is not set: the system would end the process when memory is full; set it below what the machine has")
	warn(info["aof_enabled"] == "0", "appendonly is off: a restart forgets what was spent since the last snapshot; set appendonly yes")
	warn(info["role"] == "slave", "it is a replica and takes no writes; name its primary, or its Sentinels and their Master")
	return warnings
}

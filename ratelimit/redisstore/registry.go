package redisstore

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"turnpike/ratelimit"
)

func (s *Store) nodeKeys() []string {
	return []string{s.o.Prefix + "{nodes}:l", s.o.Prefix + "{nodes}:d"}
}

// Announce stores the node as JSON.
func (s *Store) Announce(ctx context.Context, n ratelimit.Node, ttl time.Duration) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return s.run(ctx, call{announceScript, s.nodeKeys(), []any{n.ID, text, ttl.Milliseconds()}})[0].Err()
}

// Nodes reads all that have not lapsed.
func (s *Store) Nodes(ctx context.Context) ([]ratelimit.Node, error) {
	texts, err := s.run(ctx, call{nodesScript, s.nodeKeys(), nil})[0].StringSlice()
	if err != nil {
		return nil, err
	}
	all := make([]ratelimit.Node, 0, len(texts))
	for _, text := range texts {
		var n ratelimit.Node
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b ratelimit.Node) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

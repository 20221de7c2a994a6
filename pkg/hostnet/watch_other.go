//go:build !linux

package hostnet

import (
	"context"
	"time"
)

func (h *Host) addRoutes() error { return nil }

// Watch calls changed with what the host has when that is no longer what it was
// known to have, until ctx is done. What changed before Watch was called is
// noticed too.
func Watch(ctx context.Context, have Host, changed func(Host)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	return poll(ctx, ticker.C, have, changed)
}

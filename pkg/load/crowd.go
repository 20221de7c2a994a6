package load

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// outcome is how a crowd of clients fared.
type outcome struct {
	ok     int
	failed map[string]int // by STUN code, or word
	first  error          // the first failure
}

// each does something for all clients, so many at a time as there are to be
// handshakes in flight. strict: the first failure ends it, as ctx does; what has
// begun is finished, so that no allocation is made that nobody knows of.
func (b *bench) each(ctx context.Context, all []*client, strict bool, do func(*client) error) outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		workers sync.WaitGroup
		mu      sync.Mutex
		next    int
		out     = outcome{failed: map[string]int{}}
	)
	take := func() *client {
		mu.Lock()
		defer mu.Unlock()
		if next == len(all) || ctx.Err() != nil {
			return nil
		}
		next++
		return all[next-1]
	}
	report := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			out.ok++
			return
		}
		out.failed[kind(err)]++
		if out.first == nil {
			out.first = err
		}
		// Nobody has been answered and one after the other is not.
		hopeless := out.ok == 0 && out.failed["timeout"] >= b.o.Handshakes
		if strict || hopeless {
			cancel()
		}
	}
	for range min(b.o.Handshakes, len(all)) {
		workers.Go(func() {
			for c := take(); c != nil; c = take() {
				report(do(c))
			}
		})
	}
	workers.Wait()
	return out
}

// allocateAll opens the lines and makes the allocations.
func (b *bench) allocateAll(ctx context.Context, strict bool) (outcome, time.Duration) {
	family := b.server.Addr()
	if b.peer.IsValid() {
		family = b.peer.Addr()
	}
	begin := time.Now()
	out := b.each(ctx, b.clients, strict, func(c *client) error {
		err := b.open(c)
		if err == nil {
			err = c.allocate(family)
		}
		return err
	})
	return out, time.Since(begin)
}

// peerOf is whom a client speaks with.
func (b *bench) peerOf(c *client) netip.AddrPort {
	n := b.o.Clients
	switch {
	case int(c.index) >= n:
		return b.clients[int(c.index)-n].relayed
	case len(b.clients) > n:
		return b.clients[int(c.index)+n].relayed
	}
	return b.peer
}

// permitAll opens the ways to the peers, and tells the peers their relays.
func (b *bench) permitAll(ctx context.Context) outcome {
	return b.each(ctx, b.clients, true, func(c *client) error {
		peer := b.peerOf(c)
		c.line.peer = peer
		if len(b.clients) == b.o.Clients { // the peer socket's line is told the relay
			b.far.lines[c.index].to = c.relayed
		}
		return c.permit(peer)
	})
}

// allocated are the clients that have an allocation.
func (b *bench) allocated() (all []*client) {
	for _, c := range b.clients {
		if c.relayed.IsValid() && !c.line.broken() {
			all = append(all, c)
		}
	}
	return all
}

// releaseTime bounds the farewell of a crowd whose server has gone.
const releaseTime = 15 * time.Second

// release ends the allocations, even if the run was cut short.
func (b *bench) release() {
	b.mu.Lock()
	b.ending = true
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	out := b.each(ctx, b.allocated(), false, func(c *client) error { return c.refresh(0) })
	if out.first != nil {
		b.broken.note(fmt.Errorf("releasing: %w", out.first))
	}
}

// permissionKept is how often permissions and channels are renewed: a permission
// lives 300 s (RFC 8656 §9), a channel 600.
const permissionKept = 240 * time.Second

// keepEvery is how often allocations with that lifetime are to be refreshed.
func keepEvery(shortest time.Duration) time.Duration {
	if shortest <= 0 {
		shortest = 600 * time.Second // RFC 8656 §7.2, where the server tells none
	}
	return max(min(shortest/2, permissionKept), time.Second)
}

// runKeep keeps the allocations, with their permissions, until ctx ends.
func (b *bench) runKeep(ctx context.Context) {
	shortest := time.Hour
	for _, c := range b.allocated() {
		shortest = min(shortest, c.lifetime)
	}
	again := time.NewTicker(keepEvery(shortest))
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		out := b.each(ctx, b.allocated(), false, func(c *client) error {
			if err := c.refresh(max(c.lifetime, 600*time.Second)); err != nil || b.o.Scenario != Relay {
				return err
			}
			return c.permit(c.line.peer)
		})
		if out.first != nil {
			b.lost(fmt.Errorf("keeping the allocations: %w", out.first))
		}
	}
}

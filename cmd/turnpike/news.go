package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
)

const (
	// keepNews outlasts every credential, so that a node that was away for long
	// still hears who was revoked.
	keepNews = 367 * 24 * time.Hour
	// newsPatience is how long who revokes waits for the other nodes to be told.
	newsPatience = 5 * time.Second
)

// news is a revocation, or the end of one, that a node tells all.
type news struct {
	Revocation auth.Revocation `json:"revocation"`
	Lift       bool            `json:"lift,omitempty"`
	Node       string          `json:"node"`
	Boot       string          `json:"boot"` // of the node: what it has told itself it passes over
	At         time.Time       `json:"at"`
}

// spread tells the other nodes. An error says what is so all the same.
func (p *parts) spread(x auth.Revocation, lift bool) error {
	if p.fleet.redis == nil {
		return nil
	}
	payload, err := json.Marshal(news{x, lift, p.settings.Load().Store.Node, p.boot, time.Now().UTC()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), newsPatience)
	defer cancel()
	if err := p.fleet.Revoke(ctx, rand.Text(), payload, keepNews); err != nil {
		p.logs.Error("the other nodes can't be told of a revocation", "error", err)
		return fmt.Errorf("it is in force here, and the other nodes could not be told; do it again: %w", err)
	}
	return nil
}

// heard takes what a node told. What is there from before this start is taken too:
// nobody kept it here, unless there is a file.
func (p *parts) heard(payload []byte) {
	var n news
	if err := json.Unmarshal(payload, &n); err != nil {
		p.logs.Error("what a node told of a revocation can't be read", "error", err)
		return
	}
	if n.Boot == p.boot {
		return
	}
	ended, err := 0, error(nil)
	if n.Lift {
		p.revoked.set.Lift(n.Revocation)
	} else {
		_, ended, err = p.relay.Revoke(n.Revocation)
	}
	x := n.Revocation
	args := []any{"kind", x.Kind, "id", x.ID, "tenant", x.Tenant, "user", x.User, "lifted", n.Lift, "node", n.Node, "sessions_ended", ended}
	switch {
	case err != nil:
		p.logs.Error("what another node revoked can't be revoked here", append(args, "error", err)...)
	case ended > 0 || n.At.After(p.begun):
		p.logs.Info("revoked by another node", args...)
	}
	wake(p.revoked.changed)
}

// describe is what the other nodes and their issuers know of this one. Until it is
// ready it is one that takes nobody.
func (p *parts) describe() ratelimit.Node {
	n := ratelimit.Node{Sessions: p.relay.Sessions(), Load: p.load(), Draining: len(p.unready()) > 0}
	if uris := p.uris.Load(); uris != nil {
		n.URIs = *uris
	} else {
		n.Draining = true
	}
	return n
}

// load is the part of the relay ports that is in use: 0 to 1.
func (p *parts) load() float64 {
	all := 0
	for _, pool := range p.pools {
		all += int(pool.MaxPort) - int(pool.MinPort) + 1
	}
	return 1 - float64(p.relay.Stats().RelayPortsFree)/float64(max(all, 1))
}

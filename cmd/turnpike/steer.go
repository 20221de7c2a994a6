package main

import (
	"context"
	"slices"

	"turnpike/auth"
	"turnpike/pkg/issuer"
	"turnpike/ratelimit"
)

// mint asks all nodes for one credential of a user under a role.
func (p *parts) mint(ctx context.Context, who ratelimit.Subject, role *auth.Role) issuer.Minted {
	limit := ratelimit.PerMinute{Events: role.CredentialsPerMinute, Burst: role.CredentialsBurst}
	answer, refusal := p.fleet.Mint(ctx, who, limit)
	return issuer.Minted{Limit: limit, Refusal: refusal, Retry: answer.Retry}
}

// nodes are those that clients may be sent to; nil without a fleet, and before it
// was heard of. What others say of themselves is a few seconds old, what this node
// is it knows.
func (p *parts) nodes() []ratelimit.Node {
	if p.fleet.redis == nil {
		return nil
	}
	nodes, own := p.fleet.Nodes(), p.describe()
	if nodes == nil {
		return nil
	}
	own.ID = p.settings.Load().Store.Node
	others := slices.DeleteFunc(slices.Clone(nodes), func(n ratelimit.Node) bool { return n.ID == own.ID })
	return append(others, own)
}

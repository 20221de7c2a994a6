package issuer

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// serveCredentials answers POST /v1/credentials. The key comes before the body:
// nobody without one has it read.
func (s *Server) serveCredentials(c *call) (any, *refusal) {
	key, refused := s.admit(c, nil)
	if refused != nil {
		return nil, refused
	}
	if c.URL.RawQuery != "" {
		return nil, noQuery
	}
	a, refused := readAsk(c.w, c.Request)
	if refused != nil {
		return nil, refused
	}
	return asBody(s.mint(c, key, a))
}

var noQuery = &refusal{code: QueryNotAllowed, detail: "send parameters as JSON in the body, not in the URL"}

// asBody keeps a nil answer from being a body.
func asBody(a *answer, r *refusal) (any, *refusal) {
	if r != nil {
		return nil, r
	}
	return a, nil
}

// mint issues what was asked for, within what the key may give, and records it.
// HEAD has nothing made: nobody would get it.
func (s *Server) mint(c *call, key *grant, a ask) (*answer, *refusal) {
	role, request, refused := key.request(a)
	if refused != nil {
		return nil, refused
	}
	to, refused := s.steer(key, a, role)
	if refused != nil {
		return nil, refused
	}
	if c.Method == http.MethodHead {
		return new(answer), nil
	}
	now := s.now()
	made, err := c.live.issuer.Issue(request, now)
	if errors.Is(err, auth.ErrUser) {
		return nil, &refusal{code: InvalidUser, field: "user", detail: strings.TrimPrefix(err.Error(), "auth: ")}
	}
	if err != nil {
		s.log.Error("credential request failed", "request", c.id, "err", err)
		return nil, internal
	}
	if refused := s.chargeUser(c, request); refused != nil {
		return nil, refused // and what was made is known to nobody
	}
	s.counters.issued.Add(1)
	if s.issued != nil {
		s.issued(Issued{
			APIKey: key.ID, Tenant: key.Tenant,
			ID: made.ID, User: made.User, Role: made.Role.Name, At: now, Expires: made.Expires,
			Label: value(a.label), ConsentRef: value(a.consentRef),
			Route: c.route, Client: c.client, Request: c.id,
		})
	}
	return newAnswer(made, to), nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// grant is an API key and the roles it may give, the default first.
type grant struct {
	APIKey
	roles   []*auth.Role
	origins map[string]bool
	quota   *ratelimit.Quota   // kept over Set
	clients *ratelimit.Limiter // kept too; nil without a ClientRate
}

// request turns what was asked into what is issued. Role and lifetime are the
// key's to allow, so they are judged here and not left to auth.
func (g *grant) request(a ask) (*auth.Role, auth.Request, *refusal) {
	role := g.roles[0]
	if a.role != nil {
		i := slices.IndexFunc(g.roles, func(r *auth.Role) bool { return r.Name == *a.role })
		if i < 0 {
			return nil, auth.Request{}, &refusal{code: InvalidRole, field: "role", detail: "this API key may give the roles " + g.roleNames()}
		}
		role = g.roles[i]
	}
	most := role.MaxTTL
	if g.MaxTTL > 0 {
		most = min(most, g.MaxTTL)
	}
	ttl := min(role.TTL, most)
	if a.ttl != nil {
		limit := int64(most / time.Second) // compared in seconds: no ttl overflows
		if *a.ttl < 1 || *a.ttl > limit {
			return nil, auth.Request{}, &refusal{code: InvalidTTL, field: "ttl", detail: fmt.Sprintf("ttl must be 1 to %d seconds", limit)}
		}
		ttl = time.Duration(*a.ttl) * time.Second
	}
	return role, auth.Request{User: value(a.user), Tenant: g.Tenant, Role: role.Name, TTL: ttl}, nil
}

func (g *grant) roleNames() string {
	names := make([]string, len(g.roles))
	for i, r := range g.roles {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

package issuer

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"turnpike/auth"
)

// serveCredentials answers POST /v1/credentials. The key comes before the body:
// nobody without one has it read.
func (s *Server) serveCredentials(w http.ResponseWriter, r *http.Request) (any, *refusal) {
	m := s.minting.Load()
	key := m.keys.authenticate(r.Header, nil)
	if key == nil {
		return nil, noKey
	}
	if r.URL.RawQuery != "" {
		return nil, &refusal{code: QueryNotAllowed, detail: "send parameters as JSON in the body, not in the URL"}
	}
	a, refused := readAsk(w, r)
	if refused != nil {
		return nil, refused
	}
	return s.mint(m, key, a)
}

// noKey is the same for every fault of a key.
var noKey = &refusal{code: Unauthorized,
	detail: "send a valid API key, one alone: Authorization: Bearer tk_..., X-API-Key: tk_..., or Basic with the id of the key for a user"}

// mint issues what was asked for, within what the key may give, and records it.
func (s *Server) mint(m *minting, key *grant, a ask) (any, *refusal) {
	request, refused := key.request(a)
	if refused != nil {
		return nil, refused
	}
	if a.transports != 0 && a.transports&s.offered() == 0 {
		return nil, &refusal{code: InvalidTransports, field: "transports", detail: "this server is reached over " + s.offered().String()}
	}
	now := s.now()
	c, err := m.issuer.Issue(request, now)
	if errors.Is(err, auth.ErrUser) {
		return nil, &refusal{code: InvalidUser, field: "user", detail: strings.TrimPrefix(err.Error(), "auth: ")}
	}
	if err != nil {
		s.log.Error("credential request failed", "err", err)
		return nil, internal
	}
	s.counters.issued.Add(1)
	if s.issued != nil {
		s.issued(Issued{
			APIKey: key.ID, Tenant: key.Tenant,
			ID: c.ID, User: c.User, Role: c.Role.Name, At: now, Expires: c.Expires,
			Label: value(a.label), ConsentRef: value(a.consentRef),
		})
	}
	return s.answer(c, a.transports), nil
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
	roles []*auth.Role
}

// request turns what was asked into what is issued. Role and lifetime are the
// key's to allow, so they are judged here and not left to auth.
func (g *grant) request(a ask) (auth.Request, *refusal) {
	role := g.roles[0]
	if a.role != nil {
		i := slices.IndexFunc(g.roles, func(r *auth.Role) bool { return r.Name == *a.role })
		if i < 0 {
			return auth.Request{}, &refusal{code: InvalidRole, field: "role", detail: "this API key may give the roles " + g.roleNames()}
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
			return auth.Request{}, &refusal{code: InvalidTTL, field: "ttl", detail: fmt.Sprintf("ttl must be 1 to %d seconds", limit)}
		}
		ttl = time.Duration(*a.ttl) * time.Second
	}
	return auth.Request{User: value(a.user), Tenant: g.Tenant, Role: role.Name, TTL: ttl}, nil
}

func (g *grant) roleNames() string {
	names := make([]string, len(g.roles))
	for i, r := range g.roles {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

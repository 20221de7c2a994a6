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
func (s *Server) serveCredentials(w http.ResponseWriter, r *http.Request) {
	m := s.minting.Load()
	key := m.keys.authenticate(r.Header)
	if key == nil {
		s.refuse(w, &refusal{Unauthorized, "", "send a valid API key: Authorization: Bearer tk_..."})
		return
	}
	if r.URL.RawQuery != "" {
		s.refuse(w, &refusal{QueryNotAllowed, "", "send parameters as JSON in the body, not in the URL"})
		return
	}
	a, refused := readAsk(w, r)
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	credential, refused := s.mint(m.issuer, key, a, s.now())
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	write(w, http.StatusOK, "application/json", s.answer(credential))
}

// mint issues what was asked for, within what the key may give, and records it.
func (s *Server) mint(by *auth.Issuer, key *grant, a ask, now time.Time) (auth.Credential, *refusal) {
	request, refused := key.request(a)
	if refused != nil {
		return auth.Credential{}, refused
	}
	c, err := by.Issue(request, now)
	if errors.Is(err, auth.ErrUser) {
		return auth.Credential{}, &refusal{InvalidUser, "user", strings.TrimPrefix(err.Error(), "auth: ")}
	}
	if err != nil {
		s.log.Error("credential request failed", "err", err)
		return auth.Credential{}, internal
	}
	s.counters.issued.Add(1)
	if s.issued != nil {
		s.issued(Issued{
			APIKey: key.ID, Tenant: key.Tenant,
			ID: c.ID, User: c.User, Role: c.Role.Name, At: now, Expires: c.Expires,
		})
	}
	return c, nil
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
			return auth.Request{}, &refusal{InvalidRole, "role", "this API key may give the roles " + g.roleNames()}
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
			return auth.Request{}, &refusal{InvalidTTL, "ttl", fmt.Sprintf("ttl must be 1 to %d seconds", limit)}
		}
		ttl = time.Duration(*a.ttl) * time.Second
	}
	request := auth.Request{Role: role.Name, TTL: ttl}
	if a.user != nil {
		request.User = *a.user
	}
	return request, nil
}

func (g *grant) roleNames() string {
	names := make([]string, len(g.roles))
	for i, r := range g.roles {
		names[i] = r.Name
	}
	return strings.Join(names, ", ")
}

package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"

	"turnpike/auth"
)

// revokePatience is how long a revocation may take to be in force.
const revokePatience = 2 * time.Second

// Revoked is the record of one revocation: what, and who asked for it.
type Revoked struct {
	auth.Revocation
	APIKey  string
	Client  netip.Addr // behind the proxies that are trusted
	Request string     // its id
}

// serveDelete answers DELETE /v1/credentials/{id}. Whether there is such a
// credential nobody knows, as nobody keeps them: it is refused from now on.
func (s *Server) serveDelete(c *call) (any, *refusal) {
	key, refused := s.admitRevoker(c)
	if refused != nil {
		return nil, refused
	}
	if !isName(c.held) {
		return nil, &refusal{code: InvalidID, detail: "the path ends in the id of a credential, as the answer that made it has it"}
	}
	return nil, s.revoke(c, key, auth.Revocation{Kind: auth.RevokeCredential, ID: c.held, Tenant: key.Tenant})
}

// serveRevokeUser answers POST /v1/users/{user}/revoke: what the user has from
// before now, or before the time in the body, is refused. It is no ban.
func (s *Server) serveRevokeUser(c *call) (any, *refusal) {
	key, refused := s.admitRevoker(c)
	if refused != nil {
		return nil, refused
	}
	before, refused := readBefore(c)
	if refused != nil {
		return nil, refused
	}
	return nil, s.revoke(c, key, auth.Revocation{Kind: auth.RevokeUser, User: c.held, Tenant: key.Tenant, Before: before})
}

// serveRevokeKey answers POST /v1/keys/{id}/revoke: nothing that was signed with
// that shared secret of the tenant is good any more, for ever, and so with a static
// user. An issuer key signs for all tenants: that is the operator's to take away.
func (s *Server) serveRevokeKey(c *call) (any, *refusal) {
	key, refused := s.admitRevoker(c)
	if refused != nil {
		return nil, refused
	}
	if tenant, ok := c.live.issuer.Keyring().TenantOf(c.held); !ok || tenant != key.Tenant {
		return nil, &refusal{code: NoSuchKey, detail: "the tenant of this API key has no shared secret and no static user of that id"}
	}
	return nil, s.revoke(c, key, auth.Revocation{Kind: auth.RevokeKey, ID: c.held})
}

// admitRevoker is admit for what takes no query and only some keys may.
func (s *Server) admitRevoker(c *call) (*grant, *refusal) {
	key, refused := s.admit(c, nil)
	switch {
	case refused != nil:
		return nil, refused
	case !key.MayRevoke:
		return nil, &refusal{code: RevocationNotAllowed, detail: "this API key may not revoke: may_revoke of the key is false"}
	case c.URL.RawQuery != "":
		return nil, noQuery
	}
	return key, nil
}

// readBefore reads {"before":"2026-11-25T12:00:00Z"}, which may be left out.
func readBefore(c *call) (before time.Time, _ *refusal) {
	body, refused := readBody(c.w, c.Request)
	if refused != nil || len(body) == 0 {
		return before, refused
	}
	if mediaType(c.Header) != "application/json" {
		return before, notJSONType
	}
	return before, readObject(body, func(name string, dec *json.Decoder) *refusal {
		if name != "before" {
			return &refusal{code: UnknownField, detail: "there is no field " + quote(name) + ": there is before alone"}
		}
		if !before.IsZero() {
			return &refusal{code: DuplicateField, field: name, detail: "before is there twice"}
		}
		if err := dec.Decode(&before); err != nil || before.IsZero() {
			return &refusal{code: InvalidRevocation, field: name, detail: "before must be a time such as 2026-11-25T12:00:00Z (RFC 3339); leave it out for now"}
		}
		return nil
	})
}

// revoke puts a revocation in force, everywhere or not at all as far as is known
// here, and records it. Once more is the same.
func (s *Server) revoke(c *call, key *grant, r auth.Revocation) *refusal {
	ctx, cancel := context.WithTimeout(c.Context(), revokePatience)
	defer cancel()
	err := s.revokeHook(ctx, r)
	switch {
	case err == nil:
		if s.revoked != nil {
			s.revoked(Revoked{Revocation: r, APIKey: key.ID, Client: c.client, Request: c.id})
		}
		return nil
	case errors.Is(err, auth.ErrRevocation):
		return &refusal{code: InvalidRevocation, detail: strings.TrimPrefix(err.Error(), "auth: ")}
	case errors.Is(err, auth.ErrTooManyRevocations):
		return &refusal{code: RevocationsFull, detail: strings.TrimPrefix(err.Error(), "auth: ")}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &refusal{code: Unavailable, detail: "the revocation is not in force everywhere yet; send it again"}
	}
	s.log.Error("revocation failed", "request", c.id, "err", err)
	return internal
}

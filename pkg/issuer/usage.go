package issuer

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// usagePatience is how long the store may take to tell what was used.
const usagePatience = 2 * time.Second

// Used is what a user or a tenant has used of a month.
type Used struct {
	Month string // as 2026-11
	Bytes int64  // in both directions
}

type usageAnswer struct {
	Tenant string `json:"tenant"`
	User   string `json:"user,omitempty"`
	Month  string `json:"month"`
	Bytes  int64  `json:"bytes"`
}

// serveUsage answers GET /v1/usage: what a user of the key's tenant, or the tenant,
// has used of a month.
func (s *Server) serveUsage(c *call) (any, *refusal) {
	key, refused := s.admit(c, nil)
	switch {
	case refused != nil:
		return nil, refused
	case !key.MayReadUsage:
		return nil, &refusal{code: UsageNotAllowed, detail: "this API key may not read usage: may_read_usage of the key is false"}
	}
	who, month, refused := readUsage(c.URL.RawQuery)
	if refused != nil {
		return nil, refused
	}
	who.Tenant = key.Tenant
	ctx, cancel := context.WithTimeout(c.Context(), usagePatience)
	defer cancel()
	used, err := s.usageHook(ctx, who, month)
	if err != nil { // not ours to log: the store's absence is told once, by who asks it all the time
		return nil, &refusal{code: Unavailable, detail: "what was used is not known now: try again"}
	}
	return usageAnswer{Tenant: who.Tenant, User: who.User, Month: used.Month, Bytes: used.Bytes}, nil
}

func readUsage(query string) (who ratelimit.Subject, month string, _ *refusal) {
	form, err := url.ParseQuery(query)
	if err != nil {
		return who, "", notForm
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		value := form.Get(name)
		switch {
		case len(form[name]) > 1:
			return who, "", &refusal{code: DuplicateField, field: name, detail: name + " is there twice"}
		case name == "user":
			if value == "" || len(value) > auth.MaxUser || !utf8.ValidString(value) {
				return who, "", &refusal{code: InvalidUser, field: name, detail: "user must be 1 to 128 bytes of UTF-8; leave it out for the whole tenant"}
			}
			who.User = value
		case name == "month":
			if _, err := time.Parse("2006-01", value); err != nil {
				return who, "", &refusal{code: InvalidMonth, field: name, detail: "month must be one such as 2026-11; leave it out for this one"}
			}
			month = value
		default:
			return who, "", &refusal{code: UnknownField, detail: "there is no parameter " + quote(name) + ": there are user and month"}
		}
	}
	return who, month, nil
}

package issuer

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// admit finds the key of a request and whether it may be used: from there, by
// that page, and so often. Each request that shows a good key counts.
func (s *Server) admit(c *call, parameters []string) (*grant, *refusal) {
	key := c.live.keys.authenticate(c.Header, parameters)
	switch {
	case key == nil && c.route == TURNREST:
		return nil, noKeyREST
	case key == nil:
		return nil, noKey
	case len(key.Networks) > 0 && !slices.ContainsFunc(key.Networks, func(n netip.Prefix) bool { return n.Contains(c.client) }):
		return nil, &refusal{code: NetworkNotAllowed, detail: "this API key may not be used from " + c.client.String()}
	case !key.fromOrigin(c.Header):
		return nil, &refusal{code: OriginNotAllowed, detail: "this API key is not for pages of this origin: list it under the key's origins, or ask from your backend"}
	}
	return key, s.charge(c, key)
}

// noKey is the same for every fault of a key.
var (
	noKey = &refusal{code: Unauthorized,
		detail: "send a valid API key, one alone: Authorization: Bearer tk_..., X-API-Key: tk_..., or Basic with the id of the key for a user"}
	noKeyREST = &refusal{code: Unauthorized,
		detail: "send a valid API key, one alone: Authorization: Bearer tk_..., X-API-Key: tk_..., or as key, api or apiKey if allow_query_key of the key is true"}
)

// charge takes the request from what the key may ask, and tells what is left of
// it (draft-ietf-httpapi-ratelimit-headers-10 §3, §4; RFC 9110 §10.2.3).
func (s *Server) charge(c *call, key *grant) *refusal {
	if key.clients != nil && !key.clients.Allow(c.client, s.now()) {
		wait := seconds(time.Duration(float64(time.Second) / key.ClientRate.PerSecond))
		return tooMany(c, wait, fmt.Sprintf("%v has asked too often with this API key: try again in %d s", c.client, wait))
	}
	if key.Rate == (ratelimit.Rate{}) {
		return nil
	}
	standing, ok := key.quota.Take(s.now())
	h := c.w.Header()
	window := time.Duration(float64(key.Rate.Burst) / key.Rate.PerSecond * float64(time.Second))
	h.Set("RateLimit-Policy", fmt.Sprintf(`"key";q=%d;w=%d`, key.Rate.Burst, seconds(window)))
	h.Set("RateLimit", fmt.Sprintf(`"key";r=%d;t=%d`, standing.Left, seconds(standing.Full)))
	if ok {
		return nil
	}
	wait := seconds(standing.Next)
	return tooMany(c, wait, fmt.Sprintf("this API key has asked too often: try again in %d s, and ask once a user and session", wait))
}

// chargeUser takes a credential from what the user may be given.
func (s *Server) chargeUser(c *call, r auth.Request) *refusal {
	if s.mintHook == nil {
		return nil
	}
	role, _ := c.live.issuer.Keyring().Role(r.Role)
	m := s.mintHook(c.Context(), ratelimit.Subject{Tenant: r.Tenant, User: r.User}, role)
	wait := max(1, seconds(m.Retry))
	switch m.Refusal {
	case ratelimit.None:
		return nil
	case ratelimit.RateReached:
		h := c.w.Header()
		h.Add("RateLimit-Policy", fmt.Sprintf(`"user";q=%d;w=%d`, m.Limit.Burst, seconds(m.Limit.Each()*time.Duration(m.Limit.Burst))))
		h.Add("RateLimit", fmt.Sprintf(`"user";r=0;t=%d`, wait))
		return tooMany(c, wait, fmt.Sprintf("this user was given too many credentials: try again in %d s, and keep the one that there is until it expires", wait))
	}
	c.w.Header().Set("Retry-After", strconv.FormatInt(wait, 10))
	return &refusal{code: Unavailable, detail: "how many credentials the user was given is not known now: try again"}
}

func tooMany(c *call, wait int64, detail string) *refusal {
	c.w.Header().Set("Retry-After", strconv.FormatInt(wait, 10))
	return &refusal{code: TooManyRequests, detail: detail}
}

// seconds rounds up: who waits so long finds room.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

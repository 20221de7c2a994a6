package issuer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"turnpike/auth"
	"turnpike/ratelimit"
)

// keyring finds keys by id.
type keyring map[string]*grant

// newKeyring checks the keys and looks up their roles. What a key of before has
// asked still counts.
func newKeyring(keys []APIKey, issuer *auth.Issuer, now time.Time, before keyring) (keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("issuer: no API keys: nobody could mint; give one at least")
	}
	var faults []error
	ring := make(keyring, len(keys))
	for _, k := range keys {
		if ring[k.ID] != nil {
			faults = append(faults, fmt.Errorf("issuer: API key %q: the id is taken; give each key its own", k.ID))
		}
		g, err := newGrant(k, issuer, now)
		if err != nil {
			faults = append(faults, fmt.Errorf("issuer: API key %q: %w", k.ID, err))
		}
		if old := before[k.ID]; old != nil && old.Rate == k.Rate && old.ClientRate == k.ClientRate {
			g.quota, g.clients = old.quota, old.clients
		}
		ring[k.ID] = g
	}
	return ring, errors.Join(faults...)
}

// newGrant looks up the roles of a key. All that an auth.Issuer tells of a role
// is in a credential, so one is made for each and thrown away.
func newGrant(k APIKey, issuer *auth.Issuer, now time.Time) (*grant, error) {
	g := &grant{APIKey: k, origins: make(map[string]bool, len(k.Origins))}
	for _, origin := range k.Origins {
		g.origins[origin] = true
	}
	names := k.Roles
	if len(names) == 0 {
		names = []string{auth.DefaultRoleName}
	}
	faults := []error{k.check(), g.setRates()}
	for _, name := range names {
		c, err := issuer.Issue(auth.Request{Role: name, Tenant: k.Tenant}, now)
		if err != nil {
			faults = append(faults, fmt.Errorf("role %q: %w", name, err))
			continue
		}
		g.roles = append(g.roles, c.Role)
	}
	return g, errors.Join(faults...)
}

// clientBuckets are those of one key, about 400 KB: few clients share one.
const clientBuckets = 1 << 12

func (g *grant) setRates() (err error) {
	if g.quota, err = ratelimit.NewQuota(g.Rate); err != nil || g.ClientRate == (ratelimit.Rate{}) {
		return err
	}
	g.clients, err = ratelimit.NewLimiter(ratelimit.Options{
		PerSecond: g.ClientRate.PerSecond, Burst: g.ClientRate.Burst, Scope: ratelimit.Source, Buckets: clientBuckets})
	return err
}

// authenticate gives the key that a request shows, or nil. What is wrong with
// it makes no difference to the answer, and an unknown id costs the same hash
// and comparison as a wrong secret.
func (k keyring) authenticate(h http.Header, parameters []string) *grant {
	plain, id, ok := shown(h, parameters)
	if !ok {
		return nil
	}
	known, found := k[id]
	if !found {
		known = &grant{}
	}
	hash := sha256.Sum256([]byte(plain))
	if subtle.ConstantTimeCompare(hash[:], known.Hash[:]) != 1 || !found {
		return nil
	}
	if len(parameters) > 0 && !known.AllowQueryKey {
		return nil
	}
	return known
}

// shown is the one key of a request, which may show it in several ways: in
// Authorization (RFC 6750 §2.1, RFC 7617), in X-API-Key, as a parameter. Two
// different ones are refused, and so is a header that is there twice: which of
// them counts is a matter on which a proxy and we might differ.
func shown(h http.Header, parameters []string) (plain, id string, ok bool) {
	keys := parameters
	for _, way := range []struct {
		name string
		read func(string) string
	}{{"Authorization", authorization}, {"X-Api-Key", func(line string) string { return line }}} {
		lines := h.Values(way.name)
		if len(lines) > 1 {
			return "", "", false
		}
		for _, line := range lines {
			keys = append(keys[:len(keys):len(keys)], way.read(line))
		}
	}
	for _, key := range keys {
		if key != keys[0] {
			return "", "", false
		}
		plain = key
	}
	id, ok = idOf(plain)
	return plain, id, ok
}

// authorization takes the key out of an Authorization header: Bearer KEY, or
// Basic with the id of the key for a user. Anything else is no key.
func authorization(line string) string {
	scheme, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest
	case strings.EqualFold(scheme, "Basic"):
		pair, err := base64.StdEncoding.DecodeString(rest)
		user, plain, _ := strings.Cut(string(pair), ":")
		if id, ok := idOf(plain); err == nil && ok && id == user {
			return plain
		}
	}
	return ""
}

// idOf is the id within a key. The secret's length is fixed, so the id, which
// may hold the separator too, ends where it begins.
func idOf(plain string) (id string, ok bool) {
	if !strings.HasPrefix(plain, keyPrefix) || len(plain) < minKeyLen || len(plain) > maxKeyLen {
		return "", false
	}
	end := len(plain) - keyChars - 1
	return plain[len(keyPrefix):end], plain[end] == '_'
}

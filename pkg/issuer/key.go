package issuer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"turnpike/auth"
)

const (
	keyPrefix = "tk_"
	// keyBytes is the randomness of a key: at 256 bits a plain SHA-256 is as
	// good as a slow hash, since nobody can guess through either.
	keyBytes  = 32
	keyChars  = 43 // keyBytes in unpadded base64url
	maxKeyID  = 32
	minKeyLen = len(keyPrefix) + 1 + len("_") + keyChars
	maxKeyLen = len(keyPrefix) + maxKeyID + len("_") + keyChars
)

// APIKey is what the server keeps of a key: enough to know it again, nothing
// to present it.
type APIKey struct {
	// ID names the key in records and configuration: [A-Za-z0-9_-]{1,32}.
	ID string
	// Hash is the SHA-256 of the whole key as the app sends it, from "tk_" to
	// the last character (printf %s "$KEY" | sha256sum).
	Hash [sha256.Size]byte
	// Tenant says whose key it is, in the record of what it mints. It is no
	// part of a credential.
	Tenant string
	// Roles are the roles a request may name, the first one the default. None:
	// auth.DefaultRoleName alone.
	Roles []string
	// MaxTTL caps the lifetime of what the key mints, below the cap of the
	// role. Whole seconds; 0: the role's cap alone.
	MaxTTL time.Duration
}

// NewAPIKey makes a key: plain, tk_<id>_<43 characters>, is shown to the app's
// developer once and kept nowhere; key is for [Options].Keys. Errors: an id
// that is not [A-Za-z0-9_-]{1,32}, or a failing rand.
func NewAPIKey(rand io.Reader, id string) (plain string, key APIKey, err error) {
	if !isName(id) {
		return "", APIKey{}, fmt.Errorf("API key id %q: want 1 to %d characters of A-Z a-z 0-9 _ -", id, maxKeyID)
	}
	var secret [keyBytes]byte
	if _, err := io.ReadFull(rand, secret[:]); err != nil {
		return "", APIKey{}, fmt.Errorf("API key %s: no randomness: %w", id, err)
	}
	plain = keyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(secret[:])
	return plain, APIKey{ID: id, Hash: sha256.Sum256([]byte(plain))}, nil
}

// check finds what is wrong with a configured key.
func (k *APIKey) check() error {
	var faults []error
	if !isName(k.ID) {
		faults = append(faults, fmt.Errorf("the id must be 1 to %d characters of A-Z a-z 0-9 _ -", maxKeyID))
	}
	if k.Hash == [sha256.Size]byte{} {
		faults = append(faults, errors.New("no hash: give the SHA-256 of the whole key"))
	}
	if k.MaxTTL < 0 || k.MaxTTL%time.Second != 0 {
		faults = append(faults, fmt.Errorf("max TTL %v: want whole seconds, or 0 for the role's", k.MaxTTL))
	}
	for i, role := range k.Roles {
		if role == "" {
			faults = append(faults, errors.New("a role without a name: leave Roles empty for the default role"))
		}
		if slices.Contains(k.Roles[:i], role) {
			faults = append(faults, fmt.Errorf("role %q is listed twice", role))
		}
	}
	return errors.Join(faults...)
}

// isName tells the names that need no escaping wherever they turn up.
func isName(s string) bool {
	if s == "" || len(s) > maxKeyID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// keyring finds keys by id.
type keyring map[string]*grant

// newKeyring checks the keys and looks up their roles.
func newKeyring(keys []APIKey, issuer *auth.Issuer, now time.Time) (keyring, error) {
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
		ring[k.ID] = g
	}
	return ring, errors.Join(faults...)
}

// newGrant looks up the roles of a key. All that an auth.Issuer tells of a role
// is in a credential, so one is made for each and thrown away.
func newGrant(k APIKey, issuer *auth.Issuer, now time.Time) (*grant, error) {
	g := &grant{APIKey: k}
	names := k.Roles
	if len(names) == 0 {
		names = []string{auth.DefaultRoleName}
	}
	faults := []error{k.check()}
	for _, name := range names {
		c, err := issuer.Issue(auth.Request{Role: name}, now)
		if err != nil {
			faults = append(faults, fmt.Errorf("role %q: %w", name, err))
			continue
		}
		g.roles = append(g.roles, c.Role)
	}
	return g, errors.Join(faults...)
}

// authenticate gives the key a request was sent with, or nil. What is wrong
// with the header makes no difference to the answer, and an unknown id costs
// the same hash and comparison as a wrong secret.
func (k keyring) authenticate(h http.Header) *grant {
	plain, id, ok := bearer(h)
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
	return known
}

// bearer takes the API key out of the one Authorization header (RFC 6750
// §2.1). Two of them are refused: which one counts is a matter on which a
// proxy and we might differ. The secret's length is fixed, so the id, which may
// hold the separator too, ends where it begins.
func bearer(h http.Header) (plain, id string, ok bool) {
	lines := h.Values("Authorization")
	if len(lines) != 1 {
		return "", "", false
	}
	scheme, plain, _ := strings.Cut(lines[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(plain, keyPrefix) ||
		len(plain) < minKeyLen || len(plain) > maxKeyLen {
		return "", "", false
	}
	end := len(plain) - keyChars - 1
	return plain, plain[len(keyPrefix):end], plain[end] == '_'
}

package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"turnpike/ratelimit"
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
	// Tenant says whose key it is: [A-Za-z0-9_-]{0,32}. It is signed into every
	// credential, so that the limits of the tenant hold for its users.
	Tenant string
	// Roles are the roles a request may name, the first one the default. None:
	// auth.DefaultRoleName alone.
	Roles []string
	// MaxTTL caps the lifetime of what the key mints, below the cap of the
	// role. Whole seconds; 0: the role's cap alone.
	MaxTTL time.Duration
	// AllowQueryKey lets the key be a parameter of /turn/credentials, where logs
	// of others keep it: for clients that can send it in no other way.
	AllowQueryKey bool
	// MayRevoke lets the key take back credentials of its tenant; without a tenant
	// those of any by their ids.
	MayRevoke bool
	// MayReadUsage lets the key ask what its tenant and the users of it have used.
	MayReadUsage bool
	// Rate is how often the key may ask; none: no limit.
	Rate ratelimit.Rate
	// ClientRate is how often one address may ask with the key (an IPv6 /64): for
	// keys that pages have. None: no limit.
	ClientRate ratelimit.Rate
	// Networks are where the key may be used from; none: everywhere.
	Networks []netip.Prefix
	// Origins are the pages that may use the key, as browsers write them:
	// https://app.example.org. Such a key is no secret. None: no page may.
	Origins []string
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
	for _, network := range k.Networks {
		if !network.IsValid() || network != network.Masked() {
			faults = append(faults, fmt.Errorf("network %v: want ADDRESS/BITS, with no bit set behind BITS", network))
		}
	}
	for i, origin := range k.Origins {
		faults = append(faults, checkOrigin(origin))
		if slices.Contains(k.Origins[:i], origin) {
			faults = append(faults, fmt.Errorf("origin %q is listed twice", origin))
		}
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

package auth

import (
	"errors"
	"fmt"
	"time"
)

// RevocationKind is what a [Revocation] names.
type RevocationKind string

// The kinds.
const (
	RevokeCredential RevocationKind = "credential" // the one with the ID
	RevokeUser       RevocationKind = "user"       // those of the user that may be from before a time
	RevokeKey        RevocationKind = "key"        // all that the issuer key or shared secret with the ID has signed
)

// ErrRevocation is what is wrong with a [Revocation]: the caller's fault.
var ErrRevocation = errors.New("auth: revocation")

// Revocation takes back credentials before they expire.
type Revocation struct {
	Kind RevocationKind `json:"kind"`
	// ID is that of the credential, or of the issuer key or shared secret. An API
	// key has none here: no username says who asked for it.
	ID string `json:"id,omitzero"`
	// Tenant is whose user; empty is a tenant too. A credential is named in any
	// tenant if it is empty, and else in that one alone: who acts for a tenant takes
	// back nothing of another.
	Tenant string `json:"tenant,omitzero"`
	User   string `json:"user,omitzero"`
	// Before says which of a user's credentials are meant, see [Identity.Issued].
	Before time.Time `json:"before,omitzero"`
	// Until is when it may be forgotten, since every credential that it names has
	// expired. Zero means the latest time at which one can expire; for a key that
	// is never, as its secret may sign as long as somebody holds it.
	Until time.Time `json:"until,omitzero"`
}

// Names reports whether the revocation is of the holder's credential. Of a user
// it is also what can't be shown to be from later on.
func (r *Revocation) Names(id *Identity) bool {
	switch r.Kind {
	case RevokeCredential:
		return r.ID == id.CredentialID && (r.Tenant == "" || r.Tenant == id.Tenant)
	case RevokeUser:
		return r.User == id.User && r.Tenant == id.Tenant && id.Issued.Before(r.Before)
	case RevokeKey:
		return r.ID == id.KeyID
	}
	return false
}

// complete checks the revocation and fills in what is zero.
func (r *Revocation) complete(now time.Time) error {
	if r.Kind == RevokeUser && r.Before.IsZero() {
		r.Before = now
	}
	if err := r.check(now); err != nil {
		return err
	}
	if r.Until.IsZero() && r.Kind != RevokeKey {
		r.Until = now.Add(maxTTL + 2*ClockSkew) // Before may be ClockSkew ahead
	}
	r.Before, r.Until = r.Before.Round(0).UTC(), r.Until.Round(0).UTC() // as they are saved
	return nil
}

func (r *Revocation) check(now time.Time) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrRevocation}, args...)...)
	}
	named := r.Kind == RevokeCredential || r.Kind == RevokeKey
	switch {
	case !named && r.Kind != RevokeUser:
		return bad("the kind is none of credential, user, key")
	case named && !validName(r.ID):
		return bad("the id of a %s is 1 to %d of A-Z a-z 0-9 _ -", r.Kind, MaxName)
	case r.Tenant != "" && !validName(r.Tenant):
		return bad("the tenant must be at most %d of A-Z a-z 0-9 _ -", MaxName)
	case named && (r.User != "" || !r.Before.IsZero()):
		return bad("a %s is named by its id, without user and time", r.Kind)
	case r.Kind == RevokeKey && r.Tenant != "":
		return bad("a key is named by its id alone, without a tenant")
	case named:
		return nil
	case r.ID != "":
		return bad("a user has no id; give the name")
	case r.User == "" || checkUser(r.User) != nil:
		return bad("the user must be 1 to %d bytes of UTF-8 without control characters", MaxUser)
	case r.Before.After(now.Add(ClockSkew)):
		return bad("before is in the future: it is no ban, but says which credentials are too old")
	}
	return nil
}

// issued is when a credential was made, at the earliest that fits what it says.
// Ours say it in their ids (see newID), without its high bits, which are taken
// from the expiry. What an application mints says only when it expires: it may
// have been made as long before as it may live at most, by a clock as far ahead
// of ours as any that is believed.
func issued(name Username, longest time.Duration) time.Time {
	if s, ok := issuedSeconds(name.CredentialID); ok {
		if ttl := time.Duration(uint32(name.Expires)-s) * time.Second; ttl <= maxTTL {
			return time.Unix(name.Expires, 0).Add(-ttl).UTC()
		}
	}
	return time.Unix(name.Expires, 0).Add(-longest - ClockSkew).UTC()
}

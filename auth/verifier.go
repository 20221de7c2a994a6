package auth

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ClockSkew is how far the clock of an application that mints may run ahead
// of ours: an expiry up to a role's MaxTTL and ClockSkew ahead is accepted. An
// expired one gets no grace, as in coturn.
const ClockSkew = 5 * time.Minute

// maxRealm is the longest realm: RFC 8489 §14.9 has it fewer than 128
// characters.
const maxRealm = 127

// Outcome is what became of a username and its signature. The client learns
// only whether it is OK; the rest is for counting.
type Outcome uint8

const (
	OK             Outcome = iota
	BadUsername            // not one of the forms of ParseUsername
	Expired                // rightly signed, but too late
	FarFuture              // rightly signed, but it expires later than the role or the secret allows
	NoUser                 // rightly signed, but the secret's IDRule finds no user in it
	UnknownKey             // names an issuer key that we do not have (any more), or none and there is no shared secret
	UnknownRole            // rightly signed, but the role is gone
	WrongSignature         // no key that could have signed it did
	Revoked                // rightly signed, but taken back
	NumOutcomes    int     = iota
)

var outcomeNames = [NumOutcomes]string{
	OK: "ok", BadUsername: "bad_username", Expired: "expired", FarFuture: "far_future", NoUser: "no_user",
	UnknownKey: "unknown_key", UnknownRole: "unknown_role", WrongSignature: "wrong_signature",
	Revoked: "revoked",
}

// String is the outcome's name in metrics and records.
func (o Outcome) String() string {
	if int(o) < NumOutcomes {
		return outcomeNames[o]
	}
	return "unknown"
}

// Identity is who holds a verified credential.
type Identity struct {
	Username     string
	User         string    // empty if the username has none: then no limit a user applies
	Tenant       string    // whose user; of users with the same name in two tenants nothing is shared
	Role         *Role     // must not be changed
	CredentialID string    // empty if minted by an application, and of a static user
	KeyID        string    // the issuer key, shared secret or static user that fits
	Expires      time.Time // zero for a static user
	Issued       time.Time // not before then; whole seconds, see Revocation; zero for a static user
	// What signs the session's messages, also after Expires. A key that the
	// verifier does not accept is zero.
	Key       LongTermKey
	SHA256Key SHA256Key

	static bool // see IsStatic
}

// KeyOf is the key of an algorithm; nil if there is none.
func (id *Identity) KeyOf(a Algorithm) []byte {
	switch {
	case a == MD5 && id.Key != LongTermKey{}:
		return id.Key[:]
	case a == SHA256 && id.SHA256Key != SHA256Key{}:
		return id.SHA256Key[:]
	}
	return nil
}

func (id *Identity) setKey(a Algorithm, key [sha256.Size]byte) {
	if a == SHA256 {
		id.SHA256Key = key
	} else {
		id.Key = LongTermKey(key[:md5.Size])
	}
}

// Verifier checks credentials. It never changes and may be used from any
// number of goroutines.
type Verifier struct {
	ring       *Keyring
	realm      string
	algorithms []Algorithm
	static     map[string]*Identity // by username
	revoked    *Revocations
}

// NewVerifier makes a verifier for the realm, which is part of every key:
// 1 to 127 bytes of UTF-8 without control characters, quotes or backslashes
// (RFC 8489 §14.9 takes it from RFC 3261's quoted string). The algorithms are
// those that it accepts, MD5 alone if there are none.
func NewVerifier(k *Keyring, realm string, algorithms ...Algorithm) (*Verifier, error) {
	if k == nil {
		return nil, errors.New("auth: verifier: no keyring")
	}
	if realm == "" || len(realm) > maxRealm || !cleanText(realm) || strings.ContainsAny(realm, `"\`) {
		return nil, errors.New("auth: verifier: the realm must be 1 to 127 bytes without control characters, quotes or backslashes; use the domain name, such as example.org")
	}
	if len(algorithms) == 0 {
		algorithms = []Algorithm{MD5}
	}
	for i, a := range algorithms {
		if a != MD5 && a != SHA256 || slices.Contains(algorithms[:i], a) {
			return nil, fmt.Errorf("auth: verifier: the algorithm %d is not known or there twice; give MD5, SHA256 or both", a)
		}
	}
	v := &Verifier{ring: k, realm: realm, algorithms: slices.Clone(algorithms), static: map[string]*Identity{}}
	for name, user := range k.static {
		v.static[name] = user.identity(realm, algorithms)
	}
	return v, nil
}

// Role is that of the keyring, by its name.
func (v *Verifier) Role(name string) (*Role, bool) { return v.ring.Role(name) }

// Without is a verifier that also refuses what has been revoked, from the moment
// it is.
func (v *Verifier) Without(r *Revocations) *Verifier {
	w := *v
	w.revoked = r
	return &w
}

// Algorithms are those that the verifier accepts, in the order in which they
// were given to it.
func (v *Verifier) Algorithms() []Algorithm { return slices.Clone(v.algorithms) }

// Verify finds out who signed under a key of the algorithm; of one that is not
// accepted no key is made. signed checks the message's MESSAGE-INTEGRITY
// under a key; it is asked for each key that could have made it. key is valid
// during the call only.
//
// Every refusal does the same work as any other of its sort; see the package
// comment. Expired, FarFuture, NoUser, UnknownRole and Revoked are reported only where the
// signature fits: anybody can write a date, and it should not look like a
// client whose clock or credential is late. A refusal allocates nothing, nor does
// success unless a regular expression finds the user.
func (v *Verifier) Verify(username string, now time.Time, as Algorithm, signed func(key []byte) bool) (Identity, Outcome) {
	if !slices.Contains(v.algorithms, as) {
		return Identity{}, WrongSignature
	}
	name, err := ParseUsername(username)
	var user *Identity // a static one, who has signed
	known := false
	if len(v.static) > 0 && !name.Issued() {
		user, known = v.askStatic(username, as, signed)
		if user != nil && !v.revoked.Revoked(user) {
			return *user, OK
		}
	}
	signers, outcome := v.candidates(name, err)
	text := username
	if len(text) > MaxUsername {
		text = text[:MaxUsername] // refused; the work is done all the same
	}
	for _, s := range signers {
		key, fits := s.ask(text, v.realm, as, signed)
		role := s.role
		if name.Issued() {
			role = v.ring.roles[name.Role]
		}
		// Judged whether it fits or not, or being late would tell that it did.
		worth := s.judge(name, role, now)
		if !fits || outcome != WrongSignature {
			continue
		}
		// Not returned at once: the remaining keys' work is still to be done.
		if outcome = worth; outcome != OK {
			continue
		}
		holder, found := s.rule.user(name.User)
		if !found {
			outcome = NoUser
			continue
		}
		id := Identity{
			Username: username, User: holder, Tenant: cmp.Or(name.Tenant, s.tenant), Role: role,
			CredentialID: name.CredentialID, KeyID: s.id,
			Expires: time.Unix(name.Expires, 0).UTC(), Issued: issued(name, s.longest(role)),
		}
		if v.revoked.Revoked(&id) {
			outcome = Revoked
			continue
		}
		id.setKey(as, key)
		v.addKeys(&id, s, as)
		return id, OK
	}
	switch {
	case user != nil:
		outcome = Revoked
	case known:
		outcome = WrongSignature // and no BadUsername: it is a static user's
	}
	return Identity{}, outcome
}

// addKeys adds the keys of the other algorithms, with which the client may go on
// as well as with that which it began with.
func (v *Verifier) addKeys(id *Identity, s *signer, has Algorithm) {
	for _, a := range v.algorithms {
		if a != has {
			key, _ := s.ask(id.Username, v.realm, a, func([]byte) bool { return true })
			id.setKey(a, key)
		}
	}
}

// candidates are the keys to ask and the outcome if none of them fits. Where
// it is anything but WrongSignature no fit changes that.
func (v *Verifier) candidates(name Username, err error) ([]*signer, Outcome) {
	outcome := WrongSignature
	if err != nil {
		outcome = BadUsername
	}
	if name.Issued() {
		if key := v.ring.keys[name.KeyID]; key != nil {
			return key.alone, outcome
		}
		return v.ring.decoy.alone, UnknownKey
	}
	if len(v.ring.shared) > 0 {
		return v.ring.shared, outcome
	}
	if err == nil {
		outcome = UnknownKey // never WrongSignature: the decoy's secret is in this source
	}
	return v.ring.decoy.alone, outcome
}

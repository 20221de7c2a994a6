package auth

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// What is wrong with a [Request], for errors.Is: each is the caller's fault,
// and the error's text says what to change. It never repeats the user's name.
var (
	ErrUser   = errors.New("auth: user")
	ErrTenant = errors.New("auth: tenant")
	ErrRole   = errors.New("auth: role")
	ErrTTL    = errors.New("auth: ttl")
)

// credentialIDBytes make a credential id of 16 characters: see newID.
const credentialIDBytes = 12

// Request asks for a credential.
type Request struct {
	// User is whose limits apply: at most [MaxUser] bytes of UTF-8 without
	// control characters. Empty: the credential stands for itself, and its id
	// becomes the user.
	User string
	// Tenant is whose user that is: [A-Za-z0-9_-]{0,32}. It is signed, so that
	// the limits of the tenant hold and nobody can move to another.
	Tenant string
	Role   string        // empty means DefaultRoleName
	TTL    time.Duration // 1 s to the role's MaxTTL, cut to seconds; 0 means the role's TTL
}

// Credential is a username and its password. It prints and encodes without the
// password: whoever hands it out does so by name.
type Credential struct {
	Username string
	Password string `json:"-"`

	ID      string        // unique; for records and revocation
	User    string        // never empty
	Role    *Role         // must not be changed
	TTL     time.Duration // whole seconds
	Expires time.Time     // UTC, whole seconds
}

// Format implements [fmt.Formatter] for every verb and flag.
func (c Credential) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "credential %s %s", c.ID, redacted)
}

// LogValue implements [slog.LogValuer].
func (c Credential) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", c.ID), slog.Time("expires", c.Expires))
}

// Issuer makes credentials under the current issuer key. It may be used from
// any number of goroutines.
type Issuer struct {
	ring *Keyring
	rand io.Reader
}

// NewIssuer makes an issuer. random must be safe for concurrent use; nil means
// crypto/rand.Reader. A keyring without issuer keys is an error.
func NewIssuer(k *Keyring, random io.Reader) (*Issuer, error) {
	if k == nil || k.issue == nil {
		return nil, errors.New("auth: issuer: the keyring has no issuer key; add one to Keys")
	}
	if random == nil {
		random = rand.Reader
	}
	return &Issuer{ring: k, rand: random}, nil
}

// Keyring is what the issuer signs with.
func (i *Issuer) Keyring() *Keyring { return i.ring }

// Issue makes a credential that may start sessions until now plus its TTL. A
// fault of the request is [ErrUser], [ErrRole] or [ErrTTL]; any other error is
// ours.
func (i *Issuer) Issue(r Request, now time.Time) (Credential, error) {
	role, ok := i.ring.Role(r.Role)
	if !ok {
		return Credential{}, fmt.Errorf("%w: there is no such role", ErrRole)
	}
	ttl, err := chooseTTL(r.TTL, role)
	if err != nil {
		return Credential{}, err
	}
	if err := checkUser(r.User); err != nil {
		return Credential{}, err
	}
	if r.Tenant != "" && !validName(r.Tenant) {
		return Credential{}, fmt.Errorf("%w: must be at most %d of A-Z a-z 0-9 _ -", ErrTenant, MaxName)
	}
	id, err := i.newID(now)
	if err != nil {
		return Credential{}, err
	}
	user := r.User
	if user == "" {
		user = id
	}
	expires := now.Unix() + int64(ttl/time.Second)
	if expires < 0 || expires > 999_999_999_999 {
		return Credential{}, fmt.Errorf("auth: issuer: the clock is at %v", now)
	}
	key := i.ring.issue
	username := formatIssued(Username{Expires: expires, User: user, KeyID: key.id, Role: role.Name, CredentialID: id, Tenant: r.Tenant})
	return Credential{
		Username: username, Password: key.password(username),
		ID: id, User: user, Role: role, TTL: ttl, Expires: time.Unix(expires, 0).UTC(),
	}, nil
}

// newID makes a credential id: when it was issued, in seconds and modulo 2^32,
// and 64 random bits. The time is there so that one line ("none of this user's
// from before then") can revoke what nobody listed.
func (i *Issuer) newID(now time.Time) (string, error) {
	var b [credentialIDBytes]byte
	binary.BigEndian.PutUint32(b[:], uint32(now.Unix()))
	if _, err := io.ReadFull(i.rand, b[4:]); err != nil {
		return "", fmt.Errorf("auth: issuer: reading random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}

// issuedSeconds is the time in a credential id; false: it is none of newID's.
func issuedSeconds(id string) (uint32, bool) {
	var b [credentialIDBytes]byte
	if base64.RawURLEncoding.DecodedLen(len(id)) != len(b) {
		return 0, false
	}
	if _, err := base64.RawURLEncoding.Decode(b[:], []byte(id)); err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[:]), true
}

func chooseTTL(ttl time.Duration, role *Role) (time.Duration, error) {
	if ttl == 0 {
		ttl = role.TTL
	}
	if ttl < time.Second || ttl > role.MaxTTL {
		return 0, fmt.Errorf("%w: must be 1 to %d seconds", ErrTTL, int64(role.MaxTTL/time.Second))
	}
	return ttl.Truncate(time.Second), nil
}

func checkUser(user string) error {
	if len(user) > MaxUser {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrUser, len(user), MaxUser)
	}
	if !cleanText(user) {
		return fmt.Errorf("%w: must be valid UTF-8 without control characters", ErrUser)
	}
	return nil
}

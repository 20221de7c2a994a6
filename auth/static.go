package auth

import (
	"errors"
	"fmt"
	"strings"
)

// StaticUser is a user whose password does not expire, for clients that can be
// given nothing else. It has either a password or a key.
type StaticUser struct {
	ID     string // [A-Za-z0-9_-]{1,32}; for records, unique among keys and secrets too
	Name   string // the whole username; see CheckStaticName
	Tenant string // as in Shared
	Role   string // empty means DefaultRoleName

	Password Secret // as ParseSecret makes it
	// Key is what coturn's turnadmin -k prints: DeriveKey of name, realm and
	// password. It serves MD5 alone, and nobody can tell how weak the password is.
	Key LongTermKey
}

// CheckStaticName says what is wrong with the name of a static user. It can be
// no time-limited username, nor begin as one that issuer keys sign: 1 to MaxUser
// bytes of text without a colon, not digits alone, no tilde at the beginning.
func CheckStaticName(name string) error {
	switch {
	case name == "" || len(name) > MaxUser || !cleanText(name):
		return fmt.Errorf("auth: static user: the name must be 1 to %d bytes of valid UTF-8 without control characters", MaxUser)
	case strings.Contains(name, ":"):
		return errors.New("auth: static user: the name has a colon, which ends the expiry or the user of a time-limited username; take it out")
	case allDigits(name):
		return errors.New("auth: static user: the name is a number, as the expiry of a time-limited username is; add a letter")
	case name[0] == '~':
		return errors.New("auth: static user: the name begins with a tilde, as the claims of an issued username do; take it out")
	}
	return nil
}

// static is a user of a keyring.
type static struct {
	StaticUser
	role *Role
}

// identity is who the user is in a realm. It has a key for each algorithm, as far
// as there is one.
func (u *static) identity(realm string, algorithms []Algorithm) *Identity {
	id := &Identity{Username: u.Name, User: u.Name, Tenant: u.Tenant, Role: u.role, KeyID: u.ID, static: true}
	password := string(u.Password.Bytes())
	for _, a := range algorithms {
		switch {
		case a == MD5 && password == "":
			id.Key = u.Key
		case a == MD5:
			id.Key = DeriveKey(u.Name, realm, password)
		case password != "":
			id.SHA256Key = DeriveSHA256Key(u.Name, realm, password)
		}
	}
	return id
}

// IsStatic reports whether the credential never expires.
func (id *Identity) IsStatic() bool { return id.static }

// Holds reports whether who was let in is still to be served: a static user only
// as long as there is one of that name with that password. Whatever else was let
// in is bounded by its expiry and its session's.
func (v *Verifier) Holds(id *Identity) bool {
	if !id.IsStatic() {
		return true
	}
	now := v.static[id.Username]
	return now != nil && now.KeyID == id.KeyID && now.Key == id.Key && now.SHA256Key == id.SHA256Key
}

// nobody's key is asked where there is no static user of that name, so that the
// work is the same. What it signs is nobody's.
var nobody = Identity{Key: DeriveKey("", "", ""), SHA256Key: DeriveSHA256Key("", "", "")}

// askStatic asks for the key of a static user; nil if it was not the user's.
// known reports whether there is one of that name.
func (v *Verifier) askStatic(username string, as Algorithm, signed func(key []byte) bool) (who *Identity, known bool) {
	user, known := v.static[username]
	key := nobody.KeyOf(as)
	if known {
		if own := user.KeyOf(as); own != nil {
			key, who = own, user
		}
	}
	if !signed(key) {
		who = nil
	}
	return who, known
}

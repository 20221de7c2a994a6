package auth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxUsername is the longest USERNAME in bytes: RFC 8489 §14.3 has it
	// less than 509.
	MaxUsername = 508
	// MaxUser is the longest user name inside a username, in bytes.
	MaxUser = 128
	// MaxName is the longest key id, role name, credential id or tenant.
	MaxName = 32
	// maxExpiryDigits keeps an expiry far from overflow; today's has ten.
	maxExpiryDigits = 12
)

// ErrUsername is what every error of [ParseUsername] wraps.
var ErrUsername = errors.New("auth: malformed username")

// Made once: a username is a foreign byte string on the packet path, where no
// error is ever formatted.
var (
	errUsernameLength = fmt.Errorf("%w: empty or longer than %d bytes", ErrUsername, MaxUsername)
	errUsernameText   = fmt.Errorf("%w: control character or not valid UTF-8", ErrUsername)
	errUsernameExpiry = fmt.Errorf("%w: no expiry of 1 to %d digits without leading zeros", ErrUsername, maxExpiryDigits)
	errUsernameUser   = fmt.Errorf("%w: user longer than %d bytes, or begins with a tilde before the expiry", ErrUsername, MaxUser)
	errUsernameClaims = fmt.Errorf("%w: not ~key.role.credential:user or ~key.role.credential.tenant:user after the expiry", ErrUsername)
)

// Username is a username taken apart. All strings are parts of the original.
type Username struct {
	Expires int64  // unix seconds, 0 to 999999999999
	User    string // empty if the username names none
	// The signed claims of a username issued by us; empty in any other. Tenant
	// may be empty in one of ours too.
	KeyID, Role, CredentialID, Tenant string
}

// Issued reports whether the username has the form that only issuer keys sign.
func (u Username) Issued() bool { return u.KeyID != "" }

// ParseUsername takes a username apart at its first colon. Four forms are known:
//
//	<unix>                                       Jitsi
//	<unix>:<user>                                Synapse, Nextcloud, TURN REST
//	<user>:<unix>                                coturn accepts it too
//	<unix>:~<key id>.<role>.<credential id>:<user>   ours
//
// A credential of a tenant has .<tenant> after the credential id.
//
// As in coturn (userdb.c, get_rest_api_timestamp) the part before the first
// colon is the expiry if it is a number, whatever follows; so the user of the
// third form can't be a number, and the user of the second may have colons:
// "1443779631:@alice:example.org". Unlike coturn, which reads as many digits as
// it finds, an expiry is 1 to 12 decimal digits and nothing else, without
// leading zeros. The empty user of "<unix>:" is the same as none.
//
// A part after the expiry that begins with a tilde is ours or an error. The
// whole is at most [MaxUsername] bytes, the user [MaxUser], in valid UTF-8
// without control characters or bidirectional overrides. The text is compared
// byte by byte: no profile (RFC 8489 §9.2.2, OpaqueString) is applied, as no
// minting application does.
func ParseUsername(s string) (Username, error) {
	if s == "" || len(s) > MaxUsername {
		return Username{}, errUsernameLength
	}
	if !cleanText(s) {
		return Username{}, errUsernameText
	}
	first, rest, _ := strings.Cut(s, ":")
	if !allDigits(first) {
		return parseUserFirst(first, rest)
	}
	expires, ok := parseExpiry(first)
	if !ok {
		return Username{}, errUsernameExpiry
	}
	if strings.HasPrefix(rest, "~") {
		return parseClaims(expires, rest[1:])
	}
	if len(rest) > MaxUser {
		return Username{}, errUsernameUser
	}
	return Username{Expires: expires, User: rest}, nil
}

func parseUserFirst(user, expiry string) (Username, error) {
	expires, ok := parseExpiry(expiry)
	if !ok {
		return Username{}, errUsernameExpiry
	}
	if user == "" || len(user) > MaxUser || user[0] == '~' {
		return Username{}, errUsernameUser
	}
	return Username{Expires: expires, User: user}, nil
}

func parseClaims(expires int64, s string) (Username, error) {
	claims, user, found := strings.Cut(s, ":")
	key, claims, _ := strings.Cut(claims, ".")
	role, claims, _ := strings.Cut(claims, ".")
	id, tenant, ofTenant := strings.Cut(claims, ".")
	if !found || !validName(key) || !validName(role) || !validName(id) || ofTenant && !validName(tenant) ||
		user == "" || len(user) > MaxUser {
		return Username{}, errUsernameClaims
	}
	return Username{Expires: expires, User: user, KeyID: key, Role: role, CredentialID: id, Tenant: tenant}, nil
}

// formatIssued is the inverse of ParseUsername for usernames issued by us.
func formatIssued(u Username) string {
	b := make([]byte, 0, maxExpiryDigits+6+4*MaxName+len(u.User))
	b = strconv.AppendInt(b, u.Expires, 10)
	b = append(append(b, ":~"...), u.KeyID...)
	b = append(append(b, '.'), u.Role...)
	b = append(append(b, '.'), u.CredentialID...)
	if u.Tenant != "" {
		b = append(append(b, '.'), u.Tenant...)
	}
	b = append(append(b, ':'), u.User...)
	return string(b)
}

// parseExpiry reads unix seconds. No sign, no space, no leading zero: one
// number has one spelling.
func parseExpiry(s string) (int64, bool) {
	if s == "" || len(s) > maxExpiryDigits || !allDigits(s) || (s[0] == '0' && len(s) > 1) {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// allDigits is false for "", so that a username with nothing before its colon
// is not read as one with an expiry there.
func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// validName is the grammar of key ids, roles, credential ids and tenants:
// [A-Za-z0-9_-]{1,32}, which needs no escaping in a username, a metric, a
// record or a store's key.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return s != "" && len(s) <= MaxName
}

// cleanText refuses what could forge or hide a line in a terminal or a record:
// C0, DEL, C1, line and paragraph separators, and format characters
// (invisible, or turning the direction of text) but for the two joiners that
// Persian and emoji are written with. RFC 8265 §3.2.1 disallows all of them in
// usernames.
func cleanText(s string) bool {
	for i, r := range s {
		switch {
		case r < 0x20, r >= 0x7f && r < 0xa0,
			r == 0x2028, r == 0x2029, unicode.Is(unicode.Cf, r) && r != 0x200c && r != 0x200d:
			return false
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

package config

import "time"

// Credentials is whose signature lets a client in.
type Credentials struct {
	// Keys that turnpike signs with, and nobody else has.
	IssuerKeys []IssuerKey `yaml:"issuer_keys" default:"[]" apply:"live"`
	// The id of the issuer key that new credentials are signed with. Needed
	// with more than one.
	IssueWith string `yaml:"issue_with" default:"" unit:"id" apply:"live"`
	// Secrets that an application has too and signs with. Tried in this order,
	// 8 at most.
	SharedSecrets []SharedSecret `yaml:"shared_secrets" default:"[]" apply:"live"`
	// Users with a password that does not expire, for clients that can be given
	// nothing else.
	Users []User `yaml:"users" default:"[]" apply:"live"`
	// A file of 32 bytes or more that signs nonces; nodes behind one address
	// share it. Empty: random at every start.
	NonceKeyFile string `yaml:"nonce_key_file" default:"" unit:"path" apply:"live"`
	// What a credential's expiry is to a session that it has begun: refuse_new lets
	// it go on, end_session ends it.
	OnExpiry string `yaml:"on_expiry" default:"refuse_new" enum:"refuse_new,end_session" unit:"refuse_new or end_session" apply:"restart"`
	// Keeps what was revoked over a restart. Empty: revocations.jsonl in the
	// STATE_DIRECTORY of the service, or without one nothing does.
	RevocationsFile string `yaml:"revocations_file" default:"" unit:"path" apply:"restart"`
	// How clients make the key of their messages, the better first. More than
	// md5 offers them the choice of RFC 8489; answers to unknown clients are then
	// more than 2.4 times their request.
	PasswordAlgorithms []PasswordAlgorithm `yaml:"password_algorithms" default:"[md5]" enum:"md5,sha256" unit:"md5, sha256" apply:"restart"`

	// NonceKey is what NonceKeyFile holds, as it stands; none if that is empty.
	NonceKey Secret `yaml:"-"`
}

// IssuerKey is a key that turnpike signs credentials with.
type IssuerKey struct {
	// Part of every username it signs: 1 to 32 of A-Z a-z 0-9 _ -
	ID string `yaml:"id" unit:"name" apply:"live"`
	// The file that holds the key; one line end is cut off.
	SecretFile string `yaml:"secret_file" default:"" unit:"path" apply:"live"`
	// The key itself, instead. The file that says it must not be readable by everybody.
	Secret Secret `yaml:"secret" default:"" unit:"text" apply:"live"`
}

// SharedSecret is a secret that an application signs credentials with.
type SharedSecret struct {
	// Names it in records and metrics: 1 to 32 of A-Z a-z 0-9 _ -
	ID string `yaml:"id" unit:"name" apply:"live"`
	// Whose users these are: up to 32 of A-Z a-z 0-9 _ -
	Tenant string `yaml:"tenant" default:"" unit:"id" apply:"live"`
	// The role of all its users.
	Role string `yaml:"role" default:"default" unit:"id" apply:"live"`
	// How far ahead an expiry may lie, in whole seconds; 0s: as far as the role's
	// max_credential_ttl. 5 minutes more are granted for clocks that differ.
	MaxTTL time.Duration `yaml:"max_ttl" default:"0s" min:"0s" max:"8784h" unit:"duration" apply:"live"`
	// Who the user of a username is, for limits a user: suffix is all that is
	// beside the expiry, none is nobody (Jitsi, Nextcloud), regex is the group of
	// id_regex.
	IDRule string `yaml:"id_rule" default:"suffix" enum:"suffix,none,regex" unit:"suffix, none or regex" apply:"live"`
	// A regular expression (RE2) with one group, up to 256 bytes. A username in
	// which it finds nothing is refused.
	IDRegex string `yaml:"id_regex" default:"" unit:"RE2" apply:"live"`
	// The file that holds the secret; one line end is cut off.
	SecretFile string `yaml:"secret_file" default:"" unit:"path" apply:"live"`
	// The secret itself, instead. The file that says it must not be readable
	// by everybody.
	Secret Secret `yaml:"secret" default:"" unit:"text" apply:"live"`
}

// User is a user with a password that does not expire. One of secret_file, secret
// and key_file is given. In a Config the secret holds what a file does, of key_file
// the key.
type User struct {
	// Names it in records: 1 to 32 of A-Z a-z 0-9 _ -, unique over keys and
	// shared secrets too.
	ID string `yaml:"id" unit:"name" apply:"live"`
	// The whole username, up to 128 bytes: no colon, not digits alone, no ~ at
	// the beginning; empty: the id.
	Username string `yaml:"username" default:"" unit:"text" apply:"live"`
	// Whose user it is: up to 32 of A-Z a-z 0-9 _ -
	Tenant string `yaml:"tenant" default:"" unit:"id" apply:"live"`
	// The role of the user.
	Role string `yaml:"role" default:"default" unit:"id" apply:"live"`
	// The file that holds the password, of 16 characters or more; one line end is
	// cut off.
	SecretFile string `yaml:"secret_file" default:"" unit:"path" apply:"live"`
	// The password itself, instead. The file that says it must not be readable by
	// everybody.
	Secret Secret `yaml:"secret" default:"" unit:"text" apply:"live"`
	// The file that holds the key, where the password is not known: 0x and 32
	// hexadecimal digits, as coturn's turnadmin -k prints it for this realm. It is
	// for md5 alone.
	KeyFile string `yaml:"key_file" default:"" unit:"path" apply:"live"`
}

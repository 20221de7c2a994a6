package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// oldKey is one as turnadmin -k prints it.
const oldKey = "0x3b1c4d77a0e29f5586d2c41f97be603a"

const threeUsers = "version: 1\ncredentials:\n  users:\n" +
	"    - {id: home, secret: " + key + "}\n" +
	"    - {id: bird, username: netbird@example.org, tenant: acme, secret_file: bird.password}\n" +
	"    - {id: old, key_file: old.key}\n"

func TestUsers(t *testing.T) {
	b := newBed(t)
	password, keyFile := b.put("bird.password", key+"2\n", 0o600), b.put("old.key", oldKey+"\n", 0o640)
	c := b.mustLoad(threeUsers)
	want := []User{
		{ID: "home", Username: "home", Role: "default", Secret: c.Credentials.Users[0].Secret},
		{ID: "bird", Username: "netbird@example.org", Tenant: "acme", Role: "default", SecretFile: password, Secret: c.Credentials.Users[1].Secret},
		{ID: "old", Username: "old", Role: "default", KeyFile: keyFile, Secret: c.Credentials.Users[2].Secret},
	}
	if !slices.Equal(c.Credentials.Users, want) {
		t.Errorf("got %+v, want %+v", c.Credentials.Users, want)
	}
	for i, text := range []string{key, key + "2", oldKey} {
		if got := c.Credentials.Users[i].Secret.Text(); got != text {
			t.Errorf("user %d has %q, want %q", i, got, text)
		}
	}
	printed := string(effective(t, c))
	if strings.Contains(printed, key) || strings.Contains(printed, oldKey) || strings.Count(printed, redacted) != 1 {
		t.Errorf("printed\n%s", printed)
	}

	b.put("old.key", strings.Replace(oldKey, "b", "a", 1), 0o640)
	changes := c.Changes(b.mustLoad(threeUsers))
	if len(changes) != 1 || changes[0].Path != "credentials.users[old].secret" || !changes[0].Live || changes[0].New != redacted {
		t.Errorf("of another key in the file: %v", changes)
	}
}

func TestKeyOfAUserIsWarnedOf(t *testing.T) {
	b := newBed(t)
	b.put("old.key", oldKey, 0o600)
	_, warnings, err := Load(Options{Path: b.put("t.yaml", "version: 1\ncredentials: {users: [{id: old, key_file: old.key}]}\n", 0o600)})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "credentials.users[0].key_file: is a key, of which nobody can tell") {
		t.Errorf("%v, %v", warnings, err)
	}
}

func TestBadUsers(t *testing.T) {
	const of = "version: 1\ncredentials:\n  users:\n"
	b := newBed(t)
	b.put("old.key", oldKey, 0o600)
	b.put("open.key", oldKey, 0o604)
	for _, tt := range []struct{ name, file, want string }{
		{"no password", of + "    - {id: a}\n", `t.yaml:4:7: credentials.users[0]: has no secret; give secret_file, or secret`},
		{"id of a secret", of + "    - {id: a, secret: KEY}\n  shared_secrets: [{id: a, secret: KEY}]\n",
			`t.yaml:4:12: credentials.users[0].id: is "a", as credentials.shared_secrets[0].id is; give each its own id`},
		{"name of another", of + "    - {id: a, secret: KEY}\n    - {id: b, username: a, secret: KEY}\n",
			`t.yaml:5:25: credentials.users[1].username: is "a", as that of credentials.users[0] is; give each user another name`},
		{"role", of + "    - {id: a, role: gold, secret: KEY}\n",
			`t.yaml:4:21: credentials.users[0].role: is "gold", and there is no such role; add it to roles, or name one of default`},
		{"tenant", of + "    - {id: a, tenant: a.b, secret: KEY}\n",
			`t.yaml:4:23: credentials.users[0].tenant: is "a.b"; give up to 32 of A-Z a-z 0-9 _ -`},
		{"password and key", of + "    - {id: a, secret: KEY, key_file: old.key}\n",
			`t.yaml:4:74: credentials.users[0].key_file: is given beside a password; keep one of key_file, secret_file and secret`},
		{"key for everybody", of + "    - {id: a, key_file: open.key}\n",
			`t.yaml:4:25: credentials.users[0].key_file: open.key can be read or written by everybody (mode 0604); run chmod o= on it; a secret mounted into a container takes the mode 0440`},
		{"key without md5", of + "    - {id: a, key_file: old.key}\n  password_algorithms: [sha256]\n",
			`t.yaml:4:25: credentials.users[0].key_file: is given, and a key is for md5, which is not among the password algorithms; give the password, or add md5`},
		{"TTL above the role's", "version: 1\ncredentials: {shared_secrets: [{id: a, max_ttl: 72h, secret: KEY}]}\n",
			`t.yaml:2:49: credentials.shared_secrets[0].max_ttl: is 72h, above max_credential_ttl of the role default (48h); lower it, or raise the other`},
		{"TTL in fractions", "version: 1\ncredentials: {shared_secrets: [{id: a, max_ttl: 1500ms, secret: KEY}]}\n",
			`t.yaml:2:49: credentials.shared_secrets[0].max_ttl: is 1.5s; give whole seconds`},
		{"rule without an expression", "version: 1\ncredentials: {shared_secrets: [{id: a, id_rule: regex, secret: KEY}]}\n",
			`t.yaml:2:49: credentials.shared_secrets[0].id_rule: is regex, and there is none; give id_regex, such as '^@([^:]+):'`},
		{"expression without a rule", "version: 1\ncredentials: {shared_secrets: [{id: a, id_regex: (.*), secret: KEY}]}\n",
			`t.yaml:2:50: credentials.shared_secrets[0].id_regex: is given, and id_rule is suffix; give id_rule: regex, or take it away`},
		{"unknown rule", "version: 1\ncredentials: {shared_secrets: [{id: a, id_rule: prefix, secret: KEY}]}\n",
			`t.yaml:2:49: credentials.shared_secrets[0].id_rule: is "prefix"; give one of suffix, none, regex`},
	} {
		if got := b.faults(strings.ReplaceAll(tt.file, "KEY", key)); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

func TestSharedSecretRules(t *testing.T) {
	c := newBed(t).mustLoad("version: 1\ncredentials: {shared_secrets: [{id: a, max_ttl: 4h, id_rule: regex, id_regex: '^@([^:]+):', secret: " + key + "}, {id: b, secret: " + key + "2}]}\n")
	a, b := c.Credentials.SharedSecrets[0], c.Credentials.SharedSecrets[1]
	if a.MaxTTL != 4*time.Hour || a.IDRule != "regex" || a.IDRegex != "^@([^:]+):" || b.MaxTTL != 0 || b.IDRule != "suffix" || b.IDRegex != "" {
		t.Errorf("%+v and %+v", a, b)
	}
}

package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"strconv"
	"strings"
	"testing"
	"time"
)

const realm = "example.org"

func mustVerifier(t testing.TB, o Options, as ...Algorithm) *Verifier {
	t.Helper()
	v, err := NewVerifier(mustKeyring(t, o), realm, as...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// client is a client's MESSAGE-INTEGRITY check: it signs with a password, and
// counts how often it is asked.
type client struct {
	key   LongTermKey
	asked int
}

func clientOf(username, password string) *client {
	return &client{key: DeriveKey(username, realm, password)}
}

func (c *client) signed(key []byte) bool {
	c.asked++
	return bytes.Equal(key, c.key[:])
}

func at(d time.Duration) string { return strconv.FormatInt(now.Add(d).Unix(), 10) }

func TestVerifyIssued(t *testing.T) {
	o := valid(t)
	c, err := mustIssuer(t, o).Issue(Request{User: "alice", Role: "small", TTL: time.Minute}, now)
	if err != nil {
		t.Fatal(err)
	}
	m := clientOf(c.Username, c.Password)
	id, got := mustVerifier(t, o).Verify(c.Username, now, MD5, m.signed)
	if got != OK || m.asked != 1 {
		t.Fatalf("%v after %d keys", got, m.asked)
	}
	if id.Role == nil || id.Role.Name != "small" {
		t.Fatalf("role %+v", id.Role)
	}
	want := Identity{Username: c.Username, User: "alice", Role: id.Role, CredentialID: c.ID, KeyID: "k2", Expires: c.Expires, Issued: now.Truncate(time.Second).UTC(), Key: m.key}
	if id != want {
		t.Errorf("%+v, want %+v", id, want)
	}
}

func TestVerifyShared(t *testing.T) {
	v := mustVerifier(t, valid(t))
	for _, c := range []struct {
		name, secret             string
		user, tenant, role, from string
		asked                    int
	}{
		{at(time.Hour) + ":@alice:example.org", sharedA, "@alice:example.org", "matrix", "default", "synapse", 1},
		{at(time.Hour), sharedA, "", "matrix", "default", "synapse", 1},
		{"bob:" + at(time.Minute), sharedB, "bob", "cloud", "small", "talk", 2},
	} {
		m := clientOf(c.name, password(c.secret, c.name))
		id, got := v.Verify(c.name, now, MD5, m.signed)
		if got != OK || m.asked != c.asked {
			t.Errorf("%q: %v after %d keys, want ok after %d", c.name, got, m.asked, c.asked)
			continue
		}
		if id.User != c.user || id.Tenant != c.tenant || id.Role.Name != c.role || id.KeyID != c.from || id.CredentialID != "" || id.Key != m.key {
			t.Errorf("%q: %+v", c.name, id)
		}
	}
}

// Every refusal, how it is counted, and that it did all of its work: as many
// keys asked as for any other username of its sort.
func TestVerifyRefuses(t *testing.T) {
	ours := func(d time.Duration, claims string) string { return at(d) + ":~" + claims + ":alice" }
	for why, c := range map[string]struct {
		name, secret string
		want         Outcome
		asked        int
	}{
		"wrong password":                     {at(time.Hour) + ":alice", "wrong", WrongSignature, 2},
		"expired":                            {at(-time.Second) + ":alice", sharedA, Expired, 2},
		"expired, second secret":             {at(-time.Second) + ":alice", sharedB, Expired, 2},
		"expired, wrong password":            {at(-time.Second) + ":alice", "wrong", WrongSignature, 2},
		"a number as user first":             {"12345:" + at(time.Hour), sharedA, Expired, 2},
		"far future":                         {at(48*time.Hour+ClockSkew+time.Second) + ":alice", sharedA, FarFuture, 2},
		"far future for this role":           {at(2*time.Hour) + ":alice", sharedB, FarFuture, 2},
		"milliseconds":                       {"1795420800000:alice", sharedA, BadUsername, 2},
		"far future, wrong password":         {"99999999999:alice", "wrong", WrongSignature, 2},
		"malformed":                          {"alice", sharedA, BadUsername, 2},
		"malformed, empty":                   {"", sharedA, BadUsername, 2},
		"malformed, too long":                {at(time.Hour) + ":" + strings.Repeat("u", 5000), sharedA, BadUsername, 2},
		"ours, wrong password":               {ours(time.Hour, "k1.default.c"), "wrong", WrongSignature, 1},
		"ours, expired":                      {ours(-time.Second, "k1.default.c"), keyA, Expired, 1},
		"ours, far future":                   {ours(2*time.Hour, "k1.small.c"), keyA, FarFuture, 1},
		"ours, unknown key":                  {ours(time.Hour, "k9.default.c"), keyA, UnknownKey, 1},
		"ours, unknown key, decoy":           {ours(time.Hour, "k9.default.c"), "decoy", UnknownKey, 1},
		"ours, key id of a shared secret":    {ours(time.Hour, "synapse.default.c"), sharedA, UnknownKey, 1},
		"ours, signed with a shared secret":  {ours(time.Hour, "k1.default.c"), sharedA, WrongSignature, 1},
		"ours, signed with another key":      {ours(time.Hour, "k1.default.c"), keyB, WrongSignature, 1},
		"ours, unknown role":                 {ours(time.Hour, "k1.gold.c"), keyA, UnknownRole, 1},
		"ours, unknown role, wrong password": {ours(time.Hour, "k1.gold.c"), "wrong", WrongSignature, 1},
		"shared form under an issuer key":    {at(time.Hour) + ":alice", keyA, WrongSignature, 2},
		"tilde without claims":               {at(time.Hour) + ":~alice", sharedA, BadUsername, 2},
	} {
		m := clientOf(c.name, password(c.secret, c.name))
		id, got := mustVerifier(t, valid(t)).Verify(c.name, now, MD5, m.signed)
		if got != c.want || id != (Identity{}) {
			t.Errorf("%s: %v, want %v", why, got, c.want)
		}
		if m.asked != c.asked {
			t.Errorf("%s: %d keys asked, want %d", why, m.asked, c.asked)
		}
	}
}

// The moment of expiry is still in time, and the far future begins after the
// skew.
func TestVerifyBoundaries(t *testing.T) {
	v := mustVerifier(t, valid(t))
	for _, c := range []struct {
		after time.Duration
		want  Outcome
	}{{-time.Second, Expired}, {0, OK}, {48*time.Hour + ClockSkew, OK}, {48*time.Hour + ClockSkew + time.Second, FarFuture}} {
		name := at(c.after) + ":alice"
		if _, got := v.Verify(name, now, MD5, clientOf(name, password(sharedA, name)).signed); got != c.want {
			t.Errorf("expiry in %v: %v, want %v", c.after, got, c.want)
		}
	}
}

// Any change of a signed username is a wrong signature: a role can't be
// raised, nor an expiry moved.
func TestVerifyTampered(t *testing.T) {
	o := valid(t)
	c, err := mustIssuer(t, o).Issue(Request{User: "alice", Role: "small"}, now)
	if err != nil {
		t.Fatal(err)
	}
	v := mustVerifier(t, o)
	for _, name := range []string{
		strings.Replace(c.Username, ".small.", ".default.", 1),
		strings.Replace(c.Username, "1795420", "1795421", 1),
		strings.Replace(c.Username, ":alice", ":bob", 1),
		strings.Replace(c.Username, "~k2", "~k1", 1),
		c.Username + "x",
	} {
		if _, got := v.Verify(name, now, MD5, clientOf(name, c.Password).signed); got != WrongSignature {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// Without shared secrets a username of an application's form has no key; the
// decoy, whose secret anybody can read, must never become one.
func TestVerifyDecoyIsNoKey(t *testing.T) {
	o := valid(t)
	o.Shared = nil
	v := mustVerifier(t, o)
	for name, want := range map[string]Outcome{
		at(time.Hour) + ":alice":               UnknownKey,
		at(time.Hour):                          UnknownKey,
		at(time.Hour) + ":~k9.default.c:alice": UnknownKey,
		"alice":                                BadUsername,
	} {
		m := clientOf(name, password("decoy", name))
		fits := false
		id, got := v.Verify(name, now, MD5, func(key []byte) bool { fits = m.signed(key); return fits })
		if !fits || m.asked != 1 {
			t.Errorf("%q: the decoy was not asked once", name)
		}
		if got != want || id != (Identity{}) {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// After a rotation old credentials hold while the old key is there, and not
// after it is gone.
func TestRotation(t *testing.T) {
	o := Options{Keys: []Key{{"old", mustKey(t, keyA)}}}
	c, err := mustIssuer(t, o).Issue(Request{User: "alice"}, now)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(o Options) Outcome {
		_, got := mustVerifier(t, o).Verify(c.Username, now, MD5, clientOf(c.Username, c.Password).signed)
		return got
	}
	o.Keys, o.Issue = append(o.Keys, Key{"new", mustKey(t, keyB)}), "new"
	if got := verify(o); got != OK {
		t.Errorf("both keys: %v", got)
	}
	if d, _ := mustIssuer(t, o).Issue(Request{}, now); !strings.Contains(d.Username, ":~new.") {
		t.Errorf("issued %q under the old key", d.Username)
	}
	o.Keys = o.Keys[1:]
	if got := verify(o); got != UnknownKey {
		t.Errorf("new key alone: %v", got)
	}
}

func TestVerifierRealm(t *testing.T) {
	k := mustKeyring(t, valid(t))
	for _, r := range []string{"", `a"b`, `a\b`, "a\nb", "\xff", strings.Repeat("r", 128)} {
		if _, err := NewVerifier(k, r); err == nil {
			t.Errorf("realm %q accepted", r)
		}
	}
	if _, err := NewVerifier(k, strings.Repeat("r", 127)); err != nil {
		t.Error(err)
	}
	if _, err := NewVerifier(nil, realm); err == nil {
		t.Error("no keyring accepted")
	}
}

// The longest username and realm fit the buffer of a derivation.
func TestVerifyLongest(t *testing.T) {
	o := valid(t)
	long := strings.Repeat("r", maxRealm)
	v, err := NewVerifier(mustKeyring(t, o), long)
	if err != nil {
		t.Fatal(err)
	}
	name := at(time.Hour) + ":" + strings.Repeat("u", MaxUser)
	want := DeriveKey(name, long, password(sharedA, name))
	if _, got := v.Verify(name, now, MD5, func(key []byte) bool { return bytes.Equal(key, want[:]) }); got != OK {
		t.Errorf("got %v", got)
	}
}

func TestOutcomeNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range Outcome(NumOutcomes) {
		if s := o.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("outcome %d is called %q", o, s)
		} else {
			seen[s] = true
		}
	}
	if got := Outcome(NumOutcomes).String(); got != "unknown" {
		t.Errorf("beyond the last: %q", got)
	}
}

func TestVerifyConcurrently(t *testing.T) {
	v := mustVerifier(t, valid(t))
	done := make(chan Outcome)
	for i := range 8 {
		name := at(time.Hour) + ":user" + strconv.Itoa(i)
		key := DeriveKey(name, realm, password(sharedB, name))
		go func() {
			worst := OK
			for range 500 {
				// Role small allows an hour, so this is in time.
				if _, got := v.Verify(name, now, MD5, func(k []byte) bool { return bytes.Equal(k, key[:]) }); got != OK {
					worst = got
				}
			}
			done <- worst
		}()
	}
	for range 8 {
		if got := <-done; got != OK {
			t.Error(got)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	o := withStatic(b)
	for _, c := range "abcdef" {
		o.Shared = append(o.Shared, Shared{ID: string(c), Secret: mustShared(b, sharedA+string(c))})
	}
	v := mustVerifier(b, o)
	message := make([]byte, 120) // what MESSAGE-INTEGRITY covers of an Allocate
	issued, err := mustIssuer(b, o).Issue(Request{User: "alice"}, now)
	if err != nil {
		b.Fatal(err)
	}
	first := at(time.Hour) + ":alice"
	for _, c := range []struct{ what, name, password string }{
		{"issued", issued.Username, issued.Password},
		{"issued-wrong", issued.Username, "wrong"},
		{"unknown-key", at(time.Hour) + ":~k9.default.c:alice", "wrong"},
		{"shared-first-of-8", first, password(sharedA, first)},
		{"shared-wrong-of-8", first, "wrong"},
		{"static", "alice", staticPassword},
		{"static-wrong-of-8", "alice", "wrong"},
		{"unknown-name-of-8", "mallory", "wrong"},
	} {
		key := DeriveKey(c.name, realm, c.password)
		want := integrity(key[:], message)
		b.Run(c.what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Verify(c.name, now, MD5, func(k []byte) bool { return hmac.Equal(integrity(k, message), want) })
			}
		})
		b.Run(c.what+"/without-integrity", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Verify(c.name, now, MD5, func(k []byte) bool { return bytes.Equal(k, key[:]) })
			}
		})
	}
}

func integrity(key, message []byte) []byte {
	mac := hmac.New(sha1.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}

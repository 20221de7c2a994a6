package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var now = time.Unix(1_795_420_800, 123456789)

// password mints as an application does, without the code under test.
func password(secret, username string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func mustIssuer(t testing.TB, o Options) *Issuer {
	t.Helper()
	i, err := NewIssuer(mustKeyring(t, o), nil)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Known answers, computed with openssl: the password of a TURN REST username,
// and RFC 8489's key for it.
func TestKnownAnswers(t *testing.T) {
	s := newSigner("", []byte("T4gHy7Ju0Ki3Lo6P"))
	const name, want = "1443779631:@alice:example.org", "drE8rq5t49opXcxwvIBYsXKfFaY="
	if got := s.password(name); got != want {
		t.Errorf("password %q, want %q", got, want)
	}
	// RFC 8489 §9.2.2's own example: user:realm:pass.
	if got := DeriveKey("user", "realm", "pass"); got != LongTermKey(md5.Sum([]byte("user:realm:pass"))) ||
		string(got[:4]) != "\x84\x93\xfb\xc5" {
		t.Errorf("key %x", got[:])
	}
	yes := func([]byte) bool { return true }
	if got, _ := s.ask(name, "example.org", MD5, yes); LongTermKey(got[:16]) != DeriveKey(name, "example.org", want) {
		t.Error("the pooled derivation differs from DeriveKey")
	}
	if got, _ := s.ask(name, "example.org", SHA256, yes); got != DeriveSHA256Key(name, "example.org", want) {
		t.Error("the pooled derivation differs from DeriveSHA256Key")
	}
}

func TestIssue(t *testing.T) {
	i := mustIssuer(t, valid(t))
	c, err := i.Issue(Request{User: "@alice:example.org", Role: "small", TTL: 90*time.Second + 999}, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := "1795420890:~k2.small." + c.ID + ":@alice:example.org"; c.Username != want {
		t.Errorf("username %q, want %q", c.Username, want)
	}
	if c.Password != password(keyB, c.Username) {
		t.Errorf("password %q", c.Password)
	}
	if len(c.ID) != 16 || c.User != "@alice:example.org" || c.Role.Name != "small" || !c.Role.RelayOnly ||
		c.TTL != 90*time.Second || !c.Expires.Equal(time.Unix(1_795_420_890, 0)) {
		t.Errorf("got %s %s %+v %v %v", c.ID, c.User, c.Role, c.TTL, c.Expires)
	}
	u, err := ParseUsername(c.Username)
	if err != nil || u != (Username{Expires: c.Expires.Unix(), User: c.User, KeyID: "k2", Role: "small", CredentialID: c.ID}) {
		t.Errorf("parsed: %+v, %v", u, err)
	}
	if d, _ := i.Issue(Request{User: "@alice:example.org"}, now); d.ID == c.ID {
		t.Error("two credentials have one id")
	}
}

// The tenant is signed: a credential can be moved to another as little as its
// role can be raised.
func TestIssueForATenant(t *testing.T) {
	o := valid(t)
	v, err := NewVerifier(mustKeyring(t, o), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	c, err := mustIssuer(t, o).Issue(Request{User: "alice", Tenant: "acme"}, now)
	if err != nil || !strings.HasSuffix(c.Username, "."+c.ID+".acme:alice") {
		t.Fatalf("%s, %v", c.Username, err)
	}
	verify := func(username string) (Identity, Outcome) {
		key := DeriveKey(username, "example.org", c.Password)
		return v.Verify(username, now, MD5, func(k []byte) bool { return bytes.Equal(k, key[:]) })
	}
	if id, outcome := verify(c.Username); outcome != OK || id.Tenant != "acme" || id.User != "alice" || id.CredentialID != c.ID {
		t.Errorf("%+v, %v", id, outcome)
	}
	for _, forged := range []string{
		strings.Replace(c.Username, ".acme:", ".matrix:", 1),
		strings.Replace(c.Username, ".acme:", ":", 1),
		strings.Replace(c.Username, ".acme:", ".acmE:", 1),
	} {
		if id, outcome := verify(forged); outcome != WrongSignature {
			t.Errorf("%s: %+v, %v", forged, id, outcome)
		}
	}
}

func TestIssueDefaults(t *testing.T) {
	c, err := mustIssuer(t, valid(t)).Issue(Request{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if c.Role.Name != DefaultRoleName || c.TTL != 24*time.Hour || c.User != c.ID {
		t.Errorf("role %s, ttl %v, user %q", c.Role.Name, c.TTL, c.User)
	}
}

func TestIssueRefuses(t *testing.T) {
	i := mustIssuer(t, valid(t))
	for _, c := range []struct {
		r    Request
		want error
	}{
		{Request{User: strings.Repeat("u", MaxUser+1)}, ErrUser},
		{Request{User: "a\nb"}, ErrUser},
		{Request{User: "a\x00"}, ErrUser},
		{Request{User: "\u202ealice"}, ErrUser},
		{Request{User: "\xff"}, ErrUser},
		{Request{Role: "admin"}, ErrRole},
		{Request{Tenant: "a.b"}, ErrTenant},
		{Request{Tenant: "a:b"}, ErrTenant},
		{Request{Tenant: strings.Repeat("t", MaxName+1)}, ErrTenant},
		{Request{TTL: -1}, ErrTTL},
		{Request{TTL: -time.Hour}, ErrTTL},
		{Request{TTL: time.Second - 1}, ErrTTL},
		{Request{TTL: 48*time.Hour + 1}, ErrTTL},
		{Request{Role: "small", TTL: 2 * time.Hour}, ErrTTL},
		{Request{TTL: 1<<63 - 1}, ErrTTL},
	} {
		got, err := i.Issue(c.r, now)
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.r, err, c.want)
		}
		if got != (Credential{}) {
			t.Errorf("%+v: refused and issued", c.r)
		}
		if c.r.User != "" && strings.Contains(err.Error(), c.r.User) {
			t.Errorf("the error repeats the user: %q", err)
		}
	}
	for _, r := range []Request{{TTL: time.Second}, {TTL: 48 * time.Hour}, {User: strings.Repeat("u", MaxUser)}, {User: "a:b:~c"}} {
		if _, err := i.Issue(r, now); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestIssuerFaults(t *testing.T) {
	if _, err := NewIssuer(nil, nil); err == nil {
		t.Error("no keyring accepted")
	}
	if _, err := NewIssuer(mustKeyring(t, Options{Shared: valid(t).Shared[:1]}), nil); err == nil {
		t.Error("a keyring without issuer keys accepted")
	}
	fault := errors.New("fault")
	i, err := NewIssuer(mustKeyring(t, valid(t)), iotest.ErrReader(fault))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := i.Issue(Request{}, now); !errors.Is(err, fault) || c != (Credential{}) {
		t.Errorf("without randomness: %v", err)
	}
	i, _ = NewIssuer(mustKeyring(t, valid(t)), bytes.NewReader(make([]byte, 12)))
	if _, err := i.Issue(Request{}, time.Unix(-1e9, 0)); err == nil {
		t.Error("a clock before 1970 accepted")
	}
}

func BenchmarkIssue(b *testing.B) {
	i := mustIssuer(b, valid(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Issue(Request{User: "alice"}, now); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mints/s")
}

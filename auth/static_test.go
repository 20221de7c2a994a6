package auth

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

const staticPassword = "Hn5Vb2Xq8Lr4Zc7T"

// withStatic are valid options with two static users: alice has a password, old
// a key made elsewhere.
func withStatic(t testing.TB) Options {
	o := valid(t)
	o.Static = []StaticUser{
		{ID: "home", Name: "alice", Tenant: "house", Role: "small", Password: mustShared(t, staticPassword)},
		{ID: "old", Name: "old", Key: DeriveKey("old", realm, "from coturn")},
	}
	return o
}

func TestVerifyStatic(t *testing.T) {
	v := mustVerifier(t, withStatic(t), MD5, SHA256)
	for _, c := range []struct{ name, password, from, tenant, role string }{
		{"alice", staticPassword, "home", "house", "small"},
		{"old", "from coturn", "old", "", "default"},
	} {
		m := clientOf(c.name, c.password)
		id, got := v.Verify(c.name, now, MD5, m.signed)
		if got != OK || m.asked != 1 {
			t.Fatalf("%s: %v after %d keys", c.name, got, m.asked)
		}
		if id.Username != c.name || id.User != c.name || id.Tenant != c.tenant || id.Role.Name != c.role ||
			id.KeyID != c.from || id.CredentialID != "" || !id.IsStatic() || id.Key != m.key {
			t.Errorf("%s: %+v", c.name, id)
		}
	}
	long := DeriveSHA256Key("alice", realm, staticPassword)
	id, got := v.Verify("alice", now, SHA256, func(key []byte) bool { return bytes.Equal(key, long[:]) })
	if got != OK || !bytes.Equal(id.KeyOf(SHA256), long[:]) || id.Key != DeriveKey("alice", realm, staticPassword) {
		t.Errorf("SHA-256: %v", got)
	}
}

// A static user is refused for as many keys as any other username that issuer
// keys did not sign, and nothing else than its own password lets it in.
func TestVerifyStaticRefuses(t *testing.T) {
	v := mustVerifier(t, withStatic(t), MD5, SHA256)
	for why, c := range map[string]struct {
		name, password string
		want           Outcome
	}{
		"wrong password":            {"alice", "wrong", WrongSignature},
		"another's password":        {"alice", "from coturn", WrongSignature},
		"signed by a shared secret": {"alice", password(sharedA, "alice"), WrongSignature},
		"signed by an issuer key":   {"alice", password(keyA, "alice"), WrongSignature},
		"unknown":                   {"mallory", staticPassword, BadUsername},
		"in capitals":               {"Alice", staticPassword, BadUsername},
		"empty":                     {"", "", BadUsername},
		"too long":                  {strings.Repeat("alice", 200), "wrong", BadUsername},
		"time-limited":              {at(time.Hour) + ":alice", staticPassword, WrongSignature},
		"time-limited and expired":  {at(-time.Hour) + ":alice", password(sharedB, at(-time.Hour)+":alice"), Expired},
	} {
		m := clientOf(c.name, c.password)
		id, got := v.Verify(c.name, now, MD5, m.signed)
		if got != c.want || id != (Identity{}) || m.asked != 3 {
			t.Errorf("%s: %v after %d keys, want %v after 3", why, got, m.asked, c.want)
		}
	}
	m := clientOf("x", "x")
	if _, got := v.Verify(at(time.Hour)+":~k1.default.c:alice", now, MD5, m.signed); got != WrongSignature || m.asked != 1 {
		t.Errorf("an issued username: %v after %d keys", got, m.asked)
	}
}

// What is asked where there is no such user, or no key of it for the algorithm,
// lets nobody in: anybody can compute it.
func TestVerifyNobody(t *testing.T) {
	v := mustVerifier(t, withStatic(t), MD5, SHA256)
	for name, as := range map[string]Algorithm{"mallory": MD5, "carol": SHA256, "old": SHA256} {
		asked := false
		id, got := v.Verify(name, now, as, func(key []byte) bool {
			hit := bytes.Equal(key, nobody.KeyOf(as))
			asked = asked || hit
			return hit
		})
		if !asked || got == OK || id != (Identity{}) {
			t.Errorf("%s: asked %v, %v", name, asked, got)
		}
	}
}

func TestStaticUserIsLetGo(t *testing.T) {
	o := withStatic(t)
	v := mustVerifier(t, o)
	alice, _ := v.Verify("alice", now, MD5, clientOf("alice", staticPassword).signed)
	minted, got := v.Verify(at(time.Hour)+":bob", now, MD5, clientOf(at(time.Hour)+":bob", password(sharedA, at(time.Hour)+":bob")).signed)
	if got != OK || !v.Holds(&alice) || !v.Holds(&minted) {
		t.Fatalf("%v; alice holds %v, bob %v", got, v.Holds(&alice), v.Holds(&minted))
	}
	if same := mustVerifier(t, withStatic(t)); !same.Holds(&alice) {
		t.Error("not held after a reload that changes nothing")
	}
	for why, change := range map[string]func(*Options){
		"removed":      func(o *Options) { o.Static = o.Static[1:] },
		"new password": func(o *Options) { o.Static[0].Password = mustShared(t, "Wm3Kd9Sx6Fg1Jp5Y") },
		"new id":       func(o *Options) { o.Static[0].ID = "other" },
	} {
		o := withStatic(t)
		o.Shared = nil
		change(&o)
		next := mustVerifier(t, o)
		if next.Holds(&alice) {
			t.Errorf("%s: alice is held", why)
		}
		if !next.Holds(&minted) {
			t.Errorf("%s: bob, whose secret was retired, is not held", why)
		}
	}
}

// A revoked static user is refused for all of the work, and a wrong password says
// nothing of it.
func TestStaticUserRevoked(t *testing.T) {
	for _, x := range []Revocation{{Kind: RevokeKey, ID: "home"}, {Kind: RevokeUser, Tenant: "house", User: "alice"}} {
		r := NewRevocations()
		v := mustVerifier(t, withStatic(t)).Without(r)
		mustAdd(t, r, x)
		right, wrong := clientOf("alice", staticPassword), clientOf("alice", "wrong")
		if id, got := v.Verify("alice", now, MD5, right.signed); got != Revoked || id != (Identity{}) || right.asked != 3 {
			t.Errorf("%s: %v after %d keys", x.Kind, got, right.asked)
		}
		if _, got := v.Verify("alice", now, MD5, wrong.signed); got != WrongSignature || wrong.asked != 3 {
			t.Errorf("%s, wrong password: %v after %d keys", x.Kind, got, wrong.asked)
		}
		if _, got := v.Verify("old", now, MD5, clientOf("old", "from coturn").signed); got != OK {
			t.Errorf("%s, another: %v", x.Kind, got)
		}
	}
}

func TestStaticNames(t *testing.T) {
	for _, name := range []string{"a", "alice", "alice@example.org", "home assistant", "5g", "1e9", "é", strings.Repeat("u", MaxUser)} {
		if err := CheckStaticName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"": "1 to 128 bytes", strings.Repeat("u", MaxUser+1): "1 to 128 bytes", "a\nb": "control", "\xff": "UTF-8", "a\u202eb": "control",
		"~alice": "tilde", "~": "tilde", "1795420800": "number", "0": "number", "alice:1795420800": "colon", "1795420800:alice": "colon", ":": "colon",
	} {
		if err := CheckStaticName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
}

// No name of a static user can be read as anything else.
func FuzzStaticName(f *testing.F) {
	for _, s := range []string{"alice", "1795420800", "a:1", "1:a", "~k.r.c:u", "1:~k.r.c:u", "é", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseUsername(s)
		if CheckStaticName(s) == nil && (err == nil || name.Issued()) {
			t.Errorf("%q is also %+v", s, name)
		}
	})
}

func TestTenantOf(t *testing.T) {
	k := mustKeyring(t, withStatic(t))
	for id, want := range map[string]string{"synapse": "matrix", "talk": "cloud", "home": "house"} {
		if got, ok := k.TenantOf(id); got != want || !ok {
			t.Errorf("%s is of %q %v, want %q", id, got, ok, want)
		}
	}
	for _, id := range []string{"k1", "k2", "alice", ""} {
		if got, ok := k.TenantOf(id); ok {
			t.Errorf("%q is of %q", id, got)
		}
	}
}

func TestKeyringRefusesStatic(t *testing.T) {
	for want, change := range map[string]func(*Options){
		`static user 1 ("k1"): the id is taken`:                      func(o *Options) { o.Static[0].ID = "k1" },
		`static user 2 ("a b"): the id must be`:                      func(o *Options) { o.Static[1].ID = "a b" },
		`static user 2 ("old"): the name is taken`:                   func(o *Options) { o.Static[1].Name = "alice" },
		"the name has a colon":                                       func(o *Options) { o.Static[0].Name = "1:2" },
		`static user 1 ("home"): both a password and a key`:          func(o *Options) { o.Static[0].Key = o.Static[1].Key },
		`static user 2 ("old"): auth: secret: empty`:                 func(o *Options) { o.Static[1].Key = LongTermKey{} },
		`the same secret as shared secret 1 ("synapse")`:             func(o *Options) { o.Static[0].Password = o.Shared[0].Secret },
		`static user 1 ("home"): there is no role "gold"`:            func(o *Options) { o.Static[0].Role = "gold" },
		`static user 1 ("home"): the tenant must be`:                 func(o *Options) { o.Static[0].Tenant = "a.b" },
		`shared secret 2 ("talk"): MaxTTL is 2h0m0s`:                 func(o *Options) { o.Shared[1].MaxTTL = 2 * time.Hour },
		`shared secret 1 ("synapse"): MaxTTL is 1ms`:                 func(o *Options) { o.Shared[0].MaxTTL = time.Millisecond },
		`shared secret 1 ("synapse"): MaxTTL is -1h0m0s, it must be`: func(o *Options) { o.Shared[0].MaxTTL = -time.Hour },
	} {
		o := withStatic(t)
		change(&o)
		if _, err := NewKeyring(o); err == nil {
			t.Errorf("accepted, want %q", want)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	mustKeyring(t, Options{Static: withStatic(t).Static[1:]}) // nobody else
}

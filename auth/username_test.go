package auth

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"turnpike/relay/relaytest/wire"
)

func TestParseUsername(t *testing.T) {
	long := strings.Repeat("u", MaxUser)
	name32 := strings.Repeat("n", MaxName)
	for s, want := range map[string]Username{
		"1443779631":                         {Expires: 1443779631},
		"0":                                  {},
		"999999999999":                       {Expires: 999999999999},
		"1443779631:":                        {Expires: 1443779631},
		"1443779631:alice":                   {Expires: 1443779631, User: "alice"},
		"1443779631:@alice:example.org":      {Expires: 1443779631, User: "@alice:example.org"},
		"1443779631::":                       {Expires: 1443779631, User: ":"},
		"1443779631:a~b":                     {Expires: 1443779631, User: "a~b"},
		"1443779631:Jürgen 👩‍🚀":              {Expires: 1443779631, User: "Jürgen 👩‍🚀"},
		"1443779631:" + long:                 {Expires: 1443779631, User: long},
		"alice:1443779631":                   {Expires: 1443779631, User: "alice"},
		"12a:1443779631":                     {Expires: 1443779631, User: "12a"},
		"12345:1443779631":                   {Expires: 12345, User: "1443779631"}, // coturn: a number first is the expiry
		"1443779631:1443779632":              {Expires: 1443779631, User: "1443779632"},
		"1443779631:~k1.default.Ab_-9:alice": {Expires: 1443779631, User: "alice", KeyID: "k1", Role: "default", CredentialID: "Ab_-9"},
		"1443779631:~k.r.c:@alice:hs":        {Expires: 1443779631, User: "@alice:hs", KeyID: "k", Role: "r", CredentialID: "c"},
		"1443779631:~k.r.c.acme:alice":       {Expires: 1443779631, User: "alice", KeyID: "k", Role: "r", CredentialID: "c", Tenant: "acme"},
		"1443779631:~k.r.c:~k.r.c:x":         {Expires: 1443779631, User: "~k.r.c:x", KeyID: "k", Role: "r", CredentialID: "c"},
		"1:~" + name32 + "." + name32 + "." + name32 + ":" + long: {Expires: 1, User: long, KeyID: name32, Role: name32, CredentialID: name32},
	} {
		got, err := ParseUsername(s)
		if err != nil || got != want {
			t.Errorf("%q = %+v, %v; want %+v", s, got, err, want)
		}
		if got.Issued() != (want.KeyID != "") {
			t.Errorf("%q: Issued = %v", s, got.Issued())
		}
	}
}

func TestParseUsernameRefuses(t *testing.T) {
	name33 := strings.Repeat("n", MaxName+1)
	for _, s := range []string{
		"", ":", "::", "alice", "alice:", "alice:bob", "alice:1443779631:", "alice:x:1443779631", ":1443779631", ":alice:1",
		"+1443779631:a", "-1:a", " 1443779631:a", "1443779631 :a", "0x5:a", "1e9:a", "1.5:a", "１４４３:a",
		"1443779631000:a", "01443779631:a", "00", "14437796310000000000", "99999999999999999999:a", "a:1443779631000", "a:-1", "a:+1", "a: 1", "a:01",
		"1443779631:" + strings.Repeat("u", MaxUser+1), strings.Repeat("u", MaxUser+1) + ":1443779631", strings.Repeat("1", MaxUsername+1),
		"1443779631:a\x00b", "1443779631:a\nb", "1443779631:a\x7f", "1443779631:a\u0085", "1443779631:\u2028", "1443779631:\u200eecila", "1443779631:a\u200b", "1443779631:\u061ca", "1443779631:\ufeffa", "1443779631:\u202eecila", "1443779631:\u2066a",
		"1443779631:\xff", "1443779631:\xc0\xaf", "1443779631:\xed\xa0\x80", "a\r\n:1443779631",
		"~alice:1443779631", "~k.r.c:alice", "~k.r.c:1443779631",
		"1443779631:~", "1443779631:~alice", "1443779631:~k.r.c", "1443779631:~k.r.c:", "1443779631:~k.r:u", "1443779631:~k:u", "1443779631:~:u",
		"1443779631:~k.r.c.:u", "1443779631:~k.r.c.d.e:u", "1443779631:~k.r.c.d*:u", "1443779631:~k.r..d:u", "1443779631:~k.r.c.d:", "1443779631:~k.r.c." + name33 + ":u", "1443779631:~.r.c:u", "1443779631:~k..c:u", "1443779631:~k.r.:u", "1443779631:~~k.r.c:u",
		"1443779631:~k r.c.d:u", "1443779631:~k.r*.c:u", "1443779631:~k.r.ü:u", "1443779631:~k.r.{c}:u",
		"1443779631:~" + name33 + ".r.c:u", "1443779631:~k." + name33 + ".c:u", "1443779631:~k.r." + name33 + ":u",
		"1443779631:~k.r.c:" + strings.Repeat("u", MaxUser+1),
	} {
		got, err := ParseUsername(s)
		if !errors.Is(err, ErrUsername) {
			t.Errorf("%q = %+v, %v; want an error", s, got, err)
		}
		if got != (Username{}) {
			t.Errorf("%q: an error and %+v", s, got)
		}
	}
}

// TestUsernamesOfApps are the forms that applications are known to mint.
func TestUsernamesOfApps(t *testing.T) {
	for app, c := range map[string]struct{ name, user string }{
		"Synapse":          {"1665928724:@alice:example.org", "@alice:example.org"},
		"Jitsi, Prosody":   {"1665928724", ""},
		"Prosody, fixed":   {"1665928724:prosody", "prosody"},
		"Nextcloud Talk":   {"1665928724:aB3dE5fG7hI9jK1l", "aB3dE5fG7hI9jK1l"},
		"BigBlueButton":    {"1665928724:w_abcdefgh1234", "w_abcdefgh1234"},
		"Mattermost Calls": {"1665928724:7w5fgx6k3bgm8y9dqgnq1xyzzr", "7w5fgx6k3bgm8y9dqgnq1xyzzr"},
		"LiveKit":          {"1665928724:PA_abcDEF123", "PA_abcDEF123"},
		"Galene":           {"1665928724:galene", "galene"},
	} {
		got, err := ParseUsername(c.name)
		if err != nil || got.Expires != 1665928724 || got.User != c.user || got.Issued() {
			t.Errorf("%s: %q = %+v, %v", app, c.name, got, err)
		}
	}
}

func FuzzParseUsername(f *testing.F) {
	for _, s := range []string{"", ":", "1443779631", "1443779631:@alice:example.org", "alice:1443779631", "1:~k.r.c:u", "1:~k.r.c.d:u", "1:~k.r.c.d.e:u", "1:~", "~a:1", "01:a", "9999999999999:a", "1:\xff", "1:\u202e"} {
		f.Add(s)
	}
	real, err := wire.Usernames()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range real {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseUsername(s)
		if err != nil {
			if u != (Username{}) || !errors.Is(err, ErrUsername) {
				t.Fatalf("%+v with %v", u, err)
			}
			return
		}
		if !utf8.ValidString(s) || len(s) > MaxUsername || len(u.User) > MaxUser || u.Expires < 0 || u.Expires > 999_999_999_999 {
			t.Fatalf("out of bounds: %+v", u)
		}
		issued := u.KeyID != ""
		if issued != (u.Role != "") || issued != (u.CredentialID != "") || u.Tenant != "" && !issued {
			t.Fatalf("half a claim: %+v", u)
		}
		if _, rest, _ := strings.Cut(s, ":"); strings.HasPrefix(rest, "~") != issued {
			t.Fatalf("%q: a tilde that is not ours, or ours without a tilde", s)
		}
		if issued && formatIssued(u) != s {
			t.Fatalf("%q is not canonical: %q", s, formatIssued(u))
		}
	})
}

func FuzzIssuedUsername(f *testing.F) {
	f.Add(int64(1443779631), "k", "r", "c", "", "alice")
	f.Add(int64(1443779631), "k", "r", "c", "acme", "alice")
	f.Add(int64(0), "", "r.x", "c:", ".", "~a:b")
	f.Fuzz(func(t *testing.T, expires int64, key, role, id, tenant, user string) {
		in := Username{Expires: expires, User: user, KeyID: key, Role: role, CredentialID: id, Tenant: tenant}
		valid := expires >= 0 && expires <= 999_999_999_999 && validName(key) && validName(role) && validName(id) && (tenant == "" || validName(tenant)) && user != "" && checkUser(user) == nil
		got, err := ParseUsername(formatIssued(in))
		if valid && (err != nil || got != in) {
			t.Fatalf("%+v came back as %+v, %v", in, got, err)
		}
		if !valid && err == nil && got == in {
			t.Fatalf("%+v is not valid and came back", in)
		}
	})
}

func BenchmarkParseUsername(b *testing.B) {
	for _, s := range []string{"1443779631:@alice:example.org", "1443779631:~k1.default.aB3dE5fG7hI9jK1l:alice", "1443779631:~k1.default:alice"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseUsername(s)
			}
		})
	}
}

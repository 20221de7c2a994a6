package auth

import (
	"strings"
	"testing"
	"time"
)

func mustFind(t testing.TB, expression string) IDRule {
	t.Helper()
	r, err := FindUser(expression)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestIDRule(t *testing.T) {
	conference := mustFind(t, `^room-[0-9]+-(.*)$`)
	either := mustFind(t, `^(a+)|b`)
	for _, c := range []struct {
		rule        IDRule
		named, want string
		ok          bool
	}{
		{IDRule{}, "@alice:example.org", "@alice:example.org", true},
		{IDRule{}, "", "", true},
		{NoUsers(), "8f3a", "", true},
		{mustFind(t, `^@([^:]+):`), "@alice:example.org", "alice", true},
		{conference, "room-12-alice", "alice", true},
		{conference, "room-12-", "", false},
		{conference, "alice", "", false},
		{conference, "", "", false},
		{either, "aa", "aa", true},
		{either, "b", "", false},
	} {
		user, ok := c.rule.user(c.named)
		if user != c.want || ok != c.ok {
			t.Errorf("%q: %q, %v, want %q, %v", c.named, user, ok, c.want, c.ok)
		}
		if ok && !c.rule.fits(c.named) {
			t.Errorf("%q does not fit", c.named)
		}
	}
}

func TestFindUserRefuses(t *testing.T) {
	for expression, want := range map[string]string{
		`alice`:                        "0 groups",
		``:                             "0 groups",
		`(a)(b)`:                       "2 groups",
		`(a`:                           "missing closing",
		`(a)\1`:                        "invalid escape",
		`(?=a)(b)`:                     "RE2",
		`(a{1000})`:                    "steps, at most 64",
		`((?:(?:a{0,30}){0,30}){0,1})`: "steps, at most 64",
		`(a{1001})`:                    "invalid repeat",
		"(" + strings.Repeat("a", maxRuleText) + ")": "258 bytes, at most 256",
	} {
		if _, err := FindUser(expression); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expression, err, want)
		}
	}
}

// What a secret's own bounds and rule make of usernames that it signed.
func TestVerifySharedRules(t *testing.T) {
	o := valid(t)
	o.Shared[0].MaxTTL, o.Shared[0].IDRule = time.Hour, mustFind(t, `^@([^:]+):example\.org$`)
	o.Shared[1].IDRule = NoUsers()
	v := mustVerifier(t, o)
	for _, c := range []struct {
		name, secret, user string
		want               Outcome
		asked              int
	}{
		{at(time.Minute) + ":@alice:example.org", sharedA, "alice", OK, 1},
		{"alice:" + at(time.Minute), sharedA, "", NoUser, 2},
		{at(time.Minute), sharedA, "", NoUser, 2},
		{at(time.Minute) + ":@alice:example.net", sharedA, "", NoUser, 2},
		{at(time.Minute) + ":@alice:example.net", "wrong", "", WrongSignature, 2},
		{at(-time.Second) + ":@alice:example.net", sharedA, "", Expired, 2},
		{at(time.Hour+ClockSkew) + ":@alice:example.org", sharedA, "alice", OK, 1},
		{at(time.Hour+ClockSkew+time.Second) + ":@alice:example.org", sharedA, "", FarFuture, 2},
		{at(time.Hour) + ":x8d1", sharedB, "", OK, 2},
		{at(time.Hour), sharedB, "", OK, 2},
	} {
		m := clientOf(c.name, password(c.secret, c.name))
		id, got := v.Verify(c.name, now, MD5, m.signed)
		if got != c.want || id.User != c.user || m.asked != c.asked {
			t.Errorf("%s: %v, user %q, after %d keys; want %v, %q, %d", c.name, got, id.User, m.asked, c.want, c.user, c.asked)
		}
	}
}

func FuzzIDRule(f *testing.F) {
	for _, s := range []string{`^@([^:]+):`, `(a|b*)`, `(?i)(x)`, `((?:a{9}){9})`, `(`, `()`, `^()$|(?s)a`} {
		f.Add(s, "@alice:example.org")
	}
	f.Fuzz(func(t *testing.T, expression, named string) {
		r, err := FindUser(expression)
		if err != nil {
			return
		}
		if user, ok := r.user(named); ok && (user == "" || !strings.Contains(named, user) || !r.fits(named)) {
			t.Errorf("%s finds %q in %q", expression, user, named)
		}
	})
}

// The worst that an IDRule may cost a wrong password.
func BenchmarkIDRule(b *testing.B) {
	named := strings.Repeat("a", MaxUser-1) + "!"
	for name, expression := range map[string]string{"usual": `^@([^:]+):`, "worst": `((?:a?){12}(?:a|aa|a*)*a{20})$`} {
		r := mustFind(b, expression)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.fits(named)
			}
		})
	}
}

package auth

import (
	"testing"
	"time"
)

// explained has every sort of bearer, one of each revoked, and the password that
// each of them makes.
func explained(t testing.TB) (*Verifier, map[string]func(string) string) {
	o := withStatic(t)
	o.Shared[0].IDRule, o.Shared[1].MaxTTL = mustFind(t, `^@([^:]+)`), time.Minute
	r := NewRevocations()
	mustAdd(t, r, Revocation{Kind: RevokeCredential, ID: "revoked"})
	mustAdd(t, r, Revocation{Kind: RevokeUser, Tenant: "matrix", User: "mallory"})
	mustAdd(t, r, Revocation{Kind: RevokeKey, ID: "old"})
	return mustVerifier(t, o).Without(r), map[string]func(string) string{
		"k1":      func(name string) string { return password(keyA, name) },
		"k2":      func(name string) string { return password(keyB, name) },
		"synapse": func(name string) string { return password(sharedA, name) },
		"talk":    func(name string) string { return password(sharedB, name) },
		"home":    func(string) string { return staticPassword },
		"old":     func(string) string { return "from coturn" },
	}
}

// explainedNames have every outcome of a right password among them.
func explainedNames() []string {
	return []string{
		at(time.Hour) + ":@alice:example.org", at(time.Hour) + ":alice", at(30 * time.Second), "alice:" + at(10*time.Second), at(-time.Second) + ":@a", at(99*time.Hour) + ":@a",
		at(time.Hour) + ":~k1.default.c:alice", at(time.Hour) + ":~k1.gold.c:alice", at(9*time.Hour) + ":~k2.small.c:alice", at(-time.Hour) + ":~k1.small.c:alice",
		at(time.Hour) + ":~k1.default.revoked:alice", at(time.Minute) + ":@mallory:x", "alice", "old",
	}
}

// compareExplained compares what Explain says of a username with what Verify makes
// of the right passwords.
func compareExplained(t *testing.T, v *Verifier, passwords map[string]func(string) string, name string, asked map[Outcome]bool) {
	t.Helper()
	for _, b := range v.Explain(name, now).Bearers {
		id, got := v.Verify(name, now, MD5, clientOf(name, passwords[b.KeyID](name)).signed)
		asked[got] = true
		if got != b.Outcome {
			t.Errorf("%q under %s: explained as %v, verified as %v", name, b.KeyID, b.Outcome, got)
		}
		if got == OK && (id.User != b.User || id.Tenant != b.Tenant || id.Role.Name != b.Role.Name || id.KeyID != b.KeyID) {
			t.Errorf("%q: explained as %+v, verified as %+v", name, b, id)
		}
	}
}

// What Explain says of a username is what Verify makes of the right password.
func TestExplainIsVerify(t *testing.T) {
	v, passwords := explained(t)
	asked := map[Outcome]bool{}
	for _, name := range explainedNames() {
		if len(v.Explain(name, now).Bearers) == 0 {
			t.Errorf("%s: nobody", name)
		}
		compareExplained(t, v, passwords, name, asked)
	}
	for _, o := range []Outcome{OK, Expired, FarFuture, NoUser, UnknownRole, Revoked} {
		if !asked[o] {
			t.Errorf("no username was %v", o)
		}
	}
}

// And nobody is let in who is not explained.
func FuzzExplainIsVerify(f *testing.F) {
	for _, name := range explainedNames() {
		f.Add(name)
	}
	v, passwords := explained(f)
	f.Fuzz(func(t *testing.T, name string) {
		compareExplained(t, v, passwords, name, map[Outcome]bool{})
		if len(v.Explain(name, now).Bearers) > 0 {
			return
		}
		for id, password := range passwords {
			if _, got := v.Verify(name, now, MD5, clientOf(name, password(name)).signed); got == OK {
				t.Errorf("%q is let in by %s", name, id)
			}
		}
	})
}

func TestExplainNobody(t *testing.T) {
	v := mustVerifier(t, withStatic(t))
	for _, name := range []string{"mallory", "", "~k1.default.c:alice", at(time.Hour) + ":~k9.default.c:alice", at(time.Hour) + ":~alice", "1795420800000:alice"} {
		e := v.Explain(name, now)
		if len(e.Bearers) != 0 || (e.Err == nil) != e.Name.Issued() {
			t.Errorf("%q: %+v", name, e)
		}
	}
}

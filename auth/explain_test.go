package auth

import (
	"testing"
	"time"
)

// What Explain says of a username is what Verify makes of the right password.
func TestExplainIsVerify(t *testing.T) {
	o := withStatic(t)
	o.Shared[0].IDRule, o.Shared[1].MaxTTL = mustFind(t, `^@([^:]+)`), time.Minute
	k, v := mustKeyring(t, o), mustVerifier(t, o)
	passwords := map[string]func(string) string{
		"k1":      func(name string) string { return password(keyA, name) },
		"synapse": func(name string) string { return password(sharedA, name) },
		"talk":    func(name string) string { return password(sharedB, name) },
		"home":    func(string) string { return staticPassword },
		"old":     func(string) string { return "from coturn" },
	}
	asked := map[Outcome]bool{}
	for _, name := range []string{
		at(time.Hour) + ":@alice:example.org", at(time.Hour) + ":alice", at(30 * time.Second), "alice:" + at(10*time.Second), at(-time.Second) + ":@a", at(99*time.Hour) + ":@a",
		at(time.Hour) + ":~k1.default.c:alice", at(time.Hour) + ":~k1.gold.c:alice", at(9*time.Hour) + ":~k1.small.c:alice", at(-time.Hour) + ":~k1.small.c:alice",
		"alice", "old",
	} {
		e := k.Explain(name, now)
		if len(e.Bearers) == 0 {
			t.Errorf("%s: nobody", name)
		}
		for _, b := range e.Bearers {
			id, got := v.Verify(name, now, MD5, clientOf(name, passwords[b.KeyID](name)).signed)
			asked[got] = true
			if got != b.Outcome {
				t.Errorf("%s under %s: explained as %v, verified as %v", name, b.KeyID, b.Outcome, got)
			}
			if got == OK && (id.User != b.User || id.Tenant != b.Tenant || id.Role.Name != b.Role.Name || id.KeyID != b.KeyID) {
				t.Errorf("%s: explained as %+v, verified as %+v", name, b, id)
			}
		}
	}
	for _, o := range []Outcome{OK, Expired, FarFuture, NoUser, UnknownRole} {
		if !asked[o] {
			t.Errorf("no username was %v", o)
		}
	}
}

func TestExplainNobody(t *testing.T) {
	k := mustKeyring(t, withStatic(t))
	for _, name := range []string{"mallory", "", "~k1.default.c:alice", at(time.Hour) + ":~k9.default.c:alice", at(time.Hour) + ":~alice", "1795420800000:alice"} {
		e := k.Explain(name, now)
		if len(e.Bearers) != 0 || (e.Err == nil) != e.Name.Issued() {
			t.Errorf("%q: %+v", name, e)
		}
	}
}

package auth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// second is what a time of issue and an expiry keep of now.
var second = now.Truncate(time.Second).UTC()

func mustAdd(t testing.TB, r *Revocations, x Revocation) Revocation {
	t.Helper()
	got, err := r.Add(x, now)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// verified is who a credential of an issuer shows, and what becomes of it.
func verified(t testing.TB, v *Verifier, username, password string) (Identity, Outcome) {
	t.Helper()
	return v.Verify(username, now, MD5, clientOf(username, password).signed)
}

func TestRevokedIsRefusedFromTheMomentItIs(t *testing.T) {
	o := valid(t)
	alice, err := mustIssuer(t, o).Issue(Request{User: "alice"}, now)
	if err != nil {
		t.Fatal(err)
	}
	app := at(47*time.Hour) + ":bob"
	for name, c := range map[string]struct {
		revoke         Revocation
		username, pass string
	}{
		"credential": {Revocation{Kind: RevokeCredential, ID: alice.ID}, alice.Username, alice.Password},
		"user":       {Revocation{Kind: RevokeUser, User: "alice", Before: now.Add(time.Nanosecond)}, alice.Username, alice.Password},
		"issuer key": {Revocation{Kind: RevokeKey, ID: "k2"}, alice.Username, alice.Password},
		"app's user": {Revocation{Kind: RevokeUser, Tenant: "matrix", User: "bob"}, app, password(sharedA, app)},
		"app's key":  {Revocation{Kind: RevokeKey, ID: "synapse"}, app, password(sharedA, app)},
	} {
		r := NewRevocations()
		v := mustVerifier(t, o).Without(r)
		if _, got := verified(t, v, c.username, c.pass); got != OK {
			t.Fatalf("%s: %v before", name, got)
		}
		mustAdd(t, r, c.revoke)
		if id, got := verified(t, v, c.username, c.pass); got != Revoked || id.Key != (LongTermKey{}) {
			t.Errorf("%s: %v after", name, got)
		}
		if _, got := verified(t, v, c.username, "wrong"); got != WrongSignature {
			t.Errorf("%s: wrongly signed is %v: it tells who is revoked", name, got)
		}
		if !r.Lift(c.revoke) || r.Lift(c.revoke) {
			t.Errorf("%s: can be lifted once", name)
		}
		if _, got := verified(t, v, c.username, c.pass); got != OK {
			t.Errorf("%s: %v when lifted", name, got)
		}
	}
}

// Who acts for a tenant takes back a credential of that tenant, and neither one of
// another nor what another has taken back.
func TestRevokedWithinATenant(t *testing.T) {
	o := valid(t)
	i, r := mustIssuer(t, o), NewRevocations()
	v := mustVerifier(t, o).Without(r)
	c, err := i.Issue(Request{User: "alice", Tenant: "acme"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		tenant string
		want   Outcome
	}{{"other", OK}, {"acme", Revoked}, {"other", Revoked}, {"", Revoked}} {
		x := mustAdd(t, r, Revocation{Kind: RevokeCredential, ID: c.ID, Tenant: step.tenant})
		if named := x.Names(&Identity{CredentialID: c.ID, Tenant: "acme"}); named != (step.tenant != "other") {
			t.Errorf("revoked for %q, a live session of acme is named: %v", step.tenant, named)
		}
		if _, got := verified(t, v, c.Username, c.Password); got != step.want {
			t.Errorf("revoked for %q: %v, want %v", step.tenant, got, step.want)
		}
	}
}

func TestRevocationNamesNobodyElse(t *testing.T) {
	o := valid(t)
	alice, err := mustIssuer(t, o).Issue(Request{User: "alice"}, now)
	if err != nil {
		t.Fatal(err)
	}
	r := NewRevocations()
	for _, x := range []Revocation{
		{Kind: RevokeCredential, ID: "another"},
		{Kind: RevokeUser, User: "alice", Before: second}, // she came in that very second
		{Kind: RevokeUser, Tenant: "matrix", User: "alice", Before: now.Add(time.Minute)},
		{Kind: RevokeKey, ID: "k1"},
		{Kind: RevokeKey, ID: alice.ID},
		{Kind: RevokeCredential, ID: "k2"},
	} {
		mustAdd(t, r, x)
	}
	if _, got := verified(t, mustVerifier(t, o).Without(r), alice.Username, alice.Password); got != OK {
		t.Error(got)
	}
}

// What says no time of issue may be as old as it can be.
func TestRevokedUserOfAnApplication(t *testing.T) {
	r := NewRevocations()
	v := mustVerifier(t, valid(t)).Without(r)
	mustAdd(t, r, Revocation{Kind: RevokeUser, Tenant: "matrix", User: "bob", Before: second})
	longest := DefaultRole().MaxTTL + ClockSkew
	for ttl, want := range map[time.Duration]Outcome{longest - time.Second: Revoked, longest: OK} {
		name := at(ttl) + ":bob"
		if _, got := verified(t, v, name, password(sharedA, name)); got != want {
			t.Errorf("expires in %v: %v, want %v", ttl, got, want)
		}
	}
}

func TestRevokedDoesEqualWork(t *testing.T) {
	r := NewRevocations()
	v := mustVerifier(t, valid(t)).Without(r)
	mustAdd(t, r, Revocation{Kind: RevokeKey, ID: "synapse"})
	name := at(time.Hour) + ":bob"
	right, wrong := clientOf(name, password(sharedA, name)), clientOf(name, "wrong")
	v.Verify(name, now, MD5, right.signed)
	v.Verify(name, now, MD5, wrong.signed)
	if right.asked != wrong.asked {
		t.Errorf("%d keys for a revoked credential, %d for a wrong one", right.asked, wrong.asked)
	}
}

func TestIssuedOfAnID(t *testing.T) {
	role := Role{Name: "r", TTL: time.Hour, MaxTTL: maxTTL}
	o := valid(t)
	o.Roles = append(o.Roles, role)
	for _, when := range []time.Time{second, time.Unix(1<<32-5, 0), time.Unix(1<<32+5, 0)} {
		c, err := mustIssuer(t, o).Issue(Request{Role: "r", TTL: maxTTL}, when)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := ParseUsername(c.Username)
		if got := issued(name, time.Hour); !got.Equal(when) {
			t.Errorf("issued %v, says %v", when, got)
		}
	}
	for _, id := range []string{"short", "awPygOn1cJN75nT!", strings.Repeat("_", 16)} {
		name := Username{Expires: now.Unix(), CredentialID: id}
		if got, want := issued(name, time.Hour), second.Add(-time.Hour-ClockSkew); !got.Equal(want) {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
}

func TestBadRevocations(t *testing.T) {
	for _, x := range []Revocation{
		{}, {Kind: "all"},
		{Kind: RevokeCredential}, {Kind: RevokeCredential, ID: "a b"}, {Kind: RevokeKey, ID: "k", User: "u"},
		{Kind: RevokeCredential, ID: "c", Before: now}, {Kind: RevokeCredential, ID: "c", Tenant: "a b"}, {Kind: RevokeKey, ID: "k", Tenant: "t"},
		{Kind: RevokeUser}, {Kind: RevokeUser, User: "a\n"}, {Kind: RevokeUser, User: "u", ID: "c"},
		{Kind: RevokeUser, User: "u", Tenant: "a b"}, {Kind: RevokeUser, User: strings.Repeat("u", MaxUser+1)},
		{Kind: RevokeUser, User: "u", Before: now.Add(ClockSkew + time.Second)},
	} {
		r := NewRevocations()
		if _, err := r.Add(x, now); !errors.Is(err, ErrRevocation) || len(r.List(now)) > 0 {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

func TestRevocationsAreBoundedAndPrunedByTime(t *testing.T) {
	r := NewRevocations()
	for i := range MaxRevocations {
		mustAdd(t, r, Revocation{Kind: RevokeCredential, ID: fmt.Sprint(i), Until: now.Add(time.Hour)})
	}
	one := Revocation{Kind: RevokeKey, ID: "k"}
	if _, err := r.Add(one, now); !errors.Is(err, ErrTooManyRevocations) {
		t.Fatalf("one too many: %v", err)
	}
	if _, err := r.Add(Revocation{Kind: RevokeCredential, ID: "7"}, now); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	later := now.Add(time.Hour + time.Second)
	if _, err := r.Add(one, later); err != nil {
		t.Errorf("when they are over: %v", err)
	}
	if all := r.List(later); len(all) != 2 || all[0].ID != "7" || all[1].ID != "k" {
		t.Errorf("left: %+v", all)
	}
	if all := r.List(now.Add(100 * 365 * 24 * time.Hour)); len(all) != 1 || all[0].ID != "k" {
		t.Errorf("a key is revoked for ever: %+v", all)
	}
}

func TestTheLaterRevocationHolds(t *testing.T) {
	r := NewRevocations()
	late := mustAdd(t, r, Revocation{Kind: RevokeUser, User: "u", Before: now, Until: now.Add(2 * time.Hour)})
	mustAdd(t, r, Revocation{Kind: RevokeUser, User: "u", Before: now.Add(-time.Hour), Until: now.Add(time.Hour)})
	if all := r.List(now); len(all) != 1 || all[0] != late {
		t.Errorf("%+v, want %+v", all, late)
	}
}

func TestRevocationsSaved(t *testing.T) {
	r := NewRevocations()
	mustAdd(t, r, Revocation{Kind: RevokeCredential, ID: "c1"})
	mustAdd(t, r, Revocation{Kind: RevokeUser, Tenant: "t", User: `"<\u` + strings.Repeat("<", MaxUser-4), Before: now})
	mustAdd(t, r, Revocation{Kind: RevokeKey, ID: "k1"})
	var b bytes.Buffer
	if err := r.Save(&b, now); err != nil {
		t.Fatal(err)
	}
	again := NewRevocations()
	if err := again.Load(bytes.NewReader(b.Bytes()), now.Add(-time.Hour)); err != nil {
		t.Fatal(err) // also where the clock was set back
	}
	before, after := fmt.Sprint(r.List(now)), fmt.Sprint(again.List(now))
	if before != after {
		t.Errorf("saved %s, loaded %s", before, after)
	}
	old := NewRevocations()
	if err := old.Load(&b, now.Add(2*maxTTL)); err != nil || len(old.List(now)) != 1 {
		t.Errorf("%v, %v: what is over was loaded", err, old.List(now))
	}
}

func TestRevocationsThatAreNone(t *testing.T) {
	const good = `{"kind":"key","id":"k1"}` + "\n"
	for _, line := range []string{
		"what", `{"kind":"key","id":"k"`, `{"kind":"key","id":"k","reason":"x"}`, `{"kind":"key","id":"k"} {}`,
		`{"kind":"user"}`, strings.Repeat("x", maxRevocationLine+1), `{"kind":"user","user":"u","before":"yesterday"}`,
	} {
		err := NewRevocations().Load(strings.NewReader(good+"\n"+line+"\n"+good), now)
		if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") {
			t.Errorf("%.60q: %v", line, err)
		}
	}
}

// A static user is revoked as any other, by name and by id.
func TestStaticUserIsRevoked(t *testing.T) {
	password := mustShared(t, "8sJ2kQ0vXn4LrTz6YpWb1mHd7cGf3ZuE")
	ring, err := NewKeyring(Options{Static: []StaticUser{{ID: "door", Name: "hass", Tenant: "home", Password: password}}})
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(ring, "example.org")
	if err != nil {
		t.Fatal(err)
	}
	key := DeriveKey("hass", "example.org", string(password.Bytes()))
	ask := func(r *Revocations) Outcome {
		_, outcome := v.Without(r).Verify("hass", time.Now(), MD5, func(k []byte) bool { return string(k) == string(key[:]) })
		return outcome
	}
	if got := ask(NewRevocations()); got != OK {
		t.Fatalf("nothing is revoked: %v", got)
	}
	for _, x := range []Revocation{{Kind: RevokeUser, Tenant: "home", User: "hass"}, {Kind: RevokeKey, ID: "door"}} {
		r := NewRevocations()
		if _, err := r.Add(x, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := ask(r); got != Revoked {
			t.Errorf("%+v: %v, want %v", x, got, Revoked)
		}
	}
}

package relay_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
	"turnpike/relay"
	"turnpike/relay/relaytest"
)

// Who holds a credential, or an application its secret, makes nothing else of it:
// no other role, key, credential, user or expiry, and no way past a revocation.
func TestForgedUsernames(t *testing.T) {
	const app = "w6fYp2QhZ0rXb8Lk3TnVd5GsJm9CuE7xAo1Rz4iS"
	appSecret, err := auth.NewSecret([]byte(app))
	must(t, err)
	var issuer *auth.Issuer
	b := memBed(t, setup{options: func(o *relay.Options) {
		admin := auth.DefaultRole()
		admin.Name = "admin"
		ring, err := auth.NewKeyring(auth.Options{
			Keys:   []auth.Key{{ID: "k", Secret: mustSecret(t)}, {ID: "old", Secret: mustSecret(t)}},
			Issue:  "k",
			Shared: []auth.Shared{{ID: "app", Secret: appSecret}},
			Roles:  []auth.Role{auth.DefaultRole(), admin},
		})
		must(t, err)
		o.Verifier, err = auth.NewVerifier(ring, realm)
		must(t, err)
		issuer, err = auth.NewIssuer(ring, rand.Reader)
		must(t, err)
	}})
	c, err := issuer.Issue(auth.Request{User: "alice"}, time.Now())
	must(t, err)
	name, err := auth.ParseUsername(c.Username)
	must(t, err)
	as := func(username, password string) *relaytest.Client {
		return b.raw("x").As(relaytest.User{Name: username, Password: password})
	}
	expect(t, 0)(as(c.Username, c.Password).Allocate())

	swap := func(old, new string) string { return strings.Replace(c.Username, old, new, 1) }
	forged := map[string]string{
		"role raised":           swap(".default.", ".admin."),
		"role that is none":     swap(".default.", ".root."),
		"key swapped":           swap("~k.", "~old."),
		"key of an application": swap("~k.", "~app."),
		"credential id altered": swap(name.CredentialID, "A"+name.CredentialID[1:]),
		"credential id gone":    swap("."+name.CredentialID, ""),
		"tilde removed":         swap("~", ""),
		"claims removed":        swap("~k.default."+name.CredentialID+":", ""),
		"another user":          swap(":alice", ":bob"),
		"user cut":              swap(":alice", ":alic"),
		"lives longer":          swap(fmt.Sprint(name.Expires), fmt.Sprint(name.Expires+60)),
		"zero before":           "0" + c.Username,
		"user first":            swap(fmt.Sprint(name.Expires)+":", "") + ":" + fmt.Sprint(name.Expires),
	}
	for what, username := range forged {
		if username == c.Username {
			t.Errorf("%s: nothing was altered", what)
		}
		expect(t, 401)(as(username, c.Password).Allocate())
		// What is ours is never tried under the secret of an application.
		if strings.Contains(username, "~") {
			expect(t, 401)(as(username, minted(app, username)).Allocate())
		}
	}
	theirs := fmt.Sprintf("%d:bob", time.Now().Add(time.Hour).Unix())
	expect(t, 0)(as(theirs, minted(app, theirs)).Allocate())

	_, _, err = b.server.Revoke(auth.Revocation{Kind: auth.RevokeCredential, ID: name.CredentialID})
	must(t, err)
	expect(t, 401)(as(c.Username, c.Password).Allocate())
	for what, username := range forged {
		if r, err := as(username, c.Password).Allocate(); err != nil || r.Code != 401 {
			t.Errorf("%s, when it is revoked: %+v, %v", what, r, err)
		}
	}
}

// minted is the password that an application makes of its secret
// (draft-uberti-behave-turn-rest-00 §2.2).
func minted(secret, username string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func mustSecret(t *testing.T) auth.Secret {
	t.Helper()
	s, err := auth.NewRandomSecret(rand.Reader)
	must(t, err)
	return s
}

package issuer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
)

// revoker is a bed whose key may revoke; acme has a shared secret "talk", and
// "synapse" is another tenant's.
func revoker(t *testing.T) *bed {
	return newBed(t, func(o *Options) { o.Keys[0].MayRevoke = true })
}

func (b *bed) ask(method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+b.plain)
	r.Header.Set("X-Request-Id", "test")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	return b.do(r)
}

// What is revoked is of the key's tenant, and recorded with who asked.
func TestRevoke(t *testing.T) {
	when := time.Date(2026, 11, 25, 11, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		method, path, body string
		want               auth.Revocation
	}{
		{"DELETE", "/v1/credentials/awPygOn1cJN75nTa", "", auth.Revocation{Kind: auth.RevokeCredential, ID: "awPygOn1cJN75nTa", Tenant: "acme"}},
		{"POST", "/v1/users/alice/revoke", "", auth.Revocation{Kind: auth.RevokeUser, User: "alice", Tenant: "acme"}},
		{"POST", "/v1/users/alice/revoke", "{}", auth.Revocation{Kind: auth.RevokeUser, User: "alice", Tenant: "acme"}},
		{"POST", "/v1/users/a%2Fb%20%E4%B8%96%3A/revoke", `{"before":"2026-11-25T12:00:00+01:00"}`,
			auth.Revocation{Kind: auth.RevokeUser, User: "a/b 世:", Tenant: "acme", Before: when}},
		{"POST", "/v1/keys/talk/revoke", "", auth.Revocation{Kind: auth.RevokeKey, ID: "talk"}},
	} {
		b := revoker(t)
		for range 2 { // once more is the same
			w := b.ask(tt.method, tt.path, tt.body)
			if w.Code != http.StatusNoContent || w.Body.Len() != 0 || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %d %s", tt.path, w.Code, w.Body)
			}
		}
		record := Revoked{Revocation: tt.want, APIKey: "app", Client: netip.MustParseAddr("192.0.2.1"), Request: "test"}
		if len(b.revoked) != 2 || !b.inForce[0].Before.Equal(tt.want.Before) || !b.revoked[0].Before.Equal(tt.want.Before) {
			t.Fatalf("%s: %+v %+v", tt.path, b.inForce, b.revoked)
		}
		b.inForce[0].Before, b.revoked[0].Before, record.Before, tt.want.Before = time.Time{}, time.Time{}, time.Time{}, time.Time{}
		if b.inForce[0] != tt.want || b.revoked[0] != record {
			t.Errorf("%s: %+v, recorded %+v", tt.path, b.inForce[0], b.revoked[0])
		}
	}
}

func TestRevokeRefusals(t *testing.T) {
	const users = "/v1/users/alice/revoke"
	for _, tt := range []struct {
		name, method, path, body string
		code                     Code
		field                    string
	}{
		{"no id that could be", "DELETE", "/v1/credentials/a.b", "", InvalidID, ""},
		{"an id with a slash", "DELETE", "/v1/credentials/a%2Fb", "", InvalidID, ""},
		{"no id", "DELETE", "/v1/credentials/", "", NotFound, ""},
		{"GET", "GET", "/v1/credentials/abc", "", MethodNotAllowed, ""},
		{"a query", "DELETE", "/v1/credentials/abc?tenant=other", "", QueryNotAllowed, ""},
		{"no user", "POST", "/v1/users//revoke", "", NotFound, ""},
		{"another field", "POST", users, `{"tenant":"other"}`, UnknownField, ""},
		{"before twice", "POST", users, `{"before":"2026-11-25T12:00:00Z","before":"2026-11-25T12:00:00Z"}`, DuplicateField, "before"},
		{"before a number", "POST", users, `{"before":1}`, InvalidRevocation, "before"},
		{"before null", "POST", users, `{"before":null}`, InvalidRevocation, "before"},
		{"before a day", "POST", users, `{"before":"2026-11-25"}`, InvalidRevocation, "before"},
		{"no JSON", "POST", users, `x`, InvalidJSON, ""},
		{"too large", "POST", users, strings.Repeat("x", maxBody+1), BodyTooLarge, ""},
		{"another tenant's secret", "POST", "/v1/keys/synapse/revoke", "", NoSuchKey, ""},
		{"no secret", "POST", "/v1/keys/nobody/revoke", "", NoSuchKey, ""},
		{"an issuer key", "POST", "/v1/keys/k1/revoke", "", NoSuchKey, ""},
		{"an API key", "POST", "/v1/keys/app/revoke", "", NoSuchKey, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := revoker(t)
			wantProblem(t, b.ask(tt.method, tt.path, tt.body), tt.code, tt.field)
			if len(b.inForce)+len(b.revoked) > 0 {
				t.Errorf("%+v", b.inForce)
			}
		})
	}
	form := withHeader("Content-Type", "text/plain")
	wantProblem(t, revoker(t).ask("POST", users, "{}", form), UnsupportedMediaType, "")
}

// A key that may mint may not revoke by that, and nobody may without a key.
func TestWhoMayRevoke(t *testing.T) {
	b := newBed(t)
	for method, path := range map[string]string{"DELETE": "/v1/credentials/abc", "POST": "/v1/users/alice/revoke", "post": "/v1/keys/talk/revoke"} {
		method = strings.ToUpper(method)
		wantProblem(t, b.ask(method, path, ""), RevocationNotAllowed, "")
		wantProblem(t, b.ask(method, path, "", func(r *http.Request) { r.Header.Del("Authorization") }), Unauthorized, "")
	}
	if len(b.inForce) > 0 {
		t.Errorf("%+v", b.inForce)
	}
}

// What could not be put in force is not told to be.
func TestRevocationThatFails(t *testing.T) {
	for _, tt := range []struct {
		fault error
		code  Code
		says  string
	}{
		{fmt.Errorf("%w: before is in the future", auth.ErrRevocation), InvalidRevocation, "in the future"},
		{auth.ErrTooManyRevocations, RevocationsFull, "revocations are in force"},
		{context.DeadlineExceeded, Unavailable, "send it again"},
		{errors.New("disk"), Internal, ""},
	} {
		b := revoker(t)
		b.fault = tt.fault
		p := wantProblem(t, b.ask("DELETE", "/v1/credentials/abc", ""), tt.code, "")
		if !strings.Contains(p.Detail, tt.says) || strings.Contains(p.Detail, "auth:") || strings.Contains(p.Detail, "disk") {
			t.Errorf("detail %q", p.Detail)
		}
		if len(b.revoked) > 0 || strings.Contains(b.log.String(), "disk") != (tt.code == Internal) {
			t.Errorf("recorded %+v, logged %s", b.revoked, b.log)
		}
	}
}

// A key that may revoke needs somebody who does it.
func TestNewWithoutRevoke(t *testing.T) {
	o := revoker(t).options
	o.Revoke = nil
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), `API key "app" may revoke`) {
		t.Error(err)
	}
}

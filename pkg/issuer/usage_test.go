package issuer

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"turnpike/ratelimit"
)

// reader is a bed whose key may read usage.
func reader(t *testing.T) (b *bed, asked *[]string, fault *error) {
	asked, fault = new([]string), new(error)
	return newBed(t, func(o *Options) {
		o.Keys[0].MayReadUsage = true
		o.Usage = func(_ context.Context, who ratelimit.Subject, month string) (Used, error) {
			*asked = append(*asked, who.Tenant+"/"+who.User+"/"+month)
			if month == "" {
				month = "2027-01"
			}
			return Used{Month: month, Bytes: 1 << 40}, *fault
		}
	}), asked, fault
}

// What is told is of the key's tenant, whatever is asked.
func TestUsage(t *testing.T) {
	b, asked, fault := reader(t)
	for _, tt := range []struct{ query, asks, answer string }{
		{"", "acme//", `{"tenant":"acme","month":"2027-01","bytes":1099511627776}`},
		{"?user=alice", "acme/alice/", `{"tenant":"acme","user":"alice","month":"2027-01","bytes":1099511627776}`},
		{"?month=2026-11&user=a%2Fb%20%E4%B8%96", "acme/a/b 世/2026-11", `{"tenant":"acme","user":"a/b 世","month":"2026-11","bytes":1099511627776}`},
	} {
		*asked = nil
		w := b.ask(http.MethodGet, "/v1/usage"+tt.query, "")
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != tt.answer || len(*asked) != 1 || (*asked)[0] != tt.asks {
			t.Errorf("%s: %d %s, asked %q", tt.query, w.Code, got, *asked)
		}
	}
	*fault = errors.New("away")
	wantProblem(t, b.ask(http.MethodGet, "/v1/usage", ""), Unavailable, "")
}

func TestUsageRefused(t *testing.T) {
	b, asked, _ := reader(t)
	for _, tt := range []struct {
		query string
		code  Code
		field string
	}{
		{"user=", InvalidUser, "user"},
		{"user=%FF", InvalidUser, "user"},
		{"user=" + strings.Repeat("x", 129), InvalidUser, "user"},
		{"month=", InvalidMonth, "month"},
		{"month=2026-13", InvalidMonth, "month"},
		{"month=2026-11-01", InvalidMonth, "month"},
		{"user=a&user=b", DuplicateField, "user"},
		{"tenant=other", UnknownField, ""},
		{"%", InvalidForm, ""},
	} {
		wantProblem(t, b.ask(http.MethodGet, "/v1/usage?"+tt.query, ""), tt.code, tt.field)
	}
	wantProblem(t, b.ask(http.MethodPost, "/v1/usage", ""), MethodNotAllowed, "")
	wantProblem(t, b.ask(http.MethodGet, "/v1/usage", "", withHeader("Authorization", "Bearer x")), Unauthorized, "")
	wantProblem(t, newBed(t).ask(http.MethodGet, "/v1/usage", ""), UsageNotAllowed, "")
	if len(*asked) != 0 {
		t.Errorf("asked %q", *asked)
	}
	o := b.options
	o.Usage = nil
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "may read usage") {
		t.Errorf("a key that may read usage, and nobody to ask: %v", err)
	}
}

package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Options)
		says   []string
	}{
		{"no issuer", func(o *Options) { o.Issuer = nil }, []string{"Options.Issuer"}},
		{"no log", func(o *Options) { o.Log = nil }, []string{"Options.Log"}},
		{"no keys", func(o *Options) { o.Keys = nil }, []string{"no API keys"}},
		{"no id", func(o *Options) { o.Keys[0].ID = "" }, []string{`API key ""`, "1 to 32"}},
		{"foreign id", func(o *Options) { o.Keys[0].ID = "a b" }, []string{`API key "a b"`, "1 to 32"}},
		{"same id", func(o *Options) { o.Keys = append(o.Keys, o.Keys[0]) }, []string{`API key "app"`, "taken"}},
		{"bad tenant", func(o *Options) { o.Keys[0].Tenant = "a.b" }, []string{`API key "app"`, "tenant"}},
		{"no hash", func(o *Options) { o.Keys[0].Hash = [32]byte{} }, []string{`API key "app"`, "SHA-256"}},
		{"negative ttl", func(o *Options) { o.Keys[0].MaxTTL = -time.Second }, []string{`API key "app"`, "whole seconds"}},
		{"half a second", func(o *Options) { o.Keys[0].MaxTTL = time.Second / 2 }, []string{"whole seconds"}},
		{"unknown role", func(o *Options) { o.Keys[0].Roles = []string{"boss"} }, []string{`API key "app"`, `role "boss"`}},
		{"role twice", func(o *Options) { o.Keys[0].Roles = []string{"guest", "guest"} }, []string{`role "guest" is listed twice`}},
		{"half a rate", func(o *Options) { o.Keys[0].Rate.Burst = 1 }, []string{`API key "app"`, "above 0"}},
		{"half a client rate", func(o *Options) { o.Keys[0].ClientRate.PerSecond = 1 }, []string{`API key "app"`, "Burst is 0"}},
		{"bits behind a network", func(o *Options) { o.Keys[0].Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} }, []string{"10.0.0.1/8"}},
		{"no network", func(o *Options) { o.Keys[0].Networks = []netip.Prefix{{}} }, []string{"want ADDRESS/BITS"}},
		{"origin twice", func(o *Options) { o.Keys[0].Origins = []string{"https://a.example", "https://a.example"} }, []string{"https://a.example", "twice"}},
		{"any origin", func(o *Options) { o.Keys[0].Origins = []string{"*"} }, []string{`origin "*"`}},
		{"no origin", func(o *Options) { o.Keys[0].Origins = []string{"null"} }, []string{`origin "null"`}},
		{"origin without TLS", func(o *Options) { o.Keys[0].Origins = []string{"http://a.example"} }, []string{"want https://HOST"}},
		{"origin with a path", func(o *Options) { o.Keys[0].Origins = []string{"https://a.example/"} }, []string{"want https://HOST"}},
		{"origin in upper case", func(o *Options) { o.Keys[0].Origins = []string{"https://A.example"} }, []string{"want https://HOST"}},
		{"origin with the default port", func(o *Options) { o.Keys[0].Origins = []string{"https://a.example:443"} }, []string{"want https://HOST"}},
		{"origin with a user", func(o *Options) { o.Keys[0].Origins = []string{"https://u@a.example"} }, []string{"want https://HOST"}},
		{"wildcard origin", func(o *Options) { o.Keys[0].Origins = []string{"https://*.a.example"} }, []string{"no wildcards"}},
		{"role without a name", func(o *Options) { o.Keys[0].Roles = []string{""} }, []string{"role without a name"}},
		{"no URIs", func(o *Options) { o.URIs = nil }, []string{"0 TURN URIs"}},
		{"too many URIs", func(o *Options) { o.URIs = make([]string, 9) }, []string{"9 TURN URIs"}},
		{"bad URI", func(o *Options) { o.URIs = []string{"turn:x"} }, []string{`URI "turn:x"`, "transport"}},
		{"URI twice", func(o *Options) { o.URIs = []string{turnURIs[0], turnURIs[0]} }, []string{turnURIs[0], "twice"}},
		{"bad STUN URI", func(o *Options) { o.STUN = []string{"stun:x"} }, []string{`URI "stun:x"`, "no port"}},
		{"every fault at once", func(o *Options) { o.Log, o.Keys[0].ID, o.URIs, o.STUN = nil, "", nil, []string{"x"} },
			[]string{"Options.Log", `API key ""`, "0 TURN URIs", `URI "x"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newBed(t).options
			tt.change(&o)
			s, err := New(o)
			if err == nil || s != nil {
				t.Fatal("accepted")
			}
			for _, word := range tt.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestNewCopies(t *testing.T) {
	b := newBed(t, func(o *Options) { o.URIs = []string{turnURIs[0]} })
	b.options.URIs[0] = "x"
	if _, a := b.mustPost(t, ""); a.URIs[0] != turnURIs[0] {
		t.Error("the caller's slice is still in use")
	}
}

// Keys and the signing key change between requests; what is wrong changes
// nothing.
func TestSet(t *testing.T) {
	b := newBed(t)
	old := b.plain
	if err := b.Set(newIssuer(t, nil), nil, nil); err == nil {
		t.Error("no key at all was taken")
	}
	b.mustPost(t, "")
	plain, key, err := NewAPIKey(rand.NewChaCha8([32]byte{2}), "next")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Set(newIssuer(t, nil), []APIKey{key}, nil); err != nil {
		t.Fatal(err)
	}
	wantProblem(t, b.post("", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+old) }), Unauthorized, "")
	b.plain = plain
	b.mustPost(t, "")
}

func TestNewAPIKey(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	seen := make(map[string]bool)
	for _, id := range []string{"a", "app", "app", "a_b-C9", "_", "tk_", strings.Repeat("x", 32)} {
		plain, key, err := NewAPIKey(random, id)
		if err != nil {
			t.Fatal(err)
		}
		secret, found := strings.CutPrefix(plain, "tk_"+id+"_")
		raw, err := base64.RawURLEncoding.Strict().DecodeString(secret)
		if !found || err != nil || len(raw) != 32 {
			t.Errorf("%s: %v", plain, err)
		}
		if key.ID != id || key.Hash != sha256.Sum256([]byte(plain)) || seen[plain] {
			t.Errorf("%s: %+v", plain, key)
		}
		seen[plain] = true

		b := newBed(t, func(o *Options) { o.Keys = append(o.Keys[:0], key) })
		b.plain = plain
		b.mustPost(t, "")
	}
	for _, id := range []string{"", "a b", "a:b", "a\n", "é", strings.Repeat("x", 33)} {
		if plain, key, err := NewAPIKey(random, id); err == nil || plain != "" || key.ID != "" {
			t.Errorf("id %q: %q %v", id, plain, err)
		}
	}
	broken := errors.New("broken")
	if plain, key, err := NewAPIKey(iotest.ErrReader(broken), "app"); !errors.Is(err, broken) || plain != "" || key.Hash != [32]byte{} {
		t.Errorf("without randomness: %q %v", plain, err)
	}
}

// Names of codes are part of the API.
func TestCodes(t *testing.T) {
	seen := make(map[string]bool)
	for c := range Code(NumCodes) {
		if s := c.String(); s == "" || seen[s] || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" || codes[c].status < 400 {
			t.Errorf("code %d: %q %d", c, s, codes[c].status)
		}
		seen[c.String()] = true
	}
	if s := Code(NumCodes).String(); s != "unknown" {
		t.Errorf("beyond the last: %q", s)
	}
}

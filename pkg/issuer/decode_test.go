package issuer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"turnpike/auth"
)

// FuzzDecode: no body makes it panic, every refusal has words, and what it
// accepts is what a strict reader without our rules finds there as well.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"user":"alice","ttl":3600,"role":"default"}`, `{"transports":["udp","tls"],"label":"room 7","consent_ref":"c-1"}`, `{"ttl":1e3}`, `{"ttl":-0}`,
		`{"user":"a","user":"b"}`, `{"\u0075ser":"\ud800"}`, `{"user":{"user":{}}}`, `{} {}`, `{"ttl":9223372036854775808}`,
		`{"User":"a"}`, "{\"user\":\"\xff\"}", strings.Repeat("[", 4000), `{"a":` + strings.Repeat(`{"a":`, 500),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a, refused := decode(body)
		if refused != nil {
			if refused.detail == "" || int(refused.code) >= NumCodes || !utf8.ValidString(refused.detail) {
				t.Fatalf("%+v", refused)
			}
			return
		}
		var want struct {
			User, Role, Label *string
			ConsentRef        *string `json:"consent_ref"`
			TTL               *json.Number
			Transports        []string
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted what is not there: %v", err)
		}
		if _, err := dec.Token(); err != io.EOF {
			t.Fatal("accepted trailing data")
		}
		same := func(got, want *string) bool {
			return (got == nil) == (want == nil) && (got == nil || *got == *want)
		}
		if !same(a.user, want.User) || !same(a.role, want.Role) || !same(a.label, want.Label) || !same(a.consentRef, want.ConsentRef) ||
			asked(a.transports) != strings.Join(ordered(want.Transports), ", ") || (a.ttl == nil) != (want.TTL == nil) {
			t.Fatalf("%+v, want %+v", a, want)
		}
		if a.ttl != nil {
			if n, err := want.TTL.Int64(); err == nil && n != *a.ttl {
				t.Fatalf("ttl %d, want %d", *a.ttl, n)
			}
		}
	})
}

// asked is none where names has all.
func asked(t auth.Transports) string {
	if t == 0 {
		return ""
	}
	return names(t)
}

// ordered has the names in the order of the enum.
func ordered(names []string) (sorted []string) {
	for _, n := range transportNames {
		if slices.Contains(names, n.name) {
			sorted = append(sorted, n.name)
		}
	}
	return sorted
}

// FuzzAuthorization: no header but the key's own opens the door.
func FuzzAuthorization(f *testing.F) {
	b := newBed(f)
	for _, seed := range []string{"", "Bearer ", "Bearer " + b.plain, "Bearer " + b.plain + " ", "bearer tk_app_", "Basic " + base64.StdEncoding.EncodeToString([]byte("app:"+b.plain)), "Bearer tk__" + b.plain[7:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		scheme, plain, _ := strings.Cut(line, " ")
		want := strings.EqualFold(scheme, "Bearer") && plain == b.plain
		if pair, err := base64.StdEncoding.DecodeString(plain); err == nil && strings.EqualFold(scheme, "Basic") {
			want = string(pair) == "app:"+b.plain
		}
		if got := b.live.Load().keys.authenticate(http.Header{"Authorization": {line}}, nil) != nil; got != want {
			t.Fatalf("%q: %v", line, got)
		}
	})
}

func BenchmarkMint(b *testing.B) {
	bed := newBed(b, func(o *Options) { o.Issued = nil })
	h := bed.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/credentials", strings.NewReader(`{"user":"alice","ttl":3600}`))
		r.Header.Set("Authorization", "Bearer "+bed.plain)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkWrongKey(b *testing.B) {
	bed := newBed(b)
	h := bed.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/v1/credentials", nil)
		r.Header.Set("Authorization", "Bearer "+bed.plain[:len(bed.plain)-1]+"_")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			b.Fatal(w.Body)
		}
	}
}

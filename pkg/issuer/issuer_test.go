package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"turnpike/auth"
)

var (
	start     = time.Unix(1_800_000_000, 0)
	masterKey = []byte("\x01\xa7\xf3N\x8bq\xe2\x15\x9c\xd0\x66\xbe\x42\x77\x19\x8a\xee\x5d\x03\xc1\x94\x2b\x70\xf8\x3c\xa9\x56\x0d\xe7\x81\x1f\xb4")
	turnURIs  = []string{
		"turn:turn.example.org:3478?transport=udp",
		"turn:[2001:db8::1]:3478?transport=tcp",
		"turns:turn.example.org:443?transport=tcp",
	}
	stunURIs = []string{"stun:turn.example.org:3478"}
)

// bed is a server under test and what it takes to talk to it.
type bed struct {
	*Server
	options Options
	plain   string // the API key "app"
	log     *bytes.Buffer
	records []Issued
	revoked []Revoked
	inForce []auth.Revocation
	fault   error      // of the next revocations
	test    *testing.T // nil in fuzzing and benchmarks
}

// newIssuer signs under masterKey, with roles default, guest (an hour, relay
// only) and admin, which no key of the tests may give.
func newIssuer(t testing.TB, random io.Reader) *auth.Issuer {
	t.Helper()
	secret, err := auth.NewSecret(masterKey)
	if err != nil {
		t.Fatal(err)
	}
	guest, admin := auth.DefaultRole(), auth.DefaultRole()
	guest.Name, guest.TTL, guest.MaxTTL, guest.RelayOnly = "guest", time.Hour, time.Hour, true
	admin.Name = "admin"
	ring, err := auth.NewKeyring(auth.Options{
		Keys: []auth.Key{{ID: "k1", Secret: secret}},
		Shared: []auth.Shared{
			{ID: "talk", Tenant: "acme", Secret: sharedSecret(t, 1)},
			{ID: "synapse", Tenant: "matrix", Secret: sharedSecret(t, 2)},
		},
		Roles: []auth.Role{auth.DefaultRole(), guest, admin},
	})
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := auth.NewIssuer(ring, random)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}

func sharedSecret(t testing.TB, seed byte) auth.Secret {
	t.Helper()
	s, err := auth.NewRandomSecret(rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newBed(t testing.TB, change ...func(*Options)) *bed {
	t.Helper()
	b := &bed{log: new(bytes.Buffer)}
	b.test, _ = t.(*testing.T)
	plain, key, err := NewAPIKey(rand.NewChaCha8([32]byte{1}), "app")
	if err != nil {
		t.Fatal(err)
	}
	key.Tenant, key.Roles = "acme", []string{"default", "guest"}
	b.plain = plain
	b.options = Options{
		Issuer: newIssuer(t, nil),
		Keys:   []APIKey{key},
		URIs:   turnURIs,
		STUN:   stunURIs,
		Now:    func() time.Time { return start },
		Log:    slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Issued: func(i Issued) { b.records = append(b.records, i) },
		Revoke: func(_ context.Context, r auth.Revocation) error {
			if b.fault == nil {
				b.inForce = append(b.inForce, r)
			}
			return b.fault
		},
		Revoked: func(r Revoked) { b.revoked = append(b.revoked, r) },
	}
	for _, f := range change {
		f(&b.options)
	}
	b.Server, err = New(b.options)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// post sends a body as an app does; change alters the request first.
func (b *bed) post(body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/credentials", strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+b.plain)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(r)
	}
	return b.do(r)
}

// do has the server answer a request, and holds the answer of a test against the
// OpenAPI document.
func (b *bed) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	var sent bytes.Buffer
	r.Body = io.NopCloser(io.TeeReader(r.Body, &sent))
	b.Handler().ServeHTTP(w, r)
	if b.test != nil {
		b.test.Helper()
		c, err := theContract()
		if err != nil {
			b.test.Fatal(err)
		}
		if err := c.check(r, sent.Bytes(), w); err != nil {
			b.test.Errorf("%s %s is not as documented: %v\n%s", r.Method, r.URL, err, w.Body)
		}
	}
	return w
}

// refused is how often anything was refused under code.
func (b *bed) refused(code Code) (n uint64) {
	for r := range Route(NumRoutes) {
		n += b.Counters().Refused(r, code)
	}
	return n
}

func wantProblem(t *testing.T, w *httptest.ResponseRecorder, code Code, field string) problem {
	t.Helper()
	var p problem
	dec := json.NewDecoder(w.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%d: not a problem: %v", w.Code, err)
	}
	status := codes[code].status
	if w.Code != status || p.Status != status || p.Code != code.String() || p.Field != field ||
		p.Type != "about:blank" || p.Title != http.StatusText(status) || p.Detail == "" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("%d %+v, want %d %s field %q", w.Code, p, status, code, field)
	}
	h := w.Header()
	if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Origin" || h.Get("Server") != "" {
		t.Errorf("headers %v", h)
	}
	return p
}

func TestRefusals(t *testing.T) {
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
	}
	method := func(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }
	path := func(p string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = p } }
	query := func(q string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = q } }
	none := func(*http.Request) {}
	tests := []struct {
		name, body string
		change     func(*http.Request)
		code       Code
		field      string
		says       string
	}{
		{"GET", "", method("GET"), MethodNotAllowed, "", "POST"},
		{"PUT", "{}", method("PUT"), MethodNotAllowed, "", "POST"},
		{"lower-case method", "", method("post"), MethodNotAllowed, "", "POST"},
		{"other path", "", path("/"), NotFound, "", "/v1/credentials"},
		{"trailing slash", "", path("/v1/credentials/"), NotFound, "", ""},
		{"doubled slash", "", path("//v1/credentials"), NotFound, "", ""},
		{"dots", "", path("/v1/../v1/credentials"), NotFound, "", ""},
		{"asterisk", "", path("*"), NotFound, "", ""},
		{"key in the query", "", query("key=tk_app"), QueryNotAllowed, "", "body"},
		{"ttl in the query", "{}", query("ttl=60"), QueryNotAllowed, "", "body"},

		{"no content type", "{}", func(r *http.Request) { r.Header.Del("Content-Type") }, UnsupportedMediaType, "", "application/json"},
		{"text/plain", "{}", header("Content-Type", "text/plain"), UnsupportedMediaType, "", ""},
		{"form", "ttl=60", header("Content-Type", "application/x-www-form-urlencoded"), UnsupportedMediaType, "", ""},
		{"two content types", "{}", header("Content-Type", "application/json", "text/plain"), UnsupportedMediaType, "", ""},
		{"broken content type", "{}", header("Content-Type", "application/json;;;="), UnsupportedMediaType, "", ""},
		{"one byte too large", `{"user":"a"` + strings.Repeat(" ", maxBody-11) + "}", none, BodyTooLarge, "", "4096"},
		{"far too large", strings.Repeat("x", 1<<20), none, BodyTooLarge, "", ""},
		{"broken off", "{}", func(r *http.Request) { r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{})) }, BodyUnreadable, "", ""},

		{"white space", " ", none, InvalidJSON, "", ""},
		{"null", "null", none, InvalidJSON, "", "object"},
		{"array", `[{"user":"a"}]`, none, InvalidJSON, "", "object"},
		{"string", `"user"`, none, InvalidJSON, "", "object"},
		{"truncated", `{"user":"alice"`, none, InvalidJSON, "", "byte 15"},
		{"trailing comma", `{"user":"alice",}`, none, InvalidJSON, "", ""},
		{"trailing object", `{} {}`, none, InvalidJSON, "", "after top-level value"},
		{"trailing text", `{}x`, none, InvalidJSON, "", ""},
		{"NaN", `{"ttl":NaN}`, none, InvalidJSON, "", ""},
		{"comment", `{/**/}`, none, InvalidJSON, "", ""},
		{"byte order mark", "\ufeff{}", none, InvalidJSON, "", ""},
		{"not UTF-8", "{\"user\":\"\xff\"}", none, InvalidJSON, "", "UTF-8"},
		{"raw control character", "{\"user\":\"a\nb\"}", none, InvalidJSON, "", ""},

		{"unknown field", `{"user":"a","tll":60}`, none, UnknownField, "", `"tll"`},
		{"field in another case", `{"User":"a"}`, none, UnknownField, "", `"User"`},
		{"unknown object", `{"x":{"user":"a"}}`, none, UnknownField, "", `"x"`},
		{"endless unknown field", `{"` + strings.Repeat("x", 999) + `":1}`, none, UnknownField, "", `xxx..."`},
		{"user twice", `{"user":"a","user":"b"}`, none, DuplicateField, "user", "twice"},
		{"user twice, escaped", `{"user":"a","\u0075ser":"b"}`, none, DuplicateField, "user", ""},
		{"ttl twice", `{"ttl":1,"ttl":1}`, none, DuplicateField, "ttl", ""},
		{"role twice", `{"role":"guest","role":"guest"}`, none, DuplicateField, "role", ""},

		{"user null", `{"user":null}`, none, InvalidUser, "user", "string"},
		{"user number", `{"user":7}`, none, InvalidUser, "user", "string"},
		{"user object", `{"user":{}}`, none, InvalidUser, "user", "string"},
		{"user array", `{"user":["a"]}`, none, InvalidUser, "user", "string"},
		{"user empty", `{"user":""}`, none, InvalidUser, "user", "empty"},
		{"user too long", `{"user":"` + strings.Repeat("a", 129) + `"}`, none, InvalidUser, "user", "128"},
		{"user CRLF", `{"user":"a\r\nb"}`, none, InvalidUser, "user", "control"},
		{"user NUL", `{"user":"a\u0000"}`, none, InvalidUser, "user", "control"},
		{"user half a surrogate pair", `{"user":"\ud800"}`, none, InvalidUser, "user", "surrogate"},
		{"user replacement character", `{"user":"` + "\ufffd" + `"}`, none, InvalidUser, "user", "U+FFFD"},
		{"user bidi override", `{"user":"a\u202eb"}`, none, InvalidUser, "user", ""},

		{"ttl zero", `{"ttl":0}`, none, InvalidTTL, "ttl", "1 to 172800"},
		{"ttl minus zero", `{"ttl":-0}`, none, InvalidTTL, "ttl", "1 to 172800"},
		{"ttl negative", `{"ttl":-1}`, none, InvalidTTL, "ttl", "1 to 172800"},
		{"ttl over the cap", `{"ttl":172801}`, none, InvalidTTL, "ttl", "1 to 172800"},
		{"ttl over the role's cap", `{"ttl":3601,"role":"guest"}`, none, InvalidTTL, "ttl", "1 to 3600"},
		{"ttl that overflows a duration", `{"ttl":9223372037}`, none, InvalidTTL, "ttl", "1 to 172800"},
		{"ttl that overflows int64", `{"ttl":99999999999999999999}`, none, InvalidTTL, "ttl", "1 to 172800"},
		{"ttl fraction", `{"ttl":1.0}`, none, InvalidTTL, "ttl", "whole"},
		{"ttl exponent", `{"ttl":1e3}`, none, InvalidTTL, "ttl", "whole"},
		{"ttl string", `{"ttl":"60"}`, none, InvalidTTL, "ttl", "number"},
		{"ttl null", `{"ttl":null}`, none, InvalidTTL, "ttl", "number"},
		{"ttl object", `{"ttl":{}}`, none, InvalidTTL, "ttl", "number"},

		{"transports empty", `{"transports":[]}`, none, InvalidTransports, "transports", "one or more"},
		{"transports null", `{"transports":null}`, none, InvalidTransports, "transports", ""},
		{"transports text", `{"transports":"udp"}`, none, InvalidTransports, "transports", ""},
		{"transports of another name", `{"transports":["udp","dtls"]}`, none, InvalidTransports, "transports", ""},
		{"transports of another case", `{"transports":["UDP"]}`, none, InvalidTransports, "transports", ""},
		{"transports of numbers", `{"transports":[1]}`, none, InvalidTransports, "transports", ""},
		{"a transport twice", `{"transports":["udp","udp"]}`, none, InvalidTransports, "transports", ""},
		{"transports twice", `{"transports":["udp"],"transports":["udp"]}`, none, DuplicateField, "transports", ""},
		{"label number", `{"label":7}`, none, InvalidLabel, "label", "string"},
		{"label too long", `{"label":"` + strings.Repeat("a", 129) + `"}`, none, InvalidLabel, "label", "128"},
		{"label with a line end", `{"label":"a\nb"}`, none, InvalidLabel, "label", "printable"},
		{"label with a bidi override", `{"label":"a\u202eb"}`, none, InvalidLabel, "label", "printable"},
		{"label twice", `{"label":"a","label":"b"}`, none, DuplicateField, "label", ""},
		{"consent_ref empty", `{"consent_ref":""}`, none, InvalidConsentRef, "consent_ref", "empty"},
		{"consent_ref with NUL", `{"consent_ref":"\u0000"}`, none, InvalidConsentRef, "consent_ref", "printable"},

		{"role of another key", `{"role":"admin"}`, none, InvalidRole, "role", "default, guest"},
		{"role that is not there", `{"role":"x"}`, none, InvalidRole, "role", "default, guest"},
		{"role empty", `{"role":""}`, none, InvalidRole, "role", "empty"},
		{"role number", `{"role":1}`, none, InvalidRole, "role", "string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			w := b.post(tt.body, tt.change)
			p := wantProblem(t, w, tt.code, tt.field)
			if !strings.Contains(p.Detail, tt.says) {
				t.Errorf("detail %q does not say %q", p.Detail, tt.says)
			}
			if allow := w.Header().Get("Allow"); (allow == "POST, OPTIONS") != (tt.code == MethodNotAllowed) {
				t.Errorf("Allow = %q", allow)
			}
			if len(b.records) != 0 || b.Counters().Issued() != 0 {
				t.Error("a credential was issued")
			}
			for c := range Code(NumCodes) {
				if want := map[bool]uint64{true: 1}[c == tt.code]; b.refused(c) != want {
					t.Errorf("refused %s = %d, want %d", c, b.refused(c), want)
				}
			}
			if b.log.Len() != 0 {
				t.Errorf("logged: %s", b.log)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// What is wrong with a key must not show in the answer.
func TestForgedKeys(t *testing.T) {
	b := newBed(t)
	other, _, err := NewAPIKey(rand.NewChaCha8([32]byte{2}), "other")
	if err != nil {
		t.Fatal(err)
	}
	secret := b.plain[len("tk_app_"):]
	last := b.plain[:len(b.plain)-1]
	alias := last + string(secret[len(secret)-1]+1) // the same 32 bytes to a lax base64 decoder
	hash := b.options.Keys[0].Hash
	tests := map[string][]string{
		"missing":             nil,
		"empty":               {""},
		"scheme alone":        {"Bearer"},
		"no key":              {"Bearer "},
		"garbage":             {"Bearer xyzzy"},
		"Basic":               {"Basic " + b.plain},
		"no scheme":           {b.plain},
		"unknown":             {"Bearer " + other},
		"secret of another":   {"Bearer tk_app_" + other[len("tk_other_"):]},
		"id of another":       {"Bearer tk_other_" + secret},
		"id in another case":  {"Bearer tk_APP_" + secret},
		"no id":               {"Bearer tk__" + secret},
		"no prefix":           {"Bearer app_" + secret},
		"one byte short":      {"Bearer " + last},
		"one byte long":       {"Bearer " + b.plain + "A"},
		"last bits changed":   {"Bearer " + alias},
		"padded":              {"Bearer " + b.plain + "="},
		"trailing space":      {"Bearer " + b.plain + " "},
		"two spaces":          {"Bearer  " + b.plain},
		"tab":                 {"Bearer\t" + b.plain},
		"NUL":                 {"Bearer " + b.plain + "\x00"},
		"zeros":               {"Bearer tk_app_" + strings.Repeat("A", 43)},
		"the hash":            {fmt.Sprintf("Bearer tk_app_%x", hash)},
		"twice":               {"Bearer " + b.plain, "Bearer " + b.plain},
		"after a wrong one":   {"Bearer " + other, "Bearer " + b.plain},
		"list":                {"Bearer " + b.plain + ", Bearer " + other},
		"parameter":           {"Bearer token=" + b.plain},
		"id beyond its limit": {"Bearer tk_" + strings.Repeat("a", 33) + "_" + secret},
		"1 MB":                {"Bearer tk_" + strings.Repeat("a", 1<<20) + "_" + secret},
		"foreign id":          {"Bearer tk_a\xffp_" + secret},
	}
	same := func(r *http.Request) { r.Header.Set("X-Request-Id", "same") }
	want := b.post("{}", same, func(r *http.Request) { r.Header.Del("Authorization") })
	for name, lines := range tests {
		t.Run(name, func(t *testing.T) {
			w := b.post("{}", same, func(r *http.Request) { r.Header["Authorization"] = lines })
			if w.Code != want.Code || w.Body.String() != want.Body.String() || fmt.Sprint(w.Header()) != fmt.Sprint(want.Header()) {
				t.Errorf("the answer differs from that to no key:\n%d %v %s\n%d %v %s",
					w.Code, w.Header(), w.Body, want.Code, want.Header(), want.Body)
			}
			if !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("WWW-Authenticate = %q", w.Header().Get("WWW-Authenticate"))
			}
			wantProblem(t, w, Unauthorized, "")
		})
	}
	if n := len(b.records); n != 0 {
		t.Errorf("%d credentials issued", n)
	}
	if w := b.post("{}", func(r *http.Request) { r.Header.Set("Authorization", "bEARER "+b.plain) }); w.Code != 200 {
		t.Errorf("the scheme is case-insensitive (RFC 9110 §11.1): %d", w.Code)
	}
}

// A key in any place but the Authorization header opens nothing.
func TestKeyElsewhere(t *testing.T) {
	b := newBed(t)
	for _, name := range []string{"X-API-Key", "Cookie", "Proxy-Authorization", "Authorization-"} {
		w := b.post("{}", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set(name, "Bearer "+b.plain)
		})
		wantProblem(t, w, Unauthorized, "")
	}
	w := b.post("{}", func(r *http.Request) {
		r.Header.Del("Authorization")
		r.URL.RawQuery = "key=" + b.plain
	})
	wantProblem(t, w, Unauthorized, "")
}

// The body is not read for someone without a key.
func TestKeyComesBeforeBody(t *testing.T) {
	b := newBed(t)
	w := b.post("{}", func(r *http.Request) {
		r.Header.Del("Authorization")
		r.Body = io.NopCloser(unreadable{t})
	})
	wantProblem(t, w, Unauthorized, "")
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestLogsHoldNoSecret(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Issued = nil })
	var canaries []string
	for _, body := range []string{"", `{"user":"alice"}`, `{"user":"a\r\n"}`, `{"ttl":0}`, "x", strings.Repeat("x", 5000)} {
		var a answer
		if w := b.post(body); w.Code == 200 {
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
				t.Fatal(err)
			}
			canaries = append(canaries, a.Password)
		}
		b.post(body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+b.plain+"x") })
	}

	failing := newBed(t, func(o *Options) { o.Issuer = newIssuer(t, &randomFor{reads: 2}) })
	wantProblem(t, failing.post(`{"user":"alice"}`), Internal, "")
	if !strings.Contains(failing.log.String(), "credential request failed") {
		t.Errorf("a fault of ours is not in the log: %s", failing.log)
	}

	panicking := newBed(t, func(o *Options) { o.Issued = func(Issued) { panic("sink") } })
	wantProblem(t, panicking.post(`{"user":"alice"}`), Internal, "")
	if !strings.Contains(panicking.log.String(), "sink") {
		t.Errorf("a panic is not in the log: %s", panicking.log)
	}

	logs := b.log.String() + failing.log.String() + panicking.log.String()
	canaries = append(canaries, b.plain, b.plain[len("tk_app_"):], string(masterKey), fmt.Sprintf("%x", masterKey), "alice")
	for _, c := range canaries {
		if strings.Contains(logs, c) {
			t.Errorf("the log holds %q:\n%s", c, logs)
		}
	}
	if b.log.Len() != 0 {
		t.Errorf("requests and refusals are logged: %s", b.log)
	}
}

// randomFor is randomness that dries up: New looks at two roles.
type randomFor struct{ reads int }

func (r *randomFor) Read(p []byte) (int, error) {
	if r.reads--; r.reads < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return len(p), nil
}

package issuer

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// open is a bed whose key may stand in a query.
func openBed(t testing.TB) *bed {
	return newBed(t, func(o *Options) { o.Keys[0].AllowQueryKey = true })
}

// rest asks /turn/credentials without any header; change alters the request
// first.
func (b *bed) rest(method, query, contentType, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/turn/credentials?"+query, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for _, f := range change {
		f(r)
	}
	return b.do(r)
}

const form = "application/x-www-form-urlencoded"

// Every way in which an application is known to ask gets the same answer.
func TestTURNRESTConventions(t *testing.T) {
	b := openBed(t)
	key := url.QueryEscape(b.plain)
	janus := "service=turn&api=" + key + "&key=" + key + "&username=alice"
	selkies := func(protocol, tls string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("X-Auth-User", "alice")
			r.Header.Set("X-Turn-Protocol", protocol)
			r.Header.Set("X-Turn-Tls", tls)
		}
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	none := func(*http.Request) {}
	asJSON := `{"service":"turn","username":"alice","key":"` + b.plain + `","ttl":3600,"extra":{"a":[1]}}`
	tests := []struct {
		name, method, query, kind, body string
		change                          func(*http.Request)
		user                            string // empty: the credential's id
		uris                            []string
		ttl                             int64
	}{
		{"the draft", "GET", "service=turn&username=alice&key=" + key, "", "", none, "alice", turnURIs, 86400},
		{"Janus, POST", "POST", janus, form, janus, none, "alice", turnURIs, 86400},
		{"Janus, GET", "GET", janus, "", "", none, "alice", turnURIs, 86400},
		{"spreed-signaling", "GET", "service=turn&api=" + key + "&username=alice", "", "", none, "alice", turnURIs, 86400},
		{"Metered", "GET", "apiKey=" + key, "", "", none, "", turnURIs, 86400},
		{"form alone", "POST", "", form, "username=alice&key=" + key, none, "alice", turnURIs, 86400},
		{"JSON", "POST", "", "application/json", asJSON, none, "alice", turnURIs, 3600},
		{"a ttl", "GET", "ttl=60&key=" + key, "", "", none, "", turnURIs, 60},
		{"an empty user is none", "GET", "username=&key=" + key, "", "", none, "", turnURIs, 86400},
		{"Selkies over UDP", "GET", "service=turn&username=alice&key=" + key + "&api=" + key, "", "", selkies("udp", "false"), "alice", turnURIs[:1], 86400},
		{"Selkies over TCP, without a username", "GET", "key=" + key, "", "", selkies("tcp", "false"), "alice", turnURIs[1:2], 86400},
		{"Selkies over TLS", "GET", "key=" + key, "", "", selkies("tcp", "true"), "alice", turnURIs[2:], 86400},
		{"Bearer", "GET", "username=alice", "", "", header("Authorization", "Bearer "+b.plain), "alice", turnURIs, 86400},
		{"X-API-Key, POST without a body", "POST", "username=alice", "", "", header("X-API-Key", b.plain), "alice", turnURIs, 86400},
		{"Basic", "GET", "", "", "", func(r *http.Request) { r.SetBasicAuth("app", b.plain) }, "", turnURIs, 86400},
		{"the same key in two ways", "GET", "key=" + key, "", "", header("X-API-Key", b.plain), "", turnURIs, 86400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := b.rest(tt.method, tt.query, tt.kind, tt.body, tt.change)
			var a answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != http.StatusOK || err != nil {
				t.Fatalf("%d %v: %s", w.Code, err, w.Body)
			}
			user := tt.user
			if user == "" {
				user = a.ID
			}
			if !strings.HasSuffix(a.Username, ":"+user) || a.Password == "" || a.TTL != tt.ttl {
				t.Errorf("%+v, want user %q and ttl %d", a, user, tt.ttl)
			}
			ice := a.ICEServers[len(a.ICEServers)-1]
			if !slices.Equal(a.URIs, tt.uris) || !slices.Equal(ice.URLs, tt.uris) {
				t.Errorf("uris %v, iceServers %v, want %v", a.URIs, a.ICEServers, tt.uris)
			}
			if stun := len(a.ICEServers) == 2; stun != slices.Contains(tt.uris, turnURIs[0]) {
				t.Errorf("STUN told: %v, for %v", stun, tt.uris)
			}
		})
	}
}

func TestTURNRESTRefusals(t *testing.T) {
	b := openBed(t)
	key := "key=" + url.QueryEscape(b.plain)
	tests := []struct {
		name, method, query, kind, body string
		code                            Code
		field                           string
	}{
		{"no key", "GET", "service=turn&username=alice", "", "", Unauthorized, ""},
		{"a wrong key", "GET", key + "x", "", "", Unauthorized, ""},
		{"two keys", "GET", key + "&api=tk_app_x", "", "", Unauthorized, ""},
		{"the key twice, differently", "POST", key, form, "key=tk_app_x", DuplicateField, "key"},
		{"another service", "GET", "service=stun&" + key, "", "", InvalidService, "service"},
		{"two users", "POST", "username=alice&" + key, form, "username=bob", DuplicateField, "username"},
		{"a user that forges lines", "GET", "username=a%0d%0ab&" + key, "", "", InvalidUser, "username"},
		{"a user that is no text", "GET", "username=%ff&" + key, "", "", InvalidUser, "username"},
		{"a ttl in words", "GET", "ttl=1h&" + key, "", "", InvalidTTL, "ttl"},
		{"a ttl beyond the cap", "GET", "ttl=172801&" + key, "", "", InvalidTTL, "ttl"},
		{"a semicolon", "GET", key + ";username=alice", "", "", InvalidForm, ""},
		{"a broken escape", "GET", key + "&username=%zz", "", "", InvalidForm, ""},
		{"a broken escape in the form", "POST", key, form, "username=%", InvalidForm, ""},
		{"a form as text", "POST", key, "text/plain", "username=alice", UnsupportedMediaType, ""},
		{"a list", "POST", key, "application/json", `["alice"]`, InvalidJSON, ""},
		{"a user that is an object", "POST", key, "application/json", `{"username":{}}`, InvalidJSON, "username"},
		{"too large", "POST", key, form, strings.Repeat("x", maxBody+1), BodyTooLarge, ""},
		{"another method", "PUT", key, "", "", MethodNotAllowed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := wantProblem(t, b.rest(tt.method, tt.query, tt.kind, tt.body), tt.code, tt.field)
			if strings.Contains(p.Detail, b.plain) {
				t.Errorf("the answer holds the key: %s", p.Detail)
			}
		})
	}
	if len(b.records) != 0 || b.log.Len() != 0 {
		t.Errorf("records %+v, log %s", b.records, b.log)
	}
}

// Selkies wants a way that this server does not have.
func TestTURNRESTWithoutTheTransport(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Keys[0].AllowQueryKey, o.URIs = true, turnURIs[:1] })
	w := b.rest("GET", "key="+b.plain, "", "", func(r *http.Request) { r.Header.Set("X-Turn-Tls", "true") })
	if p := wantProblem(t, w, InvalidTransports, "transports"); !strings.Contains(p.Detail, "over udp") {
		t.Errorf("detail %q", p.Detail)
	}
}

// A key as a parameter opens nothing but this route, and only if it may: else
// the answer is that to no key.
func TestQueryKeyIsAllowedAlone(t *testing.T) {
	b := newBed(t)
	for _, query := range []string{"key=", "api=", "apiKey="} {
		wantProblem(t, b.rest("GET", query+b.plain, "", ""), Unauthorized, "")
		wantProblem(t, b.rest("POST", "", form, query+b.plain), Unauthorized, "")
	}
	open := openBed(t)
	w := open.post("", func(r *http.Request) {
		r.Header.Del("Authorization")
		r.URL.RawQuery = "key=" + open.plain
	})
	wantProblem(t, w, Unauthorized, "")
}

// Two keys at once are refused, also where both are good: which of them counts
// would be a matter of taste.
func TestTwoKeysAtOnce(t *testing.T) {
	other, key, err := NewAPIKey(rand.NewChaCha8([32]byte{2}), "other")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(o *Options) { o.Keys = append(o.Keys, key) })
	show := func(ways ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			for i := 0; i < len(ways); i += 2 {
				r.Header.Add(ways[i], ways[i+1])
			}
		}
	}
	basic := func(user, key string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+key))
	}
	for name, ways := range map[string][]string{
		"Bearer":            {"Authorization", "Bearer " + b.plain},
		"X-API-Key":         {"X-Api-Key", b.plain},
		"Basic":             {"Authorization", basic("app", b.plain)},
		"the same two ways": {"Authorization", "Bearer " + b.plain, "X-Api-Key", b.plain},
	} {
		if w := b.post("", show(ways...)); w.Code != http.StatusOK {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	for name, ways := range map[string][]string{
		"Bearer and X-API-Key": {"Authorization", "Bearer " + b.plain, "X-Api-Key", other},
		"X-API-Key twice":      {"X-Api-Key", b.plain, "X-Api-Key", b.plain},
		"a good and a bad one": {"Authorization", "Digest x", "X-Api-Key", b.plain},
		"Basic, another user":  {"Authorization", basic("other", b.plain)},
		"Basic, no user":       {"Authorization", basic("", b.plain)},
		"Basic, no base64":     {"Authorization", "Basic " + b.plain},
		"nothing":              {},
	} {
		t.Run(name, func(t *testing.T) { wantProblem(t, b.post("", show(ways...)), Unauthorized, "") })
	}
}

// FuzzTURNREST: no query and no body makes it panic, or opens the door without
// the key, or puts the key into an answer that is no credential.
func FuzzTURNREST(f *testing.F) {
	b := openBed(f)
	for _, seed := range [][3]string{
		{"service=turn&username=alice&key=" + b.plain, form, "api=" + b.plain},
		{"", "application/json", `{"key":"` + b.plain + `","ttl":1e3}`},
		{"key=%", form, ";"}, {"username=%00", "application/json", `{"username":{"username":[]}}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, query, kind, body string) {
		w := b.rest(http.MethodPost, "", kind, body, func(r *http.Request) { r.URL.RawQuery = query })
		sent := query + body
		if w.Code != http.StatusOK && strings.Contains(w.Body.String(), b.plain) {
			t.Fatalf("the key is in %s", w.Body)
		}
		if w.Code == http.StatusOK && !strings.Contains(unescaped(sent), b.plain[len("tk_app_"):]) {
			t.Fatalf("opened by %q", sent)
		}
		if w.Code == http.StatusInternalServerError {
			t.Fatalf("%q: %s", sent, b.log)
		}
	})
}

// unescaped undoes what may hide a key in a form or in JSON.
func unescaped(s string) string {
	var text string
	for len(s) > 0 {
		switch {
		case s[0] == '%' && len(s) > 2:
			if c, err := url.PathUnescape(s[:3]); err == nil {
				text, s = text+c, s[3:]
				continue
			}
		case s[0] == '\\' && len(s) > 5:
			var c string
			if json.Unmarshal([]byte(`"`+s[:6]+`"`), &c) == nil && len(c) == 1 {
				text, s = text+c, s[6:]
				continue
			}
		}
		text, s = text+s[:1], s[1:]
	}
	return text
}

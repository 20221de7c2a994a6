package issuer

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"turnpike/ratelimit"
)

func from(addr string) func(*http.Request) {
	return func(r *http.Request) { r.RemoteAddr = addr }
}

func withHeader(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

// A key is good in its networks alone, whatever a client says of itself.
func TestNetworks(t *testing.T) {
	b := newBed(t, func(o *Options) {
		o.Keys[0].Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	})
	for _, addr := range []string{"198.51.100.7:9", "[::ffff:198.51.100.7]:9", "[2001:db8::7]:9"} {
		if w := b.post("", from(addr)); w.Code != http.StatusOK {
			t.Errorf("%s: %s", addr, w.Body)
		}
	}
	for _, addr := range []string{"198.51.101.7:9", "[2001:db9::7]:9", "127.0.0.1:9", "@", ""} {
		wantProblem(t, b.post("", from(addr), withHeader("X-Forwarded-For", "198.51.100.7")), NetworkNotAllowed, "")
		wantProblem(t, b.post("", from(addr), withHeader("Forwarded", "for=198.51.100.7")), NetworkNotAllowed, "")
	}
}

// A page may use a key that lists its origin, and reads the answer then. Any
// other page is refused, key or not, and may read nothing.
func TestOrigins(t *testing.T) {
	const app, other = "https://app.example.org", "https://other.example.org:8443"
	plain, second, err := NewAPIKey(rand.NewChaCha8([32]byte{3}), "second")
	if err != nil {
		t.Fatal(err)
	}
	second.Origins = []string{other}
	b := newBed(t, func(o *Options) {
		o.Keys = append(o.Keys, second)
		o.Keys[0].Origins = []string{app}
	})
	allowed := func(w *httptest.ResponseRecorder) string { return w.Header().Get("Access-Control-Allow-Origin") }

	w := b.post("", withHeader("Origin", app))
	if w.Code != http.StatusOK || allowed(w) != app || w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := b.post(""); w.Code != http.StatusOK || allowed(w) != "" {
		t.Errorf("a backend: %d %v", w.Code, w.Header())
	}
	for _, origin := range []string{"https://evil.example", "null", "", "*", app + "/", app + ".evil.example", "https://evil.example/" + app,
		"http://app.example.org", "https://APP.example.org", "https://app.example.org:443", "https://app.example.org, https://evil.example"} {
		w := b.post("", withHeader("Origin", origin))
		wantProblem(t, w, OriginNotAllowed, "")
		if allowed(w) != "" {
			t.Errorf("%q may read the answer", origin)
		}
	}
	wantProblem(t, b.post("", withHeader("Origin", app, "https://evil.example")), OriginNotAllowed, "")
	wantProblem(t, b.post("", withHeader("Origin", other)), OriginNotAllowed, "") // the page of another key
	wantProblem(t, b.post("", withHeader("Origin", app), withHeader("Authorization", "Bearer "+plain)), OriginNotAllowed, "")
	// A page may read why its key is refused.
	w = b.post("", withHeader("Origin", app), withHeader("Authorization", "Bearer x"))
	if wantProblem(t, w, Unauthorized, ""); allowed(w) != app {
		t.Errorf("%v", w.Header())
	}
}

func TestPreflight(t *testing.T) {
	const app = "https://app.example.org"
	b := newBed(t, func(o *Options) { o.Keys[0].Origins = []string{app} })
	ask := func(path, origin string, change ...func(*http.Request)) http.Header {
		r := httptest.NewRequest(http.MethodOptions, path, nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		r.Header.Set("Access-Control-Request-Method", "POST")
		for _, f := range change {
			f(r)
		}
		w := b.do(r)
		if w.Code != http.StatusNoContent || w.Body.Len() != 0 || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%s from %q: %d %v %s", path, origin, w.Code, w.Header(), w.Body)
		}
		return w.Header()
	}
	h := ask("/v1/credentials", app)
	for name, want := range map[string]string{
		"Allow": "POST, OPTIONS", "Access-Control-Allow-Origin": app, "Access-Control-Allow-Methods": "POST, OPTIONS",
		"Access-Control-Allow-Headers": corsHeaders, "Access-Control-Max-Age": "600", "Access-Control-Allow-Credentials": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if h := ask("/turn/credentials", app); h.Get("Access-Control-Allow-Methods") != "GET, HEAD, POST, OPTIONS" {
		t.Errorf("%v", h)
	}
	for _, origin := range []string{"", "null", "https://evil.example"} {
		for name := range ask("/v1/credentials", origin) {
			if strings.HasPrefix(name, "Access-Control") {
				t.Errorf("%q is told %s", origin, name)
			}
		}
	}
	r := httptest.NewRequest(http.MethodOptions, "/v1/nothing", nil)
	r.Header.Set("Origin", app)
	wantProblem(t, b.do(r), NotFound, "")
}

// A key that asks too often is told how long to wait, and is served then; what
// it has asked still counts after a reload, and another key is not held up.
func TestRate(t *testing.T) {
	now := start
	plain, second, err := NewAPIKey(rand.NewChaCha8([32]byte{3}), "second")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Keys = append(o.Keys, second)
		o.Keys[0].Rate = ratelimit.Rate{PerSecond: 0.1, Burst: 2}
	})
	expect := func(w *httptest.ResponseRecorder, code int, left, full int, wait string) {
		t.Helper()
		h := w.Header()
		if w.Code != code || h.Get("RateLimit-Policy") != `"key";q=2;w=20` ||
			h.Get("RateLimit") != fmt.Sprintf(`"key";r=%d;t=%d`, left, full) || h.Get("Retry-After") != wait {
			t.Errorf("%d %v, want %d, r=%d;t=%d and %q", w.Code, h, code, left, full, wait)
		}
	}
	expect(b.post(""), 200, 1, 10, "")
	expect(b.post(`{"ttl":0}`), 400, 0, 20, "")
	expect(b.post(""), 429, 0, 20, "10")
	now = now.Add(6500 * time.Millisecond)
	w := b.post("")
	expect(w, 429, 0, 14, "4")
	if p := wantProblem(t, w, TooManyRequests, ""); !strings.Contains(p.Detail, "4 s") {
		t.Errorf("detail %q", p.Detail)
	}
	if err := b.Set(newIssuer(t, nil), b.options.Keys, nil); err != nil {
		t.Fatal(err)
	}
	expect(b.post(""), 429, 0, 14, "4")
	now = now.Add(4 * time.Second)
	expect(b.post(""), 200, 0, 20, "")
	expect(b.rest("GET", "", "", "", withHeader("X-API-Key", b.plain)), 429, 0, 20, "10")
	if w := b.post("", withHeader("Authorization", "Bearer "+plain)); w.Code != 200 || w.Header().Get("RateLimit") != "" {
		t.Errorf("another key: %d %v", w.Code, w.Header())
	}
	b.options.Keys[0].Rate.Burst = 3
	if err := b.Set(newIssuer(t, nil), b.options.Keys, nil); err != nil {
		t.Fatal(err)
	}
	if w := b.post(""); w.Code != 200 {
		t.Errorf("with another rate: %s", w.Body)
	}
}

// One client of a page's key takes nothing from the others: who asks is whom a
// trusted proxy names, and a client can't be another by saying so.
func TestClientRate(t *testing.T) {
	now := start
	b := newBed(t, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Proxies = Proxies{netip.MustParsePrefix("10.0.0.0/8")}
		o.Keys[0].ClientRate = ratelimit.Rate{PerSecond: 0.25, Burst: 1}
	})
	expect := func(want int, change ...func(*http.Request)) {
		t.Helper()
		w := b.post("", change...)
		if w.Code != want || (w.Header().Get("Retry-After") == "4") != (want == 429) || w.Header().Get("RateLimit") != "" {
			t.Errorf("%d %v, want %d", w.Code, w.Header(), want)
		}
	}
	proxy := from("10.0.0.1:5")
	expect(200, from("198.51.100.7:1"))
	expect(429, from("198.51.100.7:2"), withHeader("X-Forwarded-For", "198.51.100.8"))
	expect(429, proxy, withHeader("X-Forwarded-For", "198.51.100.9, 198.51.100.7"))
	expect(200, proxy, withHeader("X-Forwarded-For", "198.51.100.8"))
	expect(200, from("[2001:db8::1]:1"))
	expect(429, from("[2001:db8::2]:1")) // of the same /64
	if err := b.Set(newIssuer(t, nil), b.options.Keys, b.options.Proxies); err != nil {
		t.Fatal(err)
	}
	expect(429, from("198.51.100.7:3"))
	now = now.Add(4 * time.Second)
	expect(200, from("198.51.100.7:4"))
}

// Wrong keys take nothing from those that are right.
func TestWrongKeysTakeNoRate(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Keys[0].Rate = ratelimit.Rate{PerSecond: 1, Burst: 1} })
	for range 10 {
		wantProblem(t, b.post("", withHeader("Authorization", "Bearer "+b.plain[:len(b.plain)-1]+"_")), Unauthorized, "")
	}
	b.mustPost(t, "")
}

// HEAD is answered as GET and makes nothing.
func TestHead(t *testing.T) {
	b := newBed(t)
	w := b.rest(http.MethodHead, "", "", "", withHeader("X-API-Key", b.plain))
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != "application/json" || len(b.records) != 0 {
		t.Errorf("%d %v %s, %d credentials", w.Code, w.Header(), w.Body, len(b.records))
	}
	if w := b.rest(http.MethodHead, "", "", ""); w.Code != http.StatusUnauthorized || w.Body.Len() != 0 {
		t.Errorf("without a key: %d %s", w.Code, w.Body)
	}
	if w := b.post("", func(r *http.Request) { r.Method = http.MethodHead }); w.Code != http.StatusMethodNotAllowed || w.Body.Len() != 0 {
		t.Errorf("where there is no GET: %d %s", w.Code, w.Body)
	}
}

// The id of a request is the app's, if it fits a log line, and else a new one.
func TestRequestID(t *testing.T) {
	b := newBed(t)
	for _, id := range []string{"a", "4bf92f35-77b3.4da6_a3ce", strings.Repeat("x", 64)} {
		if got := b.post("", withHeader("X-Request-Id", id)).Header().Get("X-Request-Id"); got != id {
			t.Errorf("%q became %q", id, got)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", "a\r\nb", "é", `"`, strings.Repeat("x", 65)} {
		got := b.post("", withHeader("X-Request-Id", id)).Header().Get("X-Request-Id")
		if got == id || len(got) < 16 || seen[got] {
			t.Errorf("%q became %q", id, got)
		}
		seen[got] = true
	}
}

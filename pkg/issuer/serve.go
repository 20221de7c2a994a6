package issuer

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
)

// Route is what of the API a request is for.
type Route uint8

const (
	Elsewhere   Route = iota // no path of ours
	Credentials              // /v1/credentials
	TURNREST                 // /turn/credentials
	ICEServers               // /v1/ice-servers
	Credential               // /v1/credentials/{id}
	RevokeUser               // /v1/users/{user}/revoke
	RevokeKey                // /v1/keys/{id}/revoke
	Usage                    // /v1/usage
	OpenAPI                  // /openapi.yaml
	NumRoutes   int   = iota
)

// route is a path and what it answers to. One segment of the path may be a
// variable. What serve returns is the body of a success: see send.
type route struct {
	name     string
	segments []string
	methods  []string
	serve    func(*Server, *call) (any, *refusal)
}

// variable stands for any segment of a path.
const variable = "*"

var routes = [NumRoutes]route{
	Elsewhere:   {name: "elsewhere"},
	Credentials: {"credentials", []string{"v1", "credentials"}, []string{"POST"}, (*Server).serveCredentials},
	TURNREST:    {"turn_rest", []string{"turn", "credentials"}, []string{"GET", "HEAD", "POST"}, (*Server).serveTURNREST},
	ICEServers:  {"ice_servers", []string{"v1", "ice-servers"}, []string{"GET", "HEAD"}, (*Server).serveICEServers},
	Credential:  {"credential", []string{"v1", "credentials", variable}, []string{"DELETE"}, (*Server).serveDelete},
	RevokeUser:  {"revoke_user", []string{"v1", "users", variable, "revoke"}, []string{"POST"}, (*Server).serveRevokeUser},
	RevokeKey:   {"revoke_key", []string{"v1", "keys", variable, "revoke"}, []string{"POST"}, (*Server).serveRevokeKey},
	Usage:       {"usage", []string{"v1", "usage"}, []string{"GET", "HEAD"}, (*Server).serveUsage},
	OpenAPI:     {"openapi", []string{"openapi.yaml"}, []string{"GET", "HEAD"}, (*Server).serveOpenAPI},
}

// String is the route's name in metrics and records.
func (r Route) String() string {
	if int(r) < NumRoutes {
		return routes[r].name
	}
	return "unknown"
}

func (r *route) allow() string {
	return strings.Join(append(r.methods[:len(r.methods):len(r.methods)], "OPTIONS"), ", ")
}

// find compares the path as it was sent, segment by segment: one path has one
// spelling, and a variable may hold an escaped slash.
func find(u *url.URL) (Route, string) {
	path, rooted := strings.CutPrefix(u.EscapedPath(), "/")
	segments := strings.Split(path, "/")
	for i := range routes {
		if !rooted || len(segments) != len(routes[i].segments) {
			continue
		}
		held := ""
		fits := true
		for j, want := range routes[i].segments {
			if want == variable {
				var err error
				held, err = url.PathUnescape(segments[j])
				fits = fits && err == nil && held != ""
			} else {
				fits = fits && segments[j] == want
			}
		}
		if fits {
			return Route(i), held
		}
	}
	return Elsewhere, ""
}

// call is one request under way.
type call struct {
	*http.Request
	w      http.ResponseWriter
	id     string // of the request, in the answer and in records
	route  Route
	held   string     // what the path has for its variable
	client netip.Addr // who asks, behind the proxies that are trusted
	live   *live
}

// serve finds the route. http.ServeMux would answer some paths with a redirect
// or in plain text.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w, id: requestID(r.Header), live: s.live.Load()}
	w.Header().Set("X-Request-Id", c.id)
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("credential request failed", "request", c.id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.refuse(c, internal)
		}
	}()
	c.cors()
	if len(r.TransferEncoding) > 0 {
		// Where a proxy before us measures a chunked body by another rule, the
		// rest of it is a request the proxy never saw. Nothing is read from
		// this connection any more.
		w.Header().Set("Connection", "close")
	}
	body, refused := s.answerTo(c)
	switch {
	case refused != nil:
		s.refuse(c, refused)
	case body == nil && r.Method == http.MethodOptions:
		c.options(&routes[c.route])
	default:
		s.counters.served[c.route].Add(1)
		c.send(body)
	}
}

// answerTo is the body of the answer, or why there is none.
func (s *Server) answerTo(c *call) (any, *refusal) {
	c.route, c.held = find(c.URL)
	if c.URL.Host != "" {
		// An absolute URL beside a Host header: a proxy may have judged either.
		return nil, &refusal{code: BadRequest, detail: "send the path alone in the request line"}
	}
	var err error
	if c.client, err = c.live.proxies.Client(c.Request); err != nil {
		return nil, &refusal{code: InvalidForwarded, detail: err.Error()}
	}
	route := &routes[c.route]
	switch {
	case c.route == Elsewhere:
		return nil, &refusal{code: NotFound, detail: "there is nothing here; credentials are at POST /v1/credentials"}
	case c.Method == http.MethodOptions:
		return nil, nil
	case !slices.Contains(route.methods, c.Method):
		c.w.Header().Set("Allow", route.allow())
		return nil, &refusal{code: MethodNotAllowed, detail: "use " + strings.Join(route.methods, ", ")}
	}
	return route.serve(s, c)
}

// requestID is the id that the app or a proxy gave, if it is one that a log can
// hold, or a new one.
func requestID(h http.Header) string {
	const most = 64
	id := h.Get("X-Request-Id")
	if id != "" && len(id) <= most && strings.Trim(id, letters+"0123456789-_.") == "" {
		return id
	}
	return rand.Text()
}

var internal = &refusal{code: Internal, detail: "the server failed to answer; try again"}

// page is a success that is no JSON value.
type page struct {
	contentType string
	text        []byte
}

// send answers a success: nil is nothing, all else one JSON value or a page.
func (c *call) send(body any) {
	switch body := body.(type) {
	case nil:
		c.w.Header().Set("Cache-Control", "no-store")
		c.w.WriteHeader(http.StatusNoContent)
	case page:
		c.head(http.StatusOK, body.contentType)
		_, _ = c.w.Write(body.text) // net/http leaves it out for HEAD
	default:
		c.write(http.StatusOK, "application/json", body)
	}
}

// write sends one JSON value. There is nobody left to tell if the app has gone.
func (c *call) write(status int, contentType string, body any) {
	c.head(status, contentType)
	if c.Method != http.MethodHead {
		_ = json.NewEncoder(c.w).Encode(body)
	}
}

func (c *call) head(status int, contentType string) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	c.w.WriteHeader(status)
}

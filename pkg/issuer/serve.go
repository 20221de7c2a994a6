package issuer

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
)

// route is what a path answers to. What serve returns is the body of a success.
type route struct {
	methods []string
	serve   func(*Server, http.ResponseWriter, *http.Request) (any, *refusal)
}

var routes = map[string]route{
	"/v1/credentials":   {[]string{http.MethodPost}, (*Server).serveCredentials},
	"/turn/credentials": {[]string{http.MethodGet, http.MethodPost}, (*Server).serveTURNREST},
}

// serve finds the route. http.ServeMux would answer some paths with a redirect
// or in plain text.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("credential request failed", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			s.refuse(w, internal)
		}
	}()
	if len(r.TransferEncoding) > 0 {
		// Where a proxy before us measures a chunked body by another rule, the
		// rest of it is a request the proxy never saw. Nothing is read from
		// this connection any more.
		w.Header().Set("Connection", "close")
	}
	route, ok := routes[r.URL.Path]
	if !ok {
		s.refuse(w, &refusal{code: NotFound, detail: "there is nothing here; credentials are at POST /v1/credentials"})
		return
	}
	if !slices.Contains(route.methods, r.Method) {
		allow := strings.Join(route.methods, ", ")
		w.Header().Set("Allow", allow)
		s.refuse(w, &refusal{code: MethodNotAllowed, detail: "use " + allow})
		return
	}
	body, refused := route.serve(s, w, r)
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	write(w, http.StatusOK, "application/json", body)
}

var internal = &refusal{code: Internal, detail: "the server failed to make a credential; try again"}

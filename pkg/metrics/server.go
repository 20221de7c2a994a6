package metrics

import (
	"log/slog"
	"net/http"
	"time"
)

// HTTPServer bounds what a connection to h may cost: 5 s for the headers, 10 s
// for the request, 10 s for the answer, 10 s idle, 8 KB of headers. These are
// the issuer's limits; the two share no code because a package of this floor
// imports none of ours. Addr is left to the caller. What net/http has to say
// of a connection (a failed TLS handshake, a panic) goes to log as a warning: this
// is the operator's own listener, not the public's.
func HTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// readOnly lets GET and HEAD through and answers 405 to every other method.
func readOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"turnpike/auth"
)

// maxRevocation is the most that one revocation takes in a request.
const maxRevocation = 4096

// revocationsHandler lists (GET), adds (POST) and lifts (DELETE) revocations for
// who asks from this host, with a header that a web page can't make a browser send.
func revocationsHandler(p *parts) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		methods := []string{http.MethodGet, http.MethodPost, http.MethodDelete}
		switch {
		case !slices.Contains(methods, r.Method):
			w.Header().Set("Allow", "GET, POST, DELETE")
			http.Error(w, "use GET, POST or DELETE", http.StatusMethodNotAllowed)
		case !fromThisHost(r) || r.Header.Get("Turnpike") == "":
			http.Error(w, "only from this host, by `turnpike revoke`", http.StatusForbidden)
		case r.Method == http.MethodGet:
			w.Header().Set("Content-Type", "application/jsonl")
			_ = p.revoked.set.Save(w, time.Now()) // who asked has gone
		default:
			p.changeRevocations(w, r)
		}
	})
}

func (p *parts) changeRevocations(w http.ResponseWriter, r *http.Request) {
	var x auth.Revocation
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRevocation))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		http.Error(w, "no revocation: "+err.Error(), http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodDelete {
		found, err := p.lift(x)
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		case !found:
			http.Error(w, "it is not revoked", http.StatusNotFound)
		}
		return
	}
	done, err := p.revoke(x)
	switch {
	case errors.Is(err, auth.ErrRevocation):
		http.Error(w, err.Error(), http.StatusBadRequest)
	case errors.Is(err, auth.ErrTooManyRevocations):
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(done)
	}
}

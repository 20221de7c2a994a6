package metrics

import (
	"encoding/json"
	"net/http"
)

// health is the body of both probes. Reasons is never null.
type health struct {
	Status  string   `json:"status"`
	Reasons []string `json:"reasons"`
}

// Health serves two probes to GET and HEAD. /livez answers 200 as long as the
// process can answer at all: a supervisor restarts on it, so no dependency may
// fail it. /readyz answers 200 when ready returns nothing, and otherwise 503
// with the reasons: a load balancer sends no new client while it fails. ready
// is called for every probe, by several goroutines at once; it must not block,
// and its words are for everyone who can reach the handler.
func Health(ready func() []string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, http.StatusOK, health{"live", []string{}})
	})
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := ready(); len(reasons) > 0 {
			writeHealth(w, http.StatusServiceUnavailable, health{"not ready", reasons})
			return
		}
		writeHealth(w, http.StatusOK, health{"ready", []string{}})
	})
	return readOnly(mux)
}

func writeHealth(w http.ResponseWriter, status int, h health) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(h) // the prober has gone: nobody left to tell
}

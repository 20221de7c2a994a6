package metrics

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	drained := []string{"draining", "listener udp 192.0.2.1:3478 lost"}
	tests := []struct {
		name, method, path string
		reasons            []string
		status             int
		body               string
	}{
		{"live", "GET", "/livez", nil, 200, `{"status":"live","reasons":[]}`},
		{"live though not ready", "GET", "/livez", drained, 200, `{"status":"live","reasons":[]}`},
		{"ready", "GET", "/readyz", nil, 200, `{"status":"ready","reasons":[]}`},
		{"empty reasons are ready", "GET", "/readyz", []string{}, 200, `{"status":"ready","reasons":[]}`},
		{"not ready", "GET", "/readyz", drained, 503,
			`{"status":"not ready","reasons":["draining","listener udp 192.0.2.1:3478 lost"]}`},
		{"head", "HEAD", "/readyz", drained, 503, ""},
		{"post", "POST", "/livez", nil, 405, "Method Not Allowed"},
		{"other path", "GET", "/", nil, 404, "404 page not found"},
		{"below", "GET", "/readyz/x", nil, 404, "404 page not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(Health(func() []string { return tt.reasons }))
			defer srv.Close()
			req, err := http.NewRequest(tt.method, srv.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || strings.TrimSpace(string(body)) != tt.body {
				t.Errorf("%d %s, want %d %s", resp.StatusCode, body, tt.status, tt.body)
			}
			if strings.HasPrefix(tt.body, "{") &&
				(resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Cache-Control") != "no-store") {
				t.Errorf("headers %v", resp.Header)
			}
		})
	}
}

func TestReadinessIsAskedEachTime(t *testing.T) {
	var reasons []string
	h := Health(func() []string { return reasons })
	probe := func() int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		return w.Code
	}
	before := probe()
	reasons = []string{"draining"}
	if after := probe(); before != 200 || after != 503 {
		t.Errorf("before %d, after %d, want 200 and 503", before, after)
	}
}

func TestHTTPServerIsBounded(t *testing.T) {
	s := HTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, got := range map[string][2]time.Duration{
		"ReadHeaderTimeout": {s.ReadHeaderTimeout, 5 * time.Second},
		"ReadTimeout":       {s.ReadTimeout, 10 * time.Second},
		"WriteTimeout":      {s.WriteTimeout, 10 * time.Second},
		"IdleTimeout":       {s.IdleTimeout, 10 * time.Second},
	} {
		if got[0] != got[1] {
			t.Errorf("%s = %v, want %v", name, got[0], got[1])
		}
	}
	if s.MaxHeaderBytes != 8<<10 {
		t.Errorf("MaxHeaderBytes = %d", s.MaxHeaderBytes)
	}
}

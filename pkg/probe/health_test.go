package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"turnpike/pkg/metrics"
)

func TestHealth(t *testing.T) {
	var reasons []string
	inner := metrics.Health(func() []string { return reasons })
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			t.Error("the connection is to be kept, though nobody asks a second time")
		}
		inner.ServeHTTP(w, r)
	})
	over := httptest.NewServer(handler)
	defer over.Close()
	path := filepath.Join(t.TempDir(), "operator.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	unix.Start()
	defer unix.Close()
	port := over.Listener.Addr().(*net.TCPAddr).Port
	for _, endpoint := range []string{over.URL, strings.TrimPrefix(over.URL, "http://"), fmt.Sprintf("http://0.0.0.0:%d", port), "unix:" + path} {
		for _, tt := range []struct {
			path    string
			reasons []string
			want    string
		}{
			{"/readyz", nil, ""},
			{"/livez", nil, ""},
			{"/readyz", []string{"draining", "listener lost"}, "probe: " + endpoint + ": not ready: draining; listener lost"},
			{"/livez", []string{"draining"}, ""},
			{"/metrics", nil, "probe: " + endpoint + ": what answers (404 Not Found) is not the operator listener of turnpike"},
		} {
			reasons = tt.reasons
			err := Health(t.Context(), endpoint, tt.path)
			if err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
				t.Errorf("%s%s, %q: %v, want %q", endpoint, tt.path, tt.reasons, err, tt.want)
			}
		}
	}
}

func TestHealthOfSomebodyElse(t *testing.T) {
	const ready = `{"status":"ready","reasons":[]}`
	for name, serve := range map[string]http.HandlerFunc{
		"200 without a word": func(w http.ResponseWriter, _ *http.Request) {},
		"200 in HTML":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>welcome") },
		"200, other JSON":    func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"ok"}`) },
		"500, right words":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); fmt.Fprint(w, ready) },
		"503, right words":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); fmt.Fprint(w, ready) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			}
			fmt.Fprint(w, ready)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat(" ", maxAnswer), ready)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(serve)
			defer server.Close()
			err := Health(t.Context(), server.URL, "/readyz")
			if err == nil || !strings.Contains(err.Error(), "is not the operator listener of turnpike") {
				t.Error(err)
			}
		})
	}
}

func TestHealthRefusesEndpoints(t *testing.T) {
	for _, endpoint := range []string{"", "unix:", "localhost:3481", "https://127.0.0.1:3481", "http://127.0.0.1", "http://127.0.0.1:0", "http://127.0.0.1:3481/x"} {
		if err := Health(t.Context(), endpoint, "/readyz"); err == nil || !strings.Contains(err.Error(), "want http://IP:PORT or unix:PATH") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	for given, want := range map[string]string{"[::]:81": "[::1]:81", "0.0.0.0:81": "127.0.0.1:81", "192.0.2.1:81": "192.0.2.1:81"} {
		if _, address, err := parseEndpoint(given); err != nil || address != want {
			t.Errorf("%s: %s, %v, want %s", given, address, err, want)
		}
	}
}

func TestHealthEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer server.Close()
	if err := Health(ctx, server.URL, "/readyz"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	server.Close()
	if err := Health(t.Context(), server.URL, "/readyz"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody there: %v", err)
	}
}

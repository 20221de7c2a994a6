package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"turnpike/pkg/issuer"
)

// A client that may not come is closed before a byte of it is read, and so is a
// connection that it has from before; others are served.
func TestAdmission(t *testing.T) {
	who := new(admission)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: who.handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served") }))}
	done := make(chan error)
	go func() { done <- srv.Serve(newCapped(inner, 8, who)) }()
	defer func() { srv.Close(); <-done }()
	kept := &http.Client{Transport: &http.Transport{}}
	get := func(c *http.Client) string {
		resp, err := c.Get("http://" + inner.Addr().String())
		if err != nil {
			return "closed"
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return string(body)
	}
	defer kept.CloseIdleConnections()
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	expect := func(what, want string) {
		t.Helper()
		if got := get(kept); got != want {
			t.Errorf("%s, a connection from before: %s", what, got)
		}
		if got := get(fresh); got != want {
			t.Errorf("%s, a new connection: %s", what, got)
		}
	}
	expect("with no list", "served")
	who.set(func(a netip.Addr) bool { return a != netip.MustParseAddr("127.0.0.1") })
	expect("denied", "closed")
	if n := who.refused.Load(); n < 2 {
		t.Errorf("%d refusals counted", n)
	}
	who.set(nil)
	expect("admitted again", "served")
}

// Behind a trusted proxy each request is judged by who asks; the word of anybody
// else changes nothing.
func TestAdmissionBehindAProxy(t *testing.T) {
	who := new(admission)
	who.set(func(a netip.Addr) bool { return a == netip.MustParseAddr("198.51.100.7") })
	served := who.handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func(remote, forwarded string) (dropped bool) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = remote
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		defer func() { dropped = recover() == http.ErrAbortHandler }()
		served.ServeHTTP(httptest.NewRecorder(), r)
		return false
	}
	proxy := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5}
	if !ask(proxy.String(), "198.51.100.7") || who.admits(proxy) {
		t.Error("the word of a stranger was taken")
	}
	who.trust(issuer.Proxies{netip.MustParsePrefix("10.0.0.0/8")})
	if !who.admits(proxy) {
		t.Error("the proxy may not connect")
	}
	if ask(proxy.String(), "203.0.113.9, 198.51.100.7") {
		t.Error("who may come was dropped")
	}
	if !ask(proxy.String(), "198.51.100.7, 203.0.113.9") {
		t.Error("a forged address was taken")
	}
	if !ask(proxy.String(), "") {
		t.Error("the proxy itself is not on the list")
	}
	if ask("@", "203.0.113.9") {
		t.Error("a unix socket is judged by its file")
	}
}

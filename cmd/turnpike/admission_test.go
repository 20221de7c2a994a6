package main

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
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

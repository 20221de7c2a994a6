package main

import (
	"net/netip"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"
)

// redirected asks for a relay: the client has to be sent to the servers, in that
// order, under its own key, and told the domain if it came over TLS.
func scriptRedirected(ts *testscript.TestScript, neg bool, args []string) {
	scriptArgs(ts, !neg && len(args) >= 3, "redirected CLIENT DOMAIN SERVER...")
	domain := args[1]
	if domain == "-" {
		domain = ""
	}
	var want []netip.AddrPort
	for _, server := range args[2:] {
		want = append(want, netip.MustParseAddrPort(server))
	}
	r, err := scriptBedOf(ts).clients[args[0]].Allocate()
	ts.Check(err)
	if r.Code != 300 || !r.Signed || r.Domain != domain || !slices.Equal(r.Alternates, want) {
		ts.Fatalf("Allocate: %s, signed: %t, sent to %v as %q", r, r.Signed, r.Alternates, r.Domain)
	}
}

// Package acme gets certificates from an authority by itself (RFC 8555), keeps
// them, and renews them in time, for every TLS listener of the server alike.
//
//	New --> folder: what is kept and still good is served at once
//	Run --> order --> authority --> challenge at our own listener --> folder
//	          ^------------- a third of its lifetime before the end ----'
//
// Each host has a certificate and a key of its own. Both are new at every
// renewal.
//
// # A handshake asks nobody
//
// Certificates are ordered for the configured hosts, at the start and when they
// are due, and for nothing else: what a client names chooses among those that
// are there. So no client can have the authority asked for anything, use up its
// rate limits, or wait for it. A name that is not ours is counted; such a
// client gets the first host's certificate, as one that names none does, which
// most TURN clients are that connect to an address.
//
// # The challenge
//
// The authority proves that the host is ours by a handshake with the one
// protocol acme-tls/1 (TLS-ALPN-01, RFC 8737) on port 443. [Manager.Answer]
// answers it on any TLS listener, only while an order is under way, with a
// configuration of its own: what all others negotiate does not change, and a
// client that offers more than that protocol never gets it.
//
// # Why not autocert.Manager
//
// golang.org/x/crypto has the client and the folder, which are used here: what
// autocert has kept is read. Its Manager is made for web servers. It orders in
// the client's handshake, for minutes, and of these a TURN listener has few; it
// orders a second certificate, with an RSA key, for whoever speaks TLS 1.3
// alone; it refuses clients that name no host; it tells nobody that a renewal
// failed; and its timers can't be stopped.
//
// # Failures
//
// A failed order is tried again after 2 minutes, and after twice the time up to
// an hour, or as long as the authority says, so that its limits (five failed
// validations an hour at Let's Encrypt) are never reached. The certificate
// before is served meanwhile. [Manager.Again] does not wait.
package acme

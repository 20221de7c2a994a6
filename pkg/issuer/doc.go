// Package issuer is the HTTP door through which the backend of an app gets
// TURN credentials for its users.
//
//	POST /v1/credentials
//	Authorization: Bearer tk_<id>_<secret>
//	Content-Type: application/json
//
//	{"user":"alice","ttl":3600,"role":"default"}
//
// Every field is optional, and so is the body. The answer is a superset that
// the clients of the TURN REST API understand (Janus, Selkies and others) and
// that is an RTCPeerConnection configuration as it stands:
//
//	{"id":..., "username":..., "password":..., "credential":..., "ttl":3600,
//	 "expires_at":..., "uris":[...], "iceServers":[...], "iceTransportPolicy":"all"}
//
// Minting keeps no state: a repeated request gives another credential and
// undoes nothing, so there is no idempotency key.
//
// # Who may mint
//
// Nobody without an API key. A key stands in one Authorization header and
// nowhere else: not in the URL, which logs keep, and in no cookie, which
// browsers send unasked. There is no CORS: a key in a page is no secret. Of a
// key the server holds the SHA-256. Missing, malformed, unknown and wrong keys
// get the same answer.
//
// # What is refused
//
// Every refusal is RFC 9457 problem+json, with a stable [Code] for the program
// and a detail for its developer; a browser's or proxy's idea of the request
// that could differ from ours is refused rather than read generously (two
// Authorization headers, equal names in an object, a query string). Refusals
// are counted by code and never logged; [Options].Log hears of our own faults
// alone.
//
// [Server.HTTPServer] bounds what a connection may cost. How often a key may
// mint is not decided here.
package issuer

// Package issuer is the HTTP door through which the backend of an app gets
// TURN credentials for its users.
//
//	POST /v1/credentials
//	Authorization: Bearer tk_<id>_<secret>
//	Content-Type: application/json
//
//	{"user":"alice","ttl":3600,"role":"default","transports":["udp","tls"],
//	 "label":"room 7","consent_ref":"c-481"}
//
// Every field is optional, and so is the body. The answer is a superset that
// the clients of the TURN REST API understand (Janus, Selkies and others) and
// that is an RTCPeerConnection configuration as it stands:
//
//	{"id":..., "username":..., "password":..., "credential":..., "ttl":3600,
//	 "expires_at":..., "uris":[...], "iceServers":[...], "iceTransportPolicy":"all"}
//
// Where several nodes make a fleet ([Options].Nodes) the client is sent to two of
// them, none that drains, the less loaded more often; with a "room" in the request
// to one, the same for whoever names that room.
//
// label and consent_ref go into the record of the credential ([Issued]) and
// nowhere else.
//
// GET and POST /turn/credentials is the same door for applications that speak
// the TURN REST API already (draft-uberti-behave-turn-rest-00): service,
// username, ttl and key (or api, apiKey) in the query, a form or JSON.
//
// GET /v1/ice-servers is an RTCConfiguration and nothing else. With a key that
// says so ([APIKey].MayRevoke) DELETE /v1/credentials/{id}, POST
// /v1/users/{user}/revoke and POST /v1/keys/{id}/revoke take back what was given,
// of the key's own tenant, and with [APIKey].MayReadUsage GET /v1/usage tells what
// the tenant or a user of it has used of a month. GET /openapi.yaml says all of it
// in OpenAPI 3.1; the tests hold every answer against it.
//
// Minting keeps no state: a repeated request gives another credential and
// undoes nothing, so there is no idempotency key.
//
// # Who may mint
//
// Nobody without an API key. It stands in Authorization (Bearer, or Basic with
// the id of the key for a user) or in X-API-Key, and in no cookie, which browsers
// send unasked. In a URL, which logs keep, it stands on /turn/credentials alone,
// and only a key that says so ([APIKey].AllowQueryKey). Shown in several ways it
// is the same key, or refused. Of a key the server holds the SHA-256. Missing,
// malformed, unknown and wrong keys get the same answer.
//
// A key may be bound to networks, to pages (CORS: a key in a page is no secret, so
// a request with an Origin that the key does not list is refused) and to a rate.
// Behind a proxy that is trusted the network is that of who asks: see
// [Proxies.Client].
//
// # What is refused
//
// Every refusal is RFC 9457 problem+json, with a stable [Code] for the program
// and a detail for its developer; a browser's or proxy's idea of the request
// that could differ from ours is refused rather than read generously (two
// Authorization headers, equal names in an object, a query string where there
// should be none). Refusals
// are counted by code and never logged; [Options].Log hears of our own faults
// alone.
//
// [Server.HTTPServer] bounds what a connection may cost.
package issuer

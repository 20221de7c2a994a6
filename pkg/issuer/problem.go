package issuer

import "net/http"

// Code says why a request was refused. The set is closed and its names are
// part of the API: apps may switch on them.
type Code uint8

const (
	Unauthorized         Code = iota // no API key, or not one of ours
	NetworkNotAllowed                // the key is not for where the request comes from
	OriginNotAllowed                 // the key is not for the page that asks
	TooManyRequests                  // the key has asked too often
	BadRequest                       // a request line that proxies may read otherwise
	InvalidForwarded                 // a trusted proxy does not say who asks
	NotFound                         // no such path
	MethodNotAllowed                 // the path has other methods
	QueryNotAllowed                  // parameters in the URL, where logs keep them
	UnsupportedMediaType             // a body that is not declared as what the route takes
	BodyTooLarge                     // more than 4 KB
	BodyUnreadable                   // the body broke off
	RequestTimeout                   // the body did not arrive in time
	InvalidJSON                      // not one JSON object in UTF-8
	InvalidForm                      // a query or a form that can't be read
	UnknownField                     // a field the route does not have
	DuplicateField                   // a field twice: parsers differ on which one counts
	InvalidUser                      // user of a wrong type or against the rules for user names
	InvalidTTL                       // ttl of a wrong type or out of range
	InvalidRole                      // role of a wrong type or not the key's to give
	InvalidTransports                // transports of a wrong type, or none that there is
	InvalidLabel                     // label of a wrong type or too long
	InvalidConsentRef                // consent_ref of a wrong type or too long
	InvalidRoom                      // room of a wrong type or too long
	InvalidService                   // a service other than turn
	InvalidFormat                    // a format other than array
	InvalidID                        // the path names no credential that could be
	InvalidRevocation                // what can't be revoked so
	InvalidMonth                     // a month that is none
	NoSuchKey                        // the path names no shared secret or static user of the tenant
	RevocationNotAllowed             // the API key may not revoke
	UsageNotAllowed                  // the API key may not read usage
	RevocationsFull                  // no more revocations are held
	NoNode                           // every node of the fleet is draining or gone
	Unavailable                      // a part of ours did not answer in time
	Internal                         // our fault
	NumCodes             int  = iota
)

var codes = [NumCodes]struct {
	name   string
	status int
}{
	Unauthorized:         {"unauthorized", http.StatusUnauthorized},
	NetworkNotAllowed:    {"network_not_allowed", http.StatusForbidden},
	OriginNotAllowed:     {"origin_not_allowed", http.StatusForbidden},
	TooManyRequests:      {"too_many_requests", http.StatusTooManyRequests},
	BadRequest:           {"bad_request", http.StatusBadRequest},
	InvalidForwarded:     {"invalid_forwarded", http.StatusBadRequest},
	NotFound:             {"not_found", http.StatusNotFound},
	MethodNotAllowed:     {"method_not_allowed", http.StatusMethodNotAllowed},
	QueryNotAllowed:      {"query_not_allowed", http.StatusBadRequest},
	UnsupportedMediaType: {"unsupported_media_type", http.StatusUnsupportedMediaType},
	BodyTooLarge:         {"body_too_large", http.StatusRequestEntityTooLarge},
	BodyUnreadable:       {"body_unreadable", http.StatusBadRequest},
	RequestTimeout:       {"request_timeout", http.StatusRequestTimeout},
	InvalidJSON:          {"invalid_json", http.StatusBadRequest},
	InvalidForm:          {"invalid_form", http.StatusBadRequest},
	UnknownField:         {"unknown_field", http.StatusBadRequest},
	DuplicateField:       {"duplicate_field", http.StatusBadRequest},
	InvalidUser:          {"invalid_user", http.StatusBadRequest},
	InvalidTTL:           {"invalid_ttl", http.StatusBadRequest},
	InvalidRole:          {"invalid_role", http.StatusBadRequest},
	InvalidTransports:    {"invalid_transports", http.StatusBadRequest},
	InvalidLabel:         {"invalid_label", http.StatusBadRequest},
	InvalidConsentRef:    {"invalid_consent_ref", http.StatusBadRequest},
	InvalidRoom:          {"invalid_room", http.StatusBadRequest},
	InvalidService:       {"invalid_service", http.StatusBadRequest},
	InvalidFormat:        {"invalid_format", http.StatusBadRequest},
	InvalidID:            {"invalid_id", http.StatusBadRequest},
	InvalidRevocation:    {"invalid_revocation", http.StatusBadRequest},
	InvalidMonth:         {"invalid_month", http.StatusBadRequest},
	NoSuchKey:            {"no_such_key", http.StatusNotFound},
	RevocationNotAllowed: {"revocation_not_allowed", http.StatusForbidden},
	UsageNotAllowed:      {"usage_not_allowed", http.StatusForbidden},
	RevocationsFull:      {"revocations_full", http.StatusInsufficientStorage},
	NoNode:               {"no_node", http.StatusServiceUnavailable},
	Unavailable:          {"unavailable", http.StatusServiceUnavailable},
	Internal:             {"internal", http.StatusInternalServerError},
}

// String is the code's name in answers and metrics.
func (c Code) String() string {
	if int(c) < NumCodes {
		return codes[c].name
	}
	return "unknown"
}

// refusal is why a request is not granted, in words for the developer of the
// app. field is the field or parameter at fault, or empty.
type refusal struct {
	code          Code
	field, detail string
}

// problem is the body of every answer but success (RFC 9457). The type is
// about:blank, so title is the status's own and code tells problems apart.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	// RequestID finds the request in the logs of those it went through.
	RequestID string `json:"request_id"`
}

// refuse counts and answers a refusal.
func (s *Server) refuse(c *call, r *refusal) {
	s.counters.refused[c.route][r.code].Add(1)
	code := codes[r.code]
	switch r.code {
	case Unauthorized:
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="turnpike"`)
	case NoNode:
		c.w.Header().Set("Retry-After", "3") // nodes announce themselves so often
	}
	c.write(code.status, "application/problem+json", problem{
		Type:      "about:blank",
		Title:     http.StatusText(code.status),
		Status:    code.status,
		Detail:    r.detail,
		Code:      code.name,
		Field:     r.field,
		RequestID: c.id,
	})
}

package issuer

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"turnpike/auth"
)

// keyParameters are the names under which clients of the TURN REST API send
// their key; some send several, with the same value.
var keyParameters = []string{"key", "api", "apiKey"}

// parameters are those of one request, each by its name. Names that mean
// nothing here are left out: clients send what their other servers know.
type parameters map[string]string

func isParameter(name string) bool {
	return slices.Contains(keyParameters, name) || slices.Contains([]string{"service", "username", "ttl", "room"}, name)
}

// set takes a parameter. Janus sends each in the query and again in the body:
// the same again is nothing new, but two values are an ambiguous request. An
// empty one is none.
func (p parameters) set(name, value string) *refusal {
	if !isParameter(name) || value == "" {
		return nil
	}
	if old, there := p[name]; there && old != value {
		return &refusal{code: DuplicateField, field: name, detail: name + " is there twice, with two values"}
	}
	p[name] = value
	return nil
}

// serveTURNREST answers GET and POST /turn/credentials as
// draft-uberti-behave-turn-rest-00 §2 has it, with the conventions that grew
// around it: a key under three names (the draft's, and those of Janus and
// others), a form or JSON for a body, Selkies' headers. The answer is the one of
// POST /v1/credentials, of which the draft's is a part.
func (s *Server) serveTURNREST(c *call) (any, *refusal) {
	p, refused := readParameters(c.w, c.Request)
	if refused != nil {
		return nil, refused
	}
	var keys []string
	for _, name := range keyParameters {
		if key := p[name]; key != "" {
			keys = append(keys, key)
		}
	}
	key, refused := s.admit(c, keys)
	if refused != nil {
		return nil, refused
	}
	a, refused := p.ask(c.Header)
	if refused != nil {
		return nil, refused
	}
	answer, refused := asBody(s.mint(c, key, a))
	if refused != nil && refused.field == "user" {
		refused.field = "username"
	}
	return answer, refused
}

// readParameters reads the query and, of a POST, the body: a form, or JSON.
func readParameters(w http.ResponseWriter, r *http.Request) (parameters, *refusal) {
	p := make(parameters)
	if refused := p.addForm(r.URL.RawQuery); refused != nil || r.Method != http.MethodPost {
		return p, refused
	}
	body, refused := readBody(w, r)
	if refused != nil || len(body) == 0 {
		return p, refused
	}
	switch mediaType(r.Header) {
	case "application/x-www-form-urlencoded":
		return p, p.addForm(string(body))
	case "application/json":
		return p, readObject(body, p.addJSON)
	}
	return nil, &refusal{code: UnsupportedMediaType,
		detail: "send the body with Content-Type: application/x-www-form-urlencoded or application/json"}
}

// notForm has other words than net/url, whose repeat the text: it may hold a key.
var notForm = &refusal{code: InvalidForm, detail: "the query or the form is not well-formed: a stray % or a semicolon"}

func (p parameters) addForm(text string) *refusal {
	form, err := url.ParseQuery(text)
	if err != nil {
		return notForm
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			if refused := p.set(name, value); refused != nil {
				return refused
			}
		}
	}
	return nil
}

// addJSON takes texts and numbers.
func (p parameters) addJSON(name string, dec *json.Decoder) *refusal {
	var value any
	if err := dec.Decode(&value); err != nil {
		return notJSON
	}
	switch value := value.(type) {
	case string:
		return p.set(name, value)
	case json.Number:
		return p.set(name, value.String())
	}
	if isParameter(name) {
		return &refusal{code: InvalidJSON, field: name, detail: name + " must be a string"}
	}
	return nil
}

// ask is what the parameters ask for.
func (p parameters) ask(h http.Header) (a ask, _ *refusal) {
	if service := p["service"]; service != "" && service != "turn" {
		return a, &refusal{code: InvalidService, field: "service", detail: "the service is turn"}
	}
	user := p["username"]
	if user == "" {
		user = h.Get("X-Auth-User") // Selkies
	}
	if user != "" {
		a.user = &user
	}
	if ttl := p["ttl"]; ttl != "" { // the draft has no such parameter
		if refused := a.parseTTL(ttl); refused != nil {
			return a, refused
		}
	}
	if room := p["room"]; room != "" { // nor this one
		if refused := note(&a.room, InvalidRoom, "room", json.Token(room)); refused != nil {
			return a, refused
		}
	}
	a.transports = selkiesTransport(h)
	return a, nil
}

// selkiesTransport is the one that Selkies' headers ask for; without them any.
// There is no TURN over DTLS here: TLS is over TCP.
func selkiesTransport(h http.Header) auth.Transports {
	switch protocol := h.Get("X-Turn-Protocol"); {
	case h.Get("X-Turn-Tls") == "true":
		return auth.TLS
	case protocol == "udp":
		return auth.UDP
	case protocol == "tcp":
		return auth.TCP
	}
	return 0
}

package issuer

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// serveICEServers answers GET /v1/ice-servers: an RTCConfiguration and nothing
// else, or with format=array its iceServers alone, for whom that is all they
// take. The key stands in a header: parameters are logged.
func (s *Server) serveICEServers(c *call) (any, *refusal) {
	key, refused := s.admit(c, nil)
	if refused != nil {
		return nil, refused
	}
	form, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, notForm
	}
	format := form.Get("format")
	if form.Has("format") && format != "array" {
		return nil, &refusal{code: InvalidFormat, field: "format", detail: "the format is array; leave it out for an RTCConfiguration"}
	}
	var a ask
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if refused := a.parameter(name, form[name]); refused != nil {
			return nil, refused
		}
	}
	full, refused := s.mint(c, key, a)
	switch {
	case refused != nil:
		return nil, refused
	case format == "array":
		return full.ICEServers, nil
	}
	return struct {
		ICEServers         []iceServer `json:"iceServers"`
		ICETransportPolicy string      `json:"iceTransportPolicy"`
	}{full.ICEServers, full.ICETransportPolicy}, nil
}

// parameter reads one parameter by the rules of the field of the same name.
func (a *ask) parameter(name string, values []string) *refusal {
	value := values[0]
	if len(values) > 1 {
		return &refusal{code: DuplicateField, field: name, detail: name + " is there twice"}
	}
	switch name {
	case "format":
		return nil
	case "ttl":
		return a.parseTTL(value)
	case "transports":
		for one := range strings.SplitSeq(value, ",") {
			if refused := a.addTransport(one); refused != nil {
				return refused
			}
		}
		return nil
	}
	return a.text(name, json.Token(value))
}

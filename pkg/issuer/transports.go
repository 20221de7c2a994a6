package issuer

import (
	"encoding/json"
	"strings"
)

// transports is a set of ways from a client to the server.
type transports uint8

const (
	overUDP transports = 1 << iota
	overTCP
	overTLS
)

var transportNames = []struct {
	name string
	bit  transports
}{{"udp", overUDP}, {"tcp", overTCP}, {"tls", overTLS}}

func (t transports) String() string {
	var names []string
	for _, n := range transportNames {
		if t&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

func parseTransport(name string) (transports, bool) {
	for _, n := range transportNames {
		if n.name == name {
			return n.bit, true
		}
	}
	return 0, false
}

// transportOf is the way of a URI that checkTURN has let pass.
func transportOf(uri string) transports {
	switch {
	case strings.HasPrefix(uri, "turns:"):
		return overTLS
	case strings.HasSuffix(uri, "=tcp"):
		return overTCP
	}
	return overUDP
}

// offered are the ways that there are.
func (s *Server) offered() (over transports) {
	for _, uri := range s.uris {
		over |= transportOf(uri)
	}
	return over
}

var notTransports = &refusal{code: InvalidTransports, field: "transports",
	detail: `transports must be a list of one or more of "udp", "tcp" and "tls", each once; leave it out for all`}

func (a *ask) setTransports(dec *json.Decoder) *refusal {
	if a.transports != 0 {
		return &refusal{code: DuplicateField, field: "transports", detail: "transports is there twice"}
	}
	var list []any
	if err := dec.Decode(&list); err != nil {
		return notTransports // of another type: the body is known to be JSON
	}
	for _, one := range list {
		name, _ := one.(string)
		if r := a.addTransport(name); r != nil {
			return r
		}
	}
	if a.transports == 0 {
		return notTransports
	}
	return nil
}

func (a *ask) addTransport(name string) *refusal {
	bit, ok := parseTransport(name)
	if !ok || a.transports&bit != 0 {
		return notTransports
	}
	a.transports |= bit
	return nil
}

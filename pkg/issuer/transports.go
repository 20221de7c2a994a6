package issuer

import (
	"encoding/json"
	"strings"

	"turnpike/auth"
)

var transportNames = []struct {
	name string
	bit  auth.Transports
}{{"udp", auth.UDP}, {"tcp", auth.TCP}, {"tls", auth.TLS}}

func names(t auth.Transports) string {
	var all []string
	for _, n := range transportNames {
		if t.Have(n.bit) {
			all = append(all, n.name)
		}
	}
	return strings.Join(all, ", ")
}

// TransportOf is the way of a TURN URI, which has to be one that New takes.
func TransportOf(uri string) auth.Transports {
	switch {
	case strings.HasPrefix(uri, "turns:"):
		return auth.TLS
	case strings.HasSuffix(uri, "=tcp"):
		return auth.TCP
	}
	return auth.UDP
}

var notTransports = &refusal{code: InvalidTransports, field: "transports",
	detail: "transports are one or more of udp, tcp and tls, each once (a list in JSON, with commas between them in a query); leave it out for all"}

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
	for _, n := range transportNames {
		if n.name == name && a.transports&n.bit == 0 {
			a.transports |= n.bit
			return nil
		}
	}
	return notTransports
}

// allowed are the ways that the client may be told of: those asked for, which have
// to be the role's. None: all.
func allowed(asked auth.Transports, role *auth.Role) (auth.Transports, *refusal) {
	if role.Transports != 0 && asked&^role.Transports != 0 {
		return 0, &refusal{code: InvalidTransports, field: "transports", detail: "the role " + role.Name + " is for " + names(role.Transports)}
	}
	if asked == 0 {
		asked = role.Transports
	}
	return asked, nil
}

package config

import (
	"fmt"
	"net/netip"
)

// taken is a port that the configuration has the server listen on.
type taken struct {
	path     string
	protocol string // udp, tcp, unix
	at       netip.AddrPort
	unix     string
}

// checkPorts finds listeners that could not be opened side by side, as the
// system would find them, but before the first is opened.
func (l *loader) checkPorts(c *Config) {
	all := takenPorts(c)
	for i, a := range all {
		for _, b := range all[:i] {
			if a.clashes(b) {
				l.clash(a, b)
				break
			}
		}
		if a.protocol == "udp" {
			l.checkPool(a, &c.Relay)
		}
	}
}

// clash reports two listeners at the later one, unless that is a default.
func (l *loader) clash(a, b taken) {
	if !l.given(a.path) && l.given(b.path) {
		a, b = b, a
	}
	l.judge(a.path, fmt.Sprintf("listens where %s listens (%s)", b.path, a.protocol),
		"give it another port, or list the address once", b.path)
}

// checkPool refuses a UDP listener among the relay ports: whichever comes first
// would shut the other out.
func (l *loader) checkPool(a taken, r *Relay) {
	if a.at.Port() < r.MinPort || a.at.Port() > r.MaxPort {
		return
	}
	for i, relay := range r.Addresses {
		path := under(entry("relay.addresses", i), "bind")
		if relay.Bind.IsAuto() && !a.at.Addr().IsLoopback() || !relay.Bind.IsAuto() && overlap(a.at.Addr(), relay.Bind.Addr) {
			l.judge(a.path, fmt.Sprintf("is %v, and %d is among the relay ports %d to %d of %s", a.at, a.at.Port(), r.MinPort, r.MaxPort, entry("relay.addresses", i)),
				"choose a port outside them, or change relay.min_port or relay.max_port", path, "relay.min_port", "relay.max_port")
			return
		}
	}
}

// takenPorts are all listeners, in the order of the file's sections.
func takenPorts(c *Config) (all []taken) {
	for i, listener := range c.Listen {
		path := under(entry("listen", i), "address")
		if !listener.Address.IsValid() {
			continue
		}
		udp, tcp := false, false
		for _, t := range listener.Transports {
			udp, tcp = udp || t == UDP, tcp || t == TCP || t == TLSOverTCP
		}
		if udp {
			all = append(all, taken{path: path, protocol: "udp", at: listener.Address})
		}
		if tcp {
			all = append(all, taken{path: path, protocol: "tcp", at: listener.Address})
		}
	}
	for i, e := range c.Issuer.Listen {
		all = append(all, e.taken(entry("issuer.listen", i)))
	}
	for i, e := range c.Operator.Listen {
		all = append(all, e.taken(entry("operator.listen", i)))
	}
	return all
}

func (e Endpoint) taken(path string) taken {
	if e.Unix != "" {
		return taken{path: path, protocol: "unix", unix: e.Unix}
	}
	return taken{path: path, protocol: "tcp", at: e.TCP}
}

func (t taken) clashes(o taken) bool {
	if t.protocol == "unix" || o.protocol == "unix" {
		return t.unix == o.unix
	}
	return t.protocol == o.protocol && t.at.Port() == o.at.Port() && overlap(t.at.Addr(), o.at.Addr())
}

// overlap reports whether an address is the other or stands for it. The
// wildcard of a family stands for no address of the other.
func overlap(a, b netip.Addr) bool {
	if !a.IsValid() || !b.IsValid() || a.Is4() != b.Is4() {
		return false
	}
	return a == b || a.IsUnspecified() || b.IsUnspecified()
}
